"""The checks that roll dice or start crowds: each holds for a plugin that is right, and fails for one that is not."""

import time
from pathlib import Path
from typing import Any

import pytest

from conformance.checks import concurrency, fuzz, killed
from tests.conformance import child

pytestmark = pytest.mark.root

# An IPAM plugin of a few lines: one file per address, made by mkdir, which is atomic.
RIGHT = """
input=$(cat)
home=${0%/bin/*}/store/net; mkdir -p $home
case $CNI_COMMAND in
ADD)
    case "$CNI_CONTAINERID$CNI_IFNAME" in cid-*eth0) ;; *) echo '{"code": 4, "msg": "CNI_CONTAINERID"}'; exit 1;; esac
    n=1; until mkdir $home/lock-$n 2>/dev/null; do n=$((n + 1)); done
    echo $CNI_CONTAINERID >$home/10.0.0.$n; SLOW
    echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.'$n'/24"}]}';;
DEL)
    for file in $(grep -lx "$CNI_CONTAINERID" $home/10.* 2>/dev/null); do rm $file; rmdir $home/lock-${file##*.}; done;;
esac
exit 0
"""


def complaints(directory: Path, check: Any, script: str, **arguments: Any) -> list[str]:
    def work() -> list[str]:
        player = child.player(directory, {"call": "ADD"}, script=script, features=[])
        return [f"{one.expected}: {one.actual}" for one in check(player, **arguments)]

    found: list[str] = child.in_child(work)
    return found


def test_right_ones_pass(tmp_path: Path) -> None:
    assert complaints(tmp_path, concurrency.check, RIGHT.replace("SLOW", ""), pods=12) == []
    assert complaints(tmp_path, fuzz.check, RIGHT.replace("SLOW", ""), rounds=12) == []
    assert complaints(tmp_path, killed.check, RIGHT.replace("SLOW", "sleep 0.05"), kills=5) == []


@pytest.mark.parametrize(
    ("fault", "instead", "words"),
    [
        (
            "until mkdir $home/lock-$n 2>/dev/null; do n=$((n + 1)); done",
            "mkdir -p $home/lock-$n",
            "no address given twice",
        ),
        ("rm $file;", ":;", "nothing left after 12 DELs"),
        ("SLOW", "test $n -lt 5 || exit 1", "12 ADDs at once succeed"),
    ],
)
def test_concurrency_fails(tmp_path: Path, fault: str, instead: str, words: str) -> None:
    script = RIGHT.replace(fault, instead).replace("SLOW", "")
    assert words in "\n".join(complaints(tmp_path, concurrency.check, script, pods=12))


@pytest.mark.parametrize(
    ("fault", "instead", "words"),
    [
        ("ADD)", "ADD) touch $home/mark; sleep 0.1; rm $home/mark;", "nothing left after DEL"),
        (
            "ADD)",
            "ADD) mkdir $home/busy || exit 1; sleep 0.1; rmdir $home/busy;",
            "ADD succeeds once the killed ADD was deleted",
        ),
    ],
)
def test_killed_fails_and_tells_its_seed(tmp_path: Path, fault: str, instead: str, words: str) -> None:
    (found,) = complaints(tmp_path, killed.check, RIGHT.replace(fault, instead).replace("SLOW", ""), kills=5)
    assert words in found and "seed 1-0-1.1.0" in found


@pytest.mark.parametrize(
    ("fault", "instead", "words"),
    [
        ('echo \'{"code": 4, "msg": "CNI_CONTAINERID"}\'', "echo no", "an error document"),
        ('echo \'{"code": 4, "msg": "CNI_CONTAINERID"}\'', ":", "an error document"),
        (
            "SLOW",
            'case "$input" in *conf-*) ;; *) echo "Traceback (most recent call last):" >&2; exit 1;; esac',
            "Traceback",
        ),
        ("rm $file;", ":;", "nothing left after DEL"),
        ("SLOW", "echo '{}';", "at most one JSON document"),
    ],
)
def test_fuzz_fails_and_tells_its_seed(tmp_path: Path, fault: str, instead: str, words: str) -> None:
    (found,) = complaints(tmp_path, fuzz.check, RIGHT.replace(fault, instead).replace("SLOW", ""), rounds=40)
    assert words in found and "seed 1-0-1.1.0" in found


def test_a_crowd_that_hangs_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "_LIMIT", 1.0)
    begun = time.monotonic()
    found = complaints(tmp_path, concurrency.check, "sleep 1000", pods=12)
    assert time.monotonic() - begun < 8
    assert [one.partition(":")[0] for one in found] == ["12 ADDs at once succeed", "an end within the time limit"]


def test_fuzz_cannot_write_outside_its_world(tmp_path: Path) -> None:
    script = f"touch {tmp_path}/out; touch ${{0%/bin/*}}/in; exit 0"
    complaints(tmp_path, fuzz.check, script, rounds=1)
    assert not (tmp_path / "out").exists()
