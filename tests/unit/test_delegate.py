"""Delegates: found in CNI_PATH, executed with our environment and stdin, believed in what they answer (SPEC section 4).

They are shell scripts here, executed for real.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from cni import delegate
from cni.errors import DelegateFailed, InvalidConfig, InvalidEnvironment, IOFailure, TryAgainLater
from tests.unit.call import environment
from tests.unit.toy_delegate import CONF, Toy, request_of

# --- finding it


@pytest.mark.parametrize("plugin_type", ["", ".", "..", "a/b", "/bin/true", "../toy"])
def test_a_type_is_a_file_name_and_no_path(plugin_type: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"^ipam\.type: "):
        delegate.find(plugin_type, [str(tmp_path)])


def test_cni_path_is_only_asked_for_where_a_delegate_must_be_found() -> None:
    with pytest.raises(InvalidEnvironment, match=r"^CNI_PATH: is needed to find plugin 'toy'$") as caught:
        delegate.find("toy", [])
    assert caught.value.code == 4


def test_the_first_regular_file_in_cni_path_is_taken(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/toy").mkdir()  # not a file
    (tmp_path / "b/toy").touch(0o600)  # the x-bit is not looked at, as in the reference
    (tmp_path / "c/toy").touch(0o755)
    path = [str(tmp_path / name) for name in ("none", "a", "b", "c")]
    assert delegate.find("toy", path) == f"{tmp_path}/b/toy"


def test_a_missing_plugin_is_named_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig) as caught:
        delegate.find("toy", [str(tmp_path)])
    assert (caught.value.code, caught.value.msg) == (7, f"failed to find plugin \"toy\" in path ['{tmp_path}']")


# --- what it is given


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
def test_the_same_environment_and_stdin_and_another_verb(toy: Toy, verb: str) -> None:
    executable = toy("cat; env | grep -e ^CNI_ -e ^TRACEPARENT= | sort >&2; exit 1")
    request = request_of(ARGS="a=b", TRACEPARENT="00-af-b7-01", CNI_ARGS="IgnoreUnknown=1;MAC=a")
    with pytest.raises(DelegateFailed) as caught:
        delegate.execute(executable, request, verb)
    expected = {**environment(verb, ARGS="IgnoreUnknown=1;MAC=a"), "TRACEPARENT": "00-af-b7-01"}
    assert caught.value.details.splitlines() == sorted(f"{key}={value}" for key, value in expected.items())
    assert delegate.execute(toy("cat"), request, verb) == CONF
    assert request.environ["CNI_COMMAND"] == "ADD"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"A": "1", "CNI_ARGS": ""}, {"A": "1", "CNI_ARGS": ""}),
        # not frozen: what the runtime set is the runtime's
        ({"LD_LIBRARY_PATH": "/opt/lib"}, {"LD_LIBRARY_PATH": "/opt/lib"}),
        # the bootloader put its own in front and kept the original
        (
            {
                "LD_LIBRARY_PATH": "/opt/cni/_internal:/opt/lib",
                "LD_LIBRARY_PATH_ORIG": "/opt/lib",
                "_PYI_ARCHIVE_FILE": "x",
            },
            {"LD_LIBRARY_PATH": "/opt/lib"},
        ),
        ({"LD_LIBRARY_PATH": "/opt/cni/_internal", "_PYI_ARCHIVE_FILE": "x"}, {}),
        ({"_PYI_APPLICATION_HOME_DIR": "x", "_PYI_PARENT_PROCESS_LEVEL": "1", "_MEIPASS2": "x"}, {}),
        ({"PYINSTALLER_STRICT_UNPACK_MODE": "1", "PYTHONPATH": "/kept"}, {"PYTHONPATH": "/kept"}),
    ],
)
def test_nothing_of_the_frozen_program_is_inherited(environ: dict[str, str], expected: dict[str, str]) -> None:
    before = dict(environ)
    assert delegate.clean(environ) == expected
    assert environ == before


def test_a_signal_that_we_ignore_is_not_ignored_by_the_delegate(toy: Toy) -> None:
    """A DEL ignores SIGTERM, Python ignores SIGPIPE; over exec an ignored signal stays so."""
    old = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        output = delegate.execute(toy("grep SigIgn /proc/self/status"), request_of(), "DEL")
    finally:
        signal.signal(signal.SIGTERM, old)
    ignored = int(output.split()[1], 16)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        assert not ignored >> (number - 1) & 1, number


def test_a_large_stdin_that_nobody_reads_blocks_nobody(toy: Toy) -> None:
    conf = CONF[:-1] + b',"args":"' + b"x" * (1 << 20) + b'"}'
    assert delegate.execute(toy("echo fine"), request_of(conf), "CHECK") == b"fine\n"
    assert delegate.execute(toy("cat; cat /proc/self/fd/0"), request_of(conf), "CHECK").startswith(conf)


def test_a_helper_left_behind_with_stdout_does_not_delay_us(toy: Toy, tmp_path: Path) -> None:
    executable = toy(f"sleep 600 & echo $! >{tmp_path}/pid; echo done")
    try:
        assert delegate.execute(executable, request_of(), "CHECK") == b"done\n"
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


# --- what it answers


def test_stderr_of_success_is_passed_on(toy: Toy, capfd: pytest.CaptureFixture[str]) -> None:
    delegate.execute(toy("echo a hint >&2"), request_of(), "CHECK")
    assert capfd.readouterr() == ("", "a hint\n")


def test_its_error_is_passed_through_with_its_own_code(toy: Toy, capfd: pytest.CaptureFixture[str]) -> None:
    error = {"cniVersion": "1.1.0", "code": 123, "msg": "no more", "details": "really"}
    with pytest.raises(DelegateFailed) as caught:
        delegate.execute(toy(f"echo '{json.dumps(error)}'; echo noise >&2; exit 1"), request_of(), "CHECK")
    assert (caught.value.code, caught.value.msg, caught.value.details) == (123, "no more", "really")
    assert capfd.readouterr() == ("", "")


def test_stderr_stands_in_for_missing_details(toy: Toy) -> None:
    with pytest.raises(DelegateFailed) as caught:
        delegate.execute(
            toy("""echo '{"code": 11, "msg": "busy"}'; echo the reason >&2; exit 1"""), request_of(), "DEL"
        )
    assert (caught.value.code, caught.value.details) == (11, "the reason")


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("echo the reason >&2; exit 1", "exited with 1"),
        ("echo garbage; echo the reason >&2; exit 3", "exited with 3"),
        ("echo '[]'; echo the reason >&2; exit 1", "exited with 1"),
        ("""echo '{"code": "x"}'; echo the reason >&2; exit 1""", "exited with 1"),
        ("echo the reason >&2; kill -9 $$", "was killed by signal 9"),
        ("echo the reason >&2; kill -SEGV $$", "was killed by signal 11"),
    ],
)
def test_an_error_that_is_none_is_999_with_what_stderr_says(toy: Toy, script: str, how: str) -> None:
    with pytest.raises(DelegateFailed) as caught:
        delegate.execute(toy(script), request_of(), "DEL")
    assert (caught.value.code, caught.value.msg) == (999, f"toy DEL {how} without a CNI error")
    assert caught.value.details == "the reason"


def test_a_file_that_cannot_be_executed(toy: Toy) -> None:
    executable = toy("true")
    toy.path.chmod(0o600)
    with pytest.raises(IOFailure, match=f"^cannot execute {executable}$") as caught:
        delegate.execute(executable, request_of(), "CHECK")
    assert caught.value.details in ("Permission denied", "Exec format error")
    toy.path.unlink()
    with pytest.raises(IOFailure) as caught:
        delegate.execute(executable, request_of(), "CHECK")
    assert caught.value.details == "No such file or directory"


# --- its time


def test_a_program_that_takes_too_long_is_ended(toy: Toy) -> None:
    with pytest.raises(TryAgainLater, match=r"toy did not end within 0\.2 s$"):
        delegate.run([toy("echo $$ >$0.pid; exec sleep 60")], {"PATH": "/usr/bin:/bin"}, b"", 0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path(f"{toy.path}.pid").read_text()), 0)


def test_a_program_that_ends_in_time_is_as_without_a_limit(toy: Toy) -> None:
    assert delegate.run([toy("cat; exit 3")], {"PATH": "/usr/bin:/bin"}, b"x", 60) == (3, b"x", b"")


# --- text file busy: the executable is just being replaced


def test_text_file_busy_is_tried_again(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = toy("echo fine")
    writer = open(executable, "ab")  # noqa: SIM115 — closed by the first pause
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            writer.close()

    monkeypatch.setattr("cni.delegate.time.sleep", pause)
    assert delegate.execute(executable, request_of(), "CHECK") == b"fine\n"
    assert pauses == list(delegate.BUSY_WAITS[:2])


def test_text_file_busy_for_too_long_is_11(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = toy("echo fine")
    pauses: list[float] = []
    monkeypatch.setattr("cni.delegate.time.sleep", pauses.append)
    with open(executable, "ab"), pytest.raises(TryAgainLater, match=r"is being replaced$") as caught:
        delegate.execute(executable, request_of(), "CHECK")
    assert (caught.value.code, caught.value.details) == (11, "text file busy")
    assert pauses == list(delegate.BUSY_WAITS)
