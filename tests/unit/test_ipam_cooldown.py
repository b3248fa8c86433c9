"""Cool-down: a released IP waits while others are free. Its end is rounded up to an eighth, so 30 s become up to 34."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipam import blocks
from ipam.cooldown import Cooldown
from ipam.ranges import parse_ip
from tests.unit.ipam_call import Conf, add, delete, gc, single
from tests.unit.ipam_disk import INDEXES, fail_with

NOW = 1_790_000_000


class Clock:
    """time.time, as it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = float(NOW)
        monkeypatch.setattr(time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def entries(tmp_path: Path) -> dict[str, str]:
    places = [path for path in (tmp_path / INDEXES).iterdir() if path.name.endswith(".cool")]
    return {path.name: os.readlink(path) for place in places for path in place.iterdir()}


def is_cooling(cooldown: Cooldown, name: str) -> bool:
    where, bit = blocks.place(name)
    family, first = parse_ip(where)
    return bool(cooldown.bits(family, first >> blocks.SHIFT) & bit)


def small(ipam: Conf, **keys: object) -> Conf:
    """Five IPs for pods: 10.1.2.2 to 10.1.2.6."""
    return single(ipam, subnet="10.1.2.0/29") | keys


def test_a_released_ip_is_passed_over_until_it_is_cold(ipam: Conf, network: Path, clock: Clock) -> None:
    conf = small(ipam)
    for number in range(5):
        add(conf, f"c{number}")
    delete(conf, "c0")
    clock.now += 12
    delete(conf, "c1")
    clock.now += 20  # .2 is cold, .3 is not
    (network / "last_reserved_ip.0").write_text("10.1.2.2")
    assert add(conf, "d0") == ["10.1.2.2/29"]
    delete(conf, "d0")
    clock.now += 12
    assert add(conf, "d1") == ["10.1.2.3/29"]


def test_when_only_cooling_ones_are_left_they_are_given_in_turn(ipam: Conf, clock: Clock) -> None:
    conf = small(ipam)
    for number in range(5):
        add(conf, f"c{number}")
    for number in (3, 1):
        delete(conf, f"c{number}")
    assert add(conf, "d1") + add(conf, "d3") == ["10.1.2.3/29", "10.1.2.5/29"]


def test_a_set_that_must_take_cooling_ones_leaves_the_other_sets_alone(ipam: Conf, network: Path, clock: Clock) -> None:
    conf = ipam | {"ranges": [[{"subnet": "10.1.2.0/30"}], [{"subnet": "10.2.2.0/29"}]]}
    add(conf)
    delete(conf)
    (network / "last_reserved_ip.1").write_text("10.2.2.1")
    assert add(conf) == ["10.1.2.2/30", "10.2.2.3/29"]


def test_zero_switches_it_off(ipam: Conf, network: Path, tmp_path: Path, clock: Clock) -> None:
    conf = small(ipam, cooldown=0)
    add(conf)
    delete(conf)
    (network / "last_reserved_ip.0").unlink()
    assert add(conf) == ["10.1.2.2/29"]
    assert not any(path.name.endswith(".cool") for path in (tmp_path / INDEXES).iterdir())


def test_a_requested_ip_is_given_however_warm(ipam: Conf, tmp_path: Path, clock: Clock) -> None:
    conf = small(ipam)
    add(conf)
    delete(conf)
    assert entries(tmp_path) == {"10.1.2.0": f"{NOW} {NOW + 32}:4"}
    assert add(conf, cni_args="IP=10.1.2.2") == ["10.1.2.2/29"]


def test_what_gc_releases_cools_too(ipam: Conf, tmp_path: Path, clock: Clock) -> None:
    add(ipam)
    gc(ipam)
    assert entries(tmp_path) == dict.fromkeys(("10.1.2.0", "2001:db8:1::"), f"{NOW} {NOW + 32}:4")


def test_its_entries_leave_the_index_current(ipam: Conf, network: Path, tmp_path: Path) -> None:
    for _ in range(3):
        add(ipam)
        delete(ipam)
    (index,) = (path for path in (tmp_path / INDEXES).iterdir() if "." not in path.name)
    assert index.stat().st_mtime_ns == network.stat().st_mtime_ns
    assert os.listdir(index) == []


@pytest.mark.parametrize(
    "target",
    [
        f"{NOW + 5} {NOW + 35}:f",
        "",
        "junk",
        "-1",
        "1 2 3",
        f"{NOW} {NOW + 30}",
        f"{NOW} {NOW + 30}:",
        f"{NOW} :f",
    ],
)
def test_an_entry_that_cannot_be_does_not_cool(tmp_path: Path, clock: Clock, target: str) -> None:
    """The clock was set back, or somebody else wrote it, or an older version, which had one for each IP."""
    (tmp_path / "10.1.2.0").symlink_to(target or " ")
    cooldown = Cooldown(str(tmp_path), 30)
    assert not is_cooling(cooldown, "10.1.2.0")
    assert cooldown.names() == []
    cooldown.begin(["10.1.2.3"])
    assert cooldown.names() == ["10.1.2.3"]


def test_bits_that_cannot_be_name_no_more_than_the_block(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "10.1.2.0").symlink_to(f"{NOW} {NOW + 30}:-1")
    assert len(Cooldown(str(tmp_path), 30).names()) == 256


def test_old_entries_are_pruned_and_young_ones_stay(tmp_path: Path, clock: Clock) -> None:
    cooldown = Cooldown(f"{tmp_path}/cool", 30)
    cooldown.begin([f"10.1.2.{number}" for number in range(100)])
    clock.now += 31
    cooldown.begin(["10.1.3.1"])
    clock.now += 1
    assert cooldown.names() == ["10.1.3.1"]
    cooldown.prune()
    assert os.listdir(tmp_path / "cool") == ["10.1.3.0"]


def test_who_cools_shorter_leaves_what_others_noted_for_longer(tmp_path: Path, clock: Clock) -> None:
    """`cni-ipam free` cools by the default, whatever the network's configuration says."""
    configured, tool = Cooldown(f"{tmp_path}/cool", 300), Cooldown(f"{tmp_path}/cool", 30)
    configured.begin(["10.1.2.2"])
    clock.now += 60
    assert tool.names() == ["10.1.2.2"]
    tool.prune()
    tool.begin(["10.1.2.3"])
    clock.now += 230
    assert configured.names() == ["10.1.2.2"]
    clock.now += 50
    assert configured.names() == []


def test_there_are_never_many_more_than_cool(tmp_path: Path, clock: Clock) -> None:
    cooldown, most = Cooldown(f"{tmp_path}/cool", 30), 0
    for number in range(5000):
        clock.now += 1
        cooldown.begin([f"10.{number >> 8}.{number & 255}.1"])
        most = max(most, len(os.listdir(tmp_path / "cool")))
    assert most < 2000


def test_thousands_that_cool_cost_an_add_a_look_at_each_block(
    ipam: Conf, network: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = single(ipam, subnet="10.1.0.0/20")
    add(conf, "c0")
    (place,) = (path for path in (tmp_path / INDEXES).iterdir() if "." not in path.name)
    Cooldown(f"{place}.cool", 30).begin([f"10.1.{number >> 8}.{number & 255}" for number in range(4096)])
    looks, readlink = [], os.readlink

    def look(path: str, **at: Any) -> str:
        looks.append(path)
        return readlink(path, **at)

    monkeypatch.setattr(os, "readlink", look)
    assert add(conf, "c1") == ["10.1.0.3/20"]
    assert len(looks) < 3 * 16


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), min_size=1, max_size=60), st.integers(1, 600))
def test_whoever_was_released_cools_as_long_as_is_configured_and_an_eighth_more_at_most(
    releases: list[tuple[int, int]], seconds: int
) -> None:
    """Whatever else was released before and after it."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        cooldown, now, last = Cooldown(f"{place}/cool", seconds), NOW, dict[str, int]()
        patch.setattr(time, "time", lambda: float(now))
        for later, number in releases:
            now += later
            cooldown.begin([f"10.1.2.{number}"])
            last[f"10.1.2.{number}"] = now
            cooling = set(cooldown.names())
            assert {name for name, since in last.items() if now < since + seconds} <= cooling
            assert all(now <= last[name] + seconds + seconds // 8 + 1 for name in cooling)


def test_a_text_that_many_different_cool_downs_would_make_long_keeps_the_latest_ends(
    tmp_path: Path, clock: Clock
) -> None:
    for number in range(256):
        Cooldown(f"{tmp_path}/cool", 1000 + 37 * number).begin([f"10.1.2.{number}"])
    assert len(os.readlink(tmp_path / "cool/10.1.2.0")) < 1000
    assert Cooldown(f"{tmp_path}/cool", 30).names()[0] == "10.1.2.255"


def test_what_a_crash_left_unfinished_hinders_nothing(tmp_path: Path, clock: Clock) -> None:
    cooldown = Cooldown(f"{tmp_path}/cool", 30)
    cooldown.begin(["10.1.2.2"])
    (tmp_path / "cool/.unfinished").symlink_to(f"{NOW} {NOW + 32}:1")
    assert cooldown.names() == ["10.1.2.2"]
    cooldown.begin(["10.1.2.3"])
    assert sorted(cooldown.names()) == ["10.1.2.2", "10.1.2.3"]
    assert os.listdir(tmp_path / "cool") == ["10.1.2.0"]


def test_releasing_again_begins_anew(tmp_path: Path, clock: Clock) -> None:
    cooldown = Cooldown(f"{tmp_path}/cool", 30)
    cooldown.begin(["10.1.2.2"])
    clock.now += 20
    cooldown.begin(["10.1.2.2"])
    clock.now += 20
    assert is_cooling(cooldown, "10.1.2.2")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_cannot_be_noted_does_not_cool_and_fails_nothing(
    ipam: Conf, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    add(single(ipam))
    monkeypatch.setattr(os, "symlink", fail_with(number))
    delete(ipam)
    assert add(single(ipam)) == ["10.1.2.3/24"]
