"""Cool-down: a released IP waits while others are free, and hinders nobody when none is."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from ipam.cooldown import Cooldown
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


def small(ipam: Conf, **keys: object) -> Conf:
    """Five IPs for pods: 10.1.2.2 to 10.1.2.6."""
    return single(ipam, subnet="10.1.2.0/29") | keys


def test_a_released_ip_is_passed_over_until_it_is_cold(ipam: Conf, network: Path, clock: Clock) -> None:
    conf = small(ipam)
    for number in range(5):
        add(conf, f"c{number}")
    delete(conf, "c0")
    clock.now += 10
    delete(conf, "c1")
    clock.now += 21  # .2 is cold, .3 is not
    (network / "last_reserved_ip.0").write_text("10.1.2.2")
    assert add(conf, "d0") == ["10.1.2.2/29"]
    delete(conf, "d0")
    clock.now += 9
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
    assert entries(tmp_path) == {"10.1.2.2": f"{NOW} {NOW + 30}"}
    assert add(conf, cni_args="IP=10.1.2.2") == ["10.1.2.2/29"]
    assert entries(tmp_path) == {}


def test_what_gc_releases_cools_too(ipam: Conf, tmp_path: Path, clock: Clock) -> None:
    add(ipam)
    gc(ipam)
    assert entries(tmp_path) == dict.fromkeys(("10.1.2.2", "2001:db8:1::2"), f"{NOW} {NOW + 30}")


def test_its_entries_leave_the_index_current(ipam: Conf, network: Path, tmp_path: Path) -> None:
    for _ in range(3):
        add(ipam)
        delete(ipam)
    (index,) = (path for path in (tmp_path / INDEXES).iterdir() if "." not in path.name)
    assert index.stat().st_mtime_ns == network.stat().st_mtime_ns
    assert os.listdir(index) == []


@pytest.mark.parametrize("target", [f"{NOW + 5} {NOW + 35}", "", "junk", "-1", "1 2 3", str(NOW), str(NOW + 5)])
def test_an_entry_that_cannot_be_does_not_cool(tmp_path: Path, clock: Clock, target: str) -> None:
    """The clock was set back, or somebody else wrote it, or an older version, which noted the release alone."""
    (tmp_path / "10.1.2.2").symlink_to(target or " ")
    assert not Cooldown(str(tmp_path), 30).holds("10.1.2.2")


def test_old_entries_are_pruned_and_young_ones_stay(tmp_path: Path, clock: Clock) -> None:
    cooldown = Cooldown(f"{tmp_path}/cool", 30)
    cooldown.begin([f"10.1.2.{number}" for number in range(100)])
    clock.now += 29
    cooldown.begin(["10.1.3.1"])
    clock.now += 1
    assert cooldown.names() == ["10.1.3.1"]
    cooldown.prune()
    assert os.listdir(tmp_path / "cool") == ["10.1.3.1"]


def test_who_cools_shorter_leaves_what_others_noted_for_longer(tmp_path: Path, clock: Clock) -> None:
    """`cni-ipam free` cools by the default, whatever the network's configuration says."""
    configured, tool = Cooldown(f"{tmp_path}/cool", 300), Cooldown(f"{tmp_path}/cool", 30)
    configured.begin(["10.1.2.2"])
    clock.now += 60
    assert tool.names() == ["10.1.2.2"]
    tool.prune()
    assert configured.holds("10.1.2.2")
    clock.now += 240
    assert not configured.holds("10.1.2.2")


def test_there_are_never_many_more_than_cool(tmp_path: Path, clock: Clock) -> None:
    cooldown, most = Cooldown(f"{tmp_path}/cool", 30), 0
    for number in range(5000):
        clock.now += 1
        cooldown.begin([f"10.1.{number >> 8}.{number & 255}"])
        most = max(most, len(os.listdir(tmp_path / "cool")))
    assert most < 2000


def test_releasing_again_begins_anew(tmp_path: Path, clock: Clock) -> None:
    cooldown = Cooldown(f"{tmp_path}/cool", 30)
    cooldown.begin(["10.1.2.2"])
    clock.now += 20
    cooldown.begin(["10.1.2.2"])
    clock.now += 20
    assert cooldown.holds("10.1.2.2")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_cannot_be_noted_does_not_cool_and_fails_nothing(
    ipam: Conf, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    add(single(ipam))
    monkeypatch.setattr(os, "symlink", fail_with(number))
    delete(ipam)
    assert add(single(ipam)) == ["10.1.2.3/24"]
