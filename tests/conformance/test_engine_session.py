"""A session from its arguments to its exit code: what cannot be judged is refused, what was judged is not lost."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conformance import arguments, cli, data, session
from conformance.report import FORMATS

from . import child

VERSION = """echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}'; exit 0"""
ONLY = ["--only", "version-*@1.1.0,success-exits-0@1.1.0"]


def toy(directory: Path, script: str = VERSION, **profile: Any) -> list[str]:
    """The arguments of a session."""
    (directory / "profile.json").write_text(json.dumps({**child.PROFILE, "name": "toy", **profile}))
    executable = child.plugin(directory, script)
    return ["--plugin", executable, "--profile", "toy", "--profile-file", str(directory / "profile.json")]


def started(words: list[str], **more: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "conformance", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def ended(words: list[str]) -> tuple[int, str]:
    process = started(words)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_fewer_than_one_at_once_is_refused(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        arguments.parse(["--jobs", jobs])
    assert caught.value.code == 2
    assert "--jobs" in capsys.readouterr().err


def test_a_pattern_that_fits_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*toy(tmp_path), "--list", "--only", "version,tpyo"]) == 2
    assert "--only tpyo: no such case" in capsys.readouterr().err
    assert cli.main([*toy(tmp_path), "--list", "--only", "version"]) == 0


def test_what_env_and_writable_name_is_writable(tmp_path: Path) -> None:
    made = tmp_path / "own"
    made.mkdir()
    words = ["--env", f"SOCKET={tmp_path}/run/server.sock", "--env", "LEVEL=debug", "--writable", str(made)]
    options = arguments.parse([*toy(tmp_path), *words])
    setting = session.setting(data.load([tmp_path / "profile.json"]), options)
    assert setting.writable == (str(made), f"{tmp_path}/run")
    assert "/tmp" not in setting.scratch


def test_a_line_to_replay_names_the_program_that_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = arguments.parse([*toy(tmp_path), "--writable", "/a b"])
    known = data.load([tmp_path / "profile.json"])
    setting = session.setting(known, options)
    for program, words in (("/opt/cni-conformance", ["/opt/cni-conformance"]), ("/x/__main__.py", None)):
        monkeypatch.setattr(sys, "argv", [program])
        line = shlex.split(session._replay(child.plan({"call": "ADD"}), setting, options))
        assert line[: line.index("--plugin")] == (words or ["python", "-m", "conformance"])
        assert line[line.index("--writable") + 1] == "/a b"


@pytest.mark.root
def test_a_report_that_cannot_be_written_stops_the_session_before_it_begins(tmp_path: Path) -> None:
    code, text = ended([*toy(tmp_path, "touch $0.called"), *ONLY, "--badge", str(tmp_path / "b"), "--json", "/proc/x"])
    assert code == 2
    assert "runs in" not in text
    assert not (tmp_path / "b").exists()


@pytest.mark.root
def test_a_full_disk_loses_one_report_and_no_verdict(tmp_path: Path) -> None:
    reports = ["--json", "/dev/full", "--badge", str(tmp_path / "b.svg"), "--only", "success-exits-0@1.1.0"]
    good, bad = ended([*toy(tmp_path), *reports]), ended([*toy(tmp_path, f"{VERSION[:-6]}exit 3"), *reports])
    assert "PASSED" in good[1]
    assert (good[0], bad[0]) == (2, 1)
    assert "no json report in /dev/full" in bad[1]
    assert (tmp_path / "b.svg").exists()


@pytest.mark.root
def test_a_report_beside_a_private_directory_reaches_the_disk(tmp_path: Path) -> None:
    missing = tmp_path / "made" / "for" / "each"
    ended(
        [*toy(tmp_path, private=[str(missing)]), "--only", "success-exits-0@1.1.0", "--json", str(tmp_path / "r.json")]
    )
    assert json.loads((tmp_path / "r.json").read_text())["runs"]
    assert not missing.parent.parent.exists()


@pytest.mark.root
def test_an_interrupt_keeps_what_was_played(tmp_path: Path) -> None:
    script = f"""case $CNI_COMMAND in VERSION) {VERSION};; esac; sleep 1005"""
    words = [*toy(tmp_path, script), "--jobs", "1", "--json", str(tmp_path / "r.json")]
    process = started([*words, "--only", "version-*@1.1.0,success-exits-0@1.1.0"])
    deadline = time.monotonic() + 60
    while not _sleeps() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (1, 2), out + err
    assert "Traceback" not in out + err
    reasons = {run.get("reason") for run in json.loads((tmp_path / "r.json").read_text())["runs"]}
    assert "not played: the session was interrupted" in reasons
    assert not _sleeps()


def _sleeps() -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [pid] if Path("/proc", pid, "cmdline").read_bytes() == b"sleep\0" + b"1005\0" else []
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def test_every_format_is_an_option() -> None:
    options = {text for action in arguments.parser()._actions for text in action.option_strings}
    assert {f"--{name}" for name in FORMATS} <= options
