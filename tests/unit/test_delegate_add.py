"""ADD of a delegate: its result in any version, and its DEL wherever the ADD fails (SPEC section 4)."""

from __future__ import annotations

import os
import signal

import pytest

from cni import delegate
from cni.errors import CNIError, DecodingFailure, DelegateFailed, IncompatibleVersion, TryAgainLater
from tests.unit.call import VERSIONS
from tests.unit.toy_delegate import CONF, Toy, request_of

RESULT = '{"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]}'


def test_the_result_of_add(toy: Toy) -> None:
    result = delegate.add(toy(f"echo '{RESULT}'"), request_of())
    assert [(ip.address, ip.gateway) for ip in result.ips] == [("10.1.0.2/24", "10.1.0.1")]
    assert toy.calls == ["ADD"]


@pytest.mark.parametrize("asked", VERSIONS)
@pytest.mark.parametrize("answered", VERSIONS)
def test_a_result_of_any_version_is_taken(toy: Toy, asked: str, answered: str) -> None:
    """The reference's bridge converts whatever its delegate answers."""
    old, new = '"ip4": {"ip": "10.1.0.2/24"}', '"ips": [{"address": "10.1.0.2/24"}]'
    body = old if answered in VERSIONS[:2] else new
    executable = toy(f"""echo '{{"cniVersion": "{answered}", {body}}}'""")
    assert delegate.add(executable, request_of(CONF.replace(b"1.1.0", asked.encode()))).ips[0].address == "10.1.0.2/24"


def test_a_result_without_a_version_is_of_ours(toy: Toy) -> None:
    executable = toy("""echo '{"ip4": {"ip": "10.1.0.2/24"}}'""")
    assert delegate.add(executable, request_of(CONF.replace(b"1.1.0", b"0.2.0"))).ips[0].address == "10.1.0.2/24"


@pytest.mark.parametrize("output", ["", "null", "  \n"])
def test_no_result_is_an_empty_one(toy: Toy, output: str) -> None:
    result = delegate.add(toy(f"echo '{output}'"), request_of())
    assert (result.interfaces, result.ips, result.routes) == ([], [], [])


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ("garbage", DecodingFailure),
        ("[]", DecodingFailure),
        ('{"ips": [{"address": 5}]}', DecodingFailure),
        ('{"ips": 1}', DecodingFailure),
        (f"{RESULT}{RESULT}", DecodingFailure),
        ('{"cniVersion": "9.9.9"}', IncompatibleVersion),
    ],
)
def test_a_result_that_is_none_is_an_error_and_its_del_is_run(toy: Toy, output: str, error: type[CNIError]) -> None:
    with pytest.raises(error):
        delegate.add(toy(f"echo '{output}'"), request_of())
    assert toy.calls == ["ADD", "DEL"]


@pytest.mark.parametrize("after", ["exit 0", """echo '{"code": 5, "msg": "DEL failed"}'; exit 1""", "kill -9 $$"])
def test_a_failed_add_is_followed_by_del_and_its_own_error_is_told(toy: Toy, after: str) -> None:
    script = f"""if [ $CNI_COMMAND = DEL ]; then {after}; fi; echo '{{"code": 102, "msg": "full"}}'; exit 1"""
    with pytest.raises(DelegateFailed) as caught:
        delegate.add(toy(script), request_of())
    assert (caught.value.code, caught.value.msg) == (102, "full")
    assert toy.calls == ["ADD", "DEL"]


def is_interrupted(executable: str) -> bool:
    """Whether an ADD ends by the SIGTERM that its delegate sends to it, which raises as skel lets it do.

    In a process of one thread, as a plugin is: one of xdist's threads could take the signal.
    """

    def interrupt(number: int, frame: object) -> None:
        raise TryAgainLater("interrupted")

    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, interrupt)
        try:
            delegate.add(executable, request_of())
        except TryAgainLater as error:
            os._exit(0 if error.msg == "interrupted" else 2)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def test_an_interrupted_add_ends_the_delegate_and_then_runs_its_del(toy: Toy) -> None:
    """The signal comes while the delegate is hardly started: nobody may forget that it runs."""
    at_its_end = f"echo TERM >>{toy.directory}/calls; kill $!; exit 1"
    script = f"[ $CNI_COMMAND = DEL ] && exit; sleep 20 & trap '{at_its_end}' TERM; kill $PPID; wait"
    assert is_interrupted(toy(script))
    assert toy.calls == ["ADD", "TERM", "DEL"]


def test_a_delegate_that_does_not_heed_sigterm_is_killed(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegate, "END_SECONDS", 0)
    script = "[ $CNI_COMMAND = DEL ] && exit; trap '' TERM; echo $$ >>calls; kill $PPID; while :; do sleep 1; done"
    assert is_interrupted(toy(script.replace("calls", f"{toy.directory}/calls")))
    add, pid, delete = toy.calls
    assert (add, delete) == ("ADD", "DEL")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
