"""A session from its arguments to its exit code: what cannot be judged is refused, what was judged is not lost."""

import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conformance import arguments, cli, data, results, session
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
    monkeypatch.chdir(tmp_path)
    toy(tmp_path)
    words = ["--plugin", "./toy", "--profile-file", "profile.json", "--cni-path", ".", "--level", "should"]
    options = arguments.parse([*words, "--writable", "/a b"])
    known = data.load([tmp_path / "profile.json"])
    setting = session.setting(known, options)
    module = [sys.executable, "-m", "conformance"]
    for program, begins in (("/opt/cni-conformance", ["/opt/cni-conformance"]), ("/x/__main__.py", module)):
        monkeypatch.setattr(sys, "argv", [program])
        line = shlex.split(session._replay(child.plan({"call": "ADD"}), setting, options))
        assert line[: line.index("--plugin")][-len(begins) :] == begins
        told = dict(itertools.pairwise(line[line.index("--plugin") :]))
        assert told["--plugin"] == f"{tmp_path}/toy"
        assert told["--profile-file"] == f"{tmp_path}/profile.json"
        assert (told["--cni-path"], told["--writable"], told["--level"]) == (str(tmp_path), "/a b", "should")


@pytest.mark.root
def test_a_line_to_replay_works_in_another_directory(tmp_path: Path) -> None:
    bad = toy(tmp_path, "echo no; exit 3")
    code, text = ended([*bad, "--only", "success-exits-0@1.1.0"])
    (line,) = re.findall(r"^  replay   (.*)$", text, re.M)
    again = subprocess.run(shlex.split(line), cwd="/", capture_output=True, text=True, timeout=120)
    assert (again.returncode, "FAIL success-exits-0" in again.stdout) == (code, True) == (1, True)


def test_the_profile_of_a_file_needs_no_name(tmp_path: Path) -> None:
    words = toy(tmp_path)
    del words[2:4]
    written = json.loads((tmp_path / "profile.json").read_text())
    (tmp_path / "profile.json").write_text(json.dumps({**written, "name": "of-my-own"}))
    known = data.load([tmp_path / "profile.json"])
    assert session.setting(known, arguments.parse(words)).profile["name"] == "of-my-own"
    assert session.setting(known, arguments.parse([*words, "--profile", "bridge"])).profile["name"] == "bridge"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--cni-path", "/of/nowhere"], "--cni-path /of/nowhere is no directory"),
        (["--json", "-", "--markdown", "-"], "--json - and --markdown -: standard output takes one report"),
    ],
)
@pytest.mark.root
def test_what_cannot_be_used_is_told_in_one_line(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*toy(tmp_path), *words]) == 2
    assert capsys.readouterr().err == f"cni-conformance: {says}\n"


def test_a_missing_library_is_no_verdict() -> None:
    command = [sys.executable, "-S", "-m", "conformance", "--list-profiles"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "jsonschema is missing" in done.stderr and "pip install jsonschema pyroute2" in done.stderr


def test_a_list_needs_no_plugin_and_its_reader_may_leave(capsys: pytest.CaptureFixture[str]) -> None:
    process = started(["--list", "--profile", "host-local"])
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 0
    assert cli.main(["--list"]) == 2
    assert "--plugin PATH or --profile NAME" in capsys.readouterr().err
    assert cli.main(["--list-profiles"]) == 0
    assert "ipam     addresses from ranges, kept in files" in capsys.readouterr().out


@pytest.mark.root
def test_a_reader_that_leaves_costs_no_report(tmp_path: Path) -> None:
    process = started([*toy(tmp_path), "--only", "success-exits-0@1.1.0", "--json", str(tmp_path / "r.json")])
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 0
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == 0


@pytest.mark.root
def test_where_every_add_failed_one_line_says_so(tmp_path: Path) -> None:
    hint = "every ADD failed; begin with success-exits-0@1.1.0"
    words = ["--only", "success-exits-0@1.1.0"]
    failing = f"""case $CNI_COMMAND in VERSION) {VERSION};; esac; echo why >&2; exit 3"""
    text = ended([*toy(tmp_path, failing), *words])[1]
    assert text.count(hint) == 1
    assert "    stderr   why\n" in text
    working = (
        f"""case $CNI_COMMAND in VERSION) {VERSION};; ADD) echo '{{"cniVersion": "1.1.0"}}';; DEL) exit 3;; esac"""
    )
    assert "every ADD failed" not in ended([*toy(tmp_path, working), *words])[1]


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
    assert "NOT JUDGED: THE SESSION WAS INTERRUPTED" in out
    runs = json.loads((tmp_path / "r.json").read_text())["runs"]
    assert {run["verdict"] for run in runs if run.get("reason") == results.INTERRUPTED} == {"na"}
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
