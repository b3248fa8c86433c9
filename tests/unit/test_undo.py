"""cni_veth.undo: all or nothing, and as much as possible."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from cni.errors import CNIError, DelegateFailed, InvalidConfig, KernelRefused, TryAgainLater
from cni_veth.undo import Errors, Undo


def failing(error: BaseException) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


def test_success_undoes_nothing() -> None:
    done: list[str] = []
    with Undo() as undo:
        undo.push(lambda: done.append("a"))
    assert done == []


@pytest.mark.parametrize("error", [InvalidConfig("no"), ValueError("bug"), KeyboardInterrupt()])
def test_an_exception_runs_the_steps_in_reverse_and_goes_on(error: BaseException) -> None:
    done: list[str] = []
    with pytest.raises(type(error)) as caught, Undo() as undo:
        for name in "abc":
            undo.push(lambda name=name: done.append(name))  # type: ignore[misc]
        raise error
    assert done == ["c", "b", "a"]
    assert caught.value is error


def test_a_step_that_fails_does_not_stop_the_others_and_is_told() -> None:
    done: list[str] = []
    with pytest.raises(InvalidConfig) as caught, Undo() as undo:
        undo.push(lambda: done.append("a"))
        undo.push(failing(KernelRefused("delete link veth1", errno.EBUSY)))
        undo.push(failing(OSError(errno.EROFS, "read-only")))
        undo.push(lambda: done.append("d"))
        raise InvalidConfig("the reason", "its details")
    assert done == ["d", "a"]
    assert caught.value.msg == "the reason"
    assert caught.value.details.splitlines() == [
        "its details",
        f"not undone, DEL will try again: [Errno {errno.EROFS}] read-only; "
        "cannot delete link veth1: Device or resource busy",
    ]


def test_details_of_an_error_that_had_none() -> None:
    with pytest.raises(TryAgainLater) as caught, Undo() as undo:
        undo.push(failing(CNIError("stuck")))
        raise TryAgainLater("interrupted")
    assert caught.value.details == "not undone, DEL will try again: stuck"


def test_a_bug_in_a_step_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), Undo() as undo:
        undo.push(failing(ZeroDivisionError()))
        raise InvalidConfig("the reason")


def test_no_error_throws_nothing() -> None:
    errors = Errors()
    with errors:
        pass
    errors.throw()
    assert errors.found == []


def test_one_error_is_thrown_as_it_is() -> None:
    errors, error = Errors(), InvalidConfig("no")
    with errors:
        raise error
    with pytest.raises(InvalidConfig) as caught:
        errors.throw()
    assert caught.value is error


def test_several_errors_are_all_told_under_the_first_ones_code() -> None:
    errors = Errors()
    with errors:
        raise TryAgainLater("locked", "by somebody")
    with errors:
        raise OSError(errno.EROFS, "read-only")
    with errors:
        raise InvalidConfig("third")
    with pytest.raises(DelegateFailed) as caught:
        errors.throw()
    assert (caught.value.code, caught.value.msg) == (11, "locked (and 2 more)")
    assert caught.value.details.splitlines() == ["locked (by somebody)", f"[Errno {errno.EROFS}] read-only", "third"]


def test_an_os_error_alone_is_999_with_its_text() -> None:
    errors = Errors()
    with errors:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/x")
    with pytest.raises(CNIError, match=r"No such file or directory: '/x'$") as caught:
        errors.throw()
    assert caught.value.code == 999


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_what_is_no_failure_of_a_step_is_not_collected(error: BaseException) -> None:
    with pytest.raises(type(error)), Errors():
        raise error


def test_a_last_step_is_left_out_after_a_failed_one() -> None:
    for fails, expected in ((True, ["before"]), (False, ["link", "address", "before"])):
        done: list[str] = []

        def link(fails: bool = fails, done: list[str] = done) -> None:
            if fails:
                raise CNIError("the kernel refused")
            done.append("link")

        with pytest.raises(CNIError), Undo() as undo:
            undo.push(lambda done=done: done.append("before"))
            undo.push(lambda done=done: done.append("address"), last=True)
            undo.push(link)
            raise CNIError("no")
        assert done == expected
