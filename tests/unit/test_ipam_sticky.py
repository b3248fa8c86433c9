"""ipam.sticky: the last IPs of a pod, whatever happened to them since."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipam import sticky
from ipam.conf import parse
from ipam.ranges import IP, parse_ip
from tests.unit.ipam_call import Conf, add, delete, ipam_request
from tests.unit.ipam_disk import INDEXES

A, B = "shop/web-0 eth0", "shop/web-1 eth0"
FIVE, SIX, LONG = parse_ip("10.0.0.5"), parse_ip("10.0.0.6"), parse_ip("fd00::5")


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_what_was_noted_is_recalled_in_its_order(fd: int) -> None:
    assert sticky.recall(fd, A) == []
    sticky.note(fd, A, [FIVE, LONG])
    assert sticky.recall(fd, A) == [FIVE, LONG]
    assert sticky.recall(fd, B) == []


def test_an_ip_belongs_to_who_had_it_last(fd: int) -> None:
    sticky.note(fd, A, [FIVE, LONG])
    sticky.note(fd, B, [FIVE])
    assert (sticky.recall(fd, A), sticky.recall(fd, B)) == ([LONG], [FIVE])


def test_a_pod_that_moved_leaves_nothing_behind(fd: int) -> None:
    sticky.note(fd, A, [FIVE])
    sticky.note(fd, A, [SIX])
    assert sticky.recall(fd, A) == [SIX]
    assert len(os.listdir(fd)) == 2


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sets(st.integers(1, 4), max_size=3))))
def test_as_a_dictionary_and_no_larger_than_the_range(calls: list[tuple[str, set[int]]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as path:
        fd = os.open(path, os.O_RDONLY)
        last: dict[str, set[IP]] = {}
        for whose, numbers in calls:
            ips: set[IP] = {(4, number) for number in numbers}
            sticky.note(fd, whose, sorted(ips))
            last = {other: had - ips for other, had in last.items()} | {whose: ips}
            assert len(os.listdir(fd)) <= 8
        assert {whose: set(sticky.recall(fd, whose)) for whose in last} == last
        os.close(fd)


def test_no_directory_a_torn_entry_and_a_full_disk_are_no_failure(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sticky.note(-1, A, [FIVE])
    assert sticky.recall(-1, A) == []
    sticky.note(fd, A, [FIVE])
    for name in os.listdir(fd):
        os.unlink(name, dir_fd=fd)
        os.symlink("not an ip", name, dir_fd=fd)
    assert sticky.recall(fd, A) == []
    monkeypatch.setattr(os, "symlink", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
    sticky.note(fd, A, [FIVE])
    assert sticky.recall(fd, A) == []


def test_the_oldest_are_forgotten_beyond_a_bound(fd: int, tmp_path: Path) -> None:
    for number in range(10):
        sticky.note(fd, f"shop/job-{number} eth0", [(6, number)])
        for path in tmp_path.iterdir():
            os.utime(path, (number, number), follow_symlinks=False) if path.lstat().st_mtime > 1000 else None
    (tmp_path / "other").touch()
    sticky.prune(fd, 20)
    assert len(os.listdir(fd)) == 21
    sticky.prune(fd, 6)
    assert len(os.listdir(fd)) == 7
    recalled = [sticky.recall(fd, f"shop/job-{number} eth0") for number in range(10)]
    assert recalled == [[]] * 7 + [[(6, number)] for number in (7, 8, 9)]
    sticky.prune(-1, 0)


def test_there_are_never_many_more_than_the_bound(ipam: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs come with a new name each; a range of IPv6 has an address for all of them."""
    monkeypatch.setattr(sticky, "FEWEST", 20)
    monkeypatch.setattr(sticky, "PRUNE_ONCE_IN", 8)
    conf = ipam | {"ranges": [[{"subnet": "fd00::/64"}]], "sticky": True}
    for number in range(300):
        pod = {"cni_args": f"K8S_POD_NAMESPACE=shop;K8S_POD_NAME=job-{number}"}
        add(conf, f"c{number}", **pod)
        delete(conf, f"c{number}", **pod)
    [place] = (tmp_path / INDEXES).glob("*.sticky")
    assert len(os.listdir(place)) < 300


@pytest.mark.parametrize(
    ("conf", "args", "whose"),
    [
        ({"sticky": True}, "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0", "shop/web-0 eth0"),
        ({"sticky": True}, "K8S_POD_NAME=web-0", ""),
        ({"sticky": True}, "", ""),
        ({}, "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0", ""),
    ],
)
def test_whose_it_is(conf: dict[str, bool], args: str, whose: str) -> None:
    assert parse(ipam_request("ADD", {"subnet": "10.0.0.0/24"} | conf, cni_args=args)).sticky == whose
