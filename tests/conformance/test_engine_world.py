"""A run's world: what is in it, that it is gone afterwards, and that nothing gets out of it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance import run, steps
from conformance.matrix import Binding
from tests.conformance import child

pytestmark = pytest.mark.root

ADD = {"call": "ADD", "expect": {"exit": 0}}


def runs(directory: Path, scripts: dict[str, str], jobs: int = 2, **spec: Any) -> dict[str, dict[str, Any]]:
    """Per container ID the run of one ADD; scripts: what the plugin does for it."""
    cases = "\n".join(f"{name}) {script};;" for name, script in scripts.items())
    executable = child.plugin(directory, f'case "$CNI_CONTAINERID" in {cases}\nesac')

    def work() -> dict[str, Any]:
        setting = child.setting(executable)
        run.prepare(setting)
        plans = [child.plan({**ADD, "container": name}, id=name, **spec) for name in scripts]
        return {plan.case.id: found for plan, found in run.runs(setting, plans, Binding([]), jobs)}

    found: dict[str, dict[str, Any]] = child.in_child(work)
    return found


def actual(found: dict[str, Any]) -> str:
    return " ".join(failure["actual"] for failure in found["failures"])


def test_a_plugin_that_dies_fails_its_own_run_alone(tmp_path: Path) -> None:
    found = runs(tmp_path, {"good": "exit 0", "dies": "kill -SEGV $$", "fails": "exit 3"})
    assert found["good"]["failures"] == []
    assert "signal 11" in actual(found["dies"])
    assert "exit 3" in actual(found["fails"])
    assert not [one for one in found.values() if one.get("verdict") == "broken"]


def test_a_plugin_that_hangs_fails_its_own_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "CALL_LIMIT", 1.5)
    begun = time.monotonic()
    found = runs(tmp_path, {"hangs": "sleep 1000", "hangs-below": "(sleep 1001); true", "good": "exit 0"})
    assert found["good"]["failures"] == []
    assert "no end within" in actual(found["hangs"])
    assert "no end within" in actual(found["hangs-below"])
    assert time.monotonic() - begun < 15
    assert not running("sleep 1000") and not running("sleep 1001")


def test_what_a_plugin_leaves_running_is_ended_with_the_run(tmp_path: Path) -> None:
    script = "setsid sleep 1002 >/dev/null 2>&1 </dev/null & setsid sleep 1003 & exit 0"
    found = runs(tmp_path, {"daemon": script})
    assert found["daemon"]["failures"] == []
    assert found["daemon"]["seconds"] < 5
    assert not running("sleep 1002") and not running("sleep 1003")


def test_a_fault_of_the_suite_breaks_the_run_and_no_other(tmp_path: Path) -> None:
    executable = child.plugin(tmp_path)

    def work() -> list[dict[str, Any]]:
        setting = child.setting(executable)
        run.prepare(setting)
        plans = [child.plan({"change": "link-down"}), child.plan(ADD)]
        return [found for _, found in run.runs(setting, plans, Binding([]), 1)]

    broken, good = child.in_child(work)
    assert (broken["verdict"], good["failures"]) == ("broken", [])
    assert "no link eth0 in pod 1" in broken["reason"]


def test_a_run_sees_namespaces_and_files_of_its_own(tmp_path: Path) -> None:
    script = """
    test -z "$(ls -A /var/lib/cni-conformance-test)" || exit 4
    touch /var/lib/cni-conformance-test/mark "${CNI_NETNS%/netns/*}/mark"
    ip link add mark0 type bridge && ip link show mark0 >/dev/null || exit 5
    nsenter --net="$CNI_NETNS" ip link add mark1 type bridge || exit 6
    test "$(ls /sys/class/net)" = "lo
mark0" || exit 7
    """
    found = runs(tmp_path, {"one": script, "two": script, "three": script}, jobs=1)
    assert [one["failures"] for one in found.values()] == [[], [], []]
    assert not Path("/var/lib/cni-conformance-test").exists()
    assert not Path("/sys/class/net/mark0").exists()


def test_nothing_outside_the_world_can_be_written_but_what_is_named(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "closed").mkdir()
    script = f"""
    touch {tmp_path}/closed/mark && exit 4
    touch /etc/mark && exit 5
    touch /run/mark && exit 6
    touch {tmp_path}/open/mark "${{CNI_NETNS%/netns/*}}/mark" /var/lib/cni-conformance-test/mark /var/tmp/mark || exit 7
    echo 1 >/proc/sys/net/ipv4/ip_forward && : >/dev/null || exit 8
    """
    executable = child.plugin(tmp_path, script)

    def work() -> dict[str, Any]:
        setting = replace(child.setting(executable), writable=(str(tmp_path / "open"),), scratch=("/var/tmp",))
        run.prepare(setting)
        ((_, found),) = run.runs(setting, [child.plan(ADD)], Binding([]), 1)
        return found

    assert child.in_child(work)["failures"] == []
    assert os.listdir(tmp_path / "open") == ["mark"]
    assert os.listdir(tmp_path / "closed") == []
    assert not Path("/var/tmp/mark").exists()


def test_iptables_has_its_lock(tmp_path: Path) -> None:
    script = """
    iptables-legacy -w -A FORWARD -j ACCEPT || exit 4
    iptables -w -A FORWARD -j ACCEPT || exit 5
    """
    assert runs(tmp_path, {"one": script})["one"]["failures"] == []


def test_a_plugin_that_hangs_and_hangs_ends_the_session_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "CALL_LIMIT", 0.3)
    monkeypatch.setattr(run, "HANGS", 3)
    found = list(runs(tmp_path, {"good": "exit 0", **{f"hangs-{n}": "sleep 1004" for n in range(9)}}, jobs=1).values())
    assert [bool(one["failures"]) for one in found] == [False, True, True, True, *[False] * 6]
    assert {(one["verdict"], one["reason"]) for one in found[4:]} == {("na", "not judged: the plugin hung in 3 runs")}
    assert "hung" not in found[1]


def test_calls_that_are_slow_but_end_are_judged_as_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "CALL_LIMIT", 0.6)
    executable = child.plugin(tmp_path, "sleep 0.4")

    def work() -> list[dict[str, Any]]:
        setting = child.setting(executable)
        run.prepare(setting)
        plans = [child.plan(*[ADD] * 5), child.plan(*[ADD] * 5, limit=0.5)]
        return [found for _, found in run.runs(setting, plans, Binding([]), 1)]

    slow, limited = child.in_child(work)
    assert "verdict" not in slow and slow["failures"] == []
    assert (limited["verdict"], limited["failures"]) == ("broken", [])
    assert limited["reason"] == "too slow: 2 calls took more than the 0.5 s that the case has"


def test_no_runs_at_once_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        next(run.runs(child.setting(child.plugin(tmp_path)), [child.plan(ADD)], Binding([]), 0))


@pytest.mark.parametrize(
    ("script", "versions"),
    [
        ("""echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.0.0", "1.1.0"]}'""", ["1.0.0", "1.1.0"]),
        ("""echo '{"supportedVersions": "1.1.0"}'""", None),
        ("head -c 200000 /dev/zero | tr '\\\\0' '['", None),
        ("yes '['", None),
        ("exit 3", None),
    ],
)
def test_the_versions_that_a_plugin_lists(tmp_path: Path, script: str, versions: list[str] | None) -> None:
    executable = child.plugin(tmp_path, script)

    def work() -> list[str] | None:
        setting = child.setting(executable)
        run.prepare(setting)
        return run.supported_versions(setting)

    assert child.in_child(work) == versions


def test_the_plugin_gets_nothing_of_the_caller_s_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "1")
    found = runs(tmp_path, {"one": 'test -z "$OF_THE_CALLER" && test "$CNI_IFNAME" = eth0 || exit 4'})
    assert found["one"]["failures"] == []


@pytest.mark.parametrize("killed", ["the suite", "the run"])
def test_nothing_is_left_when_the_suite_itself_is_killed(tmp_path: Path, killed: str) -> None:
    mark = f"sleep {os.getpid()}.{len(killed)}"
    (tmp_path / "profile.json").write_text(json.dumps({**child.PROFILE, "name": "hanging"}))
    executable = child.plugin(tmp_path, f"case $CNI_COMMAND in ADD) (setsid {mark}) & {mark};; esac")
    arguments = ["--plugin", executable, "--profile", "hanging", "--profile-file", str(tmp_path / "profile.json")]
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance", *arguments, "--only", "add-prints-one-result@1.1.0", "--jobs", "1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(running(mark)) == 2)
        (below,) = children(process.pid)
        os.kill(process.pid if killed == "the suite" else below, signal.SIGKILL)
        assert process.wait(30) == (-signal.SIGKILL if killed == "the suite" else 2)
        until(lambda: not running(mark) and not Path(f"/proc/{below}").exists())
    finally:
        process.kill()
        for pid in running(mark):
            os.kill(pid, signal.SIGKILL)
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if "cni-conformance" in line]


def running(words: str) -> list[int]:
    found = []
    for path in [Path("/proc", pid, "cmdline") for pid in os.listdir("/proc") if pid.isdigit()]:
        try:
            if path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() == words:
                found.append(int(path.parts[2]))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(is_so: Any, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.02)
