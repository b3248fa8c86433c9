"""The index made anew: nobody waits for a store of many leases to be read, and what changes meanwhile is noticed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cni.errors import IOFailure
from ipam import lookup, rebuild, reclaim
from ipam.directory import Directory
from ipam.ranges import parse_ip
from tests.unit.ipam_disk import INDEXES, Listings, collect, files, is_locked, make, reopen

POD, OTHER = ("c1", "eth0"), ("c2", "eth0")
NUMBER = 30


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Leases that host-local wrote, and no index."""
    path = tmp_path / "net1"
    path.mkdir()
    for number in range(NUMBER):
        (path / f"10.1.0.{number}").write_bytes(b"old%d\r\neth0" % number)
    return path


def at_each_reading(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    real = Directory.read

    def read(directory: Directory, name: str) -> bytes:
        do()
        return real(directory, name)

    monkeypatch.setattr(Directory, "read", read)


def test_the_store_is_read_without_its_lock(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    at_each_reading(monkeypatch, lambda: seen.append(is_locked(network)))
    with reopen(network) as store:
        assert store.is_indexed and seen == [False] * NUMBER
        assert store.drift() == []


def test_what_changes_meanwhile_is_noticed_and_makes_an_end(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is read without the lock, and then with it: others may change the store again and again."""
    listings = Listings(monkeypatch)
    with monkeypatch.context() as patch:
        at_each_reading(patch, lambda: (network / "10.1.0.77").write_bytes(b"c2\r\neth0"))
        with reopen(network) as store:
            assert not store.is_indexed
            assert store.leases_of(OTHER) == [parse_ip("10.1.0.77")]
            assert store.is_indexed
    assert listings.since() == 2
    with reopen(network) as store:
        assert store.is_indexed
        assert store.leases_of(OTHER) == [parse_ip("10.1.0.77")]
    assert listings.since() == 0


def test_a_store_that_is_moved_away_and_back_meanwhile_is_read_all_the_same(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A move changes no time of the directory that is moved."""
    real, aside = lookup.contents, network.with_name("aside")

    def contents(directory: Directory) -> tuple[dict[str, bytes], list[str]]:
        network.rename(aside)
        try:
            return real(directory)
        finally:
            aside.rename(network)

    monkeypatch.setattr(lookup, "contents", contents)
    with reopen(network) as store:
        assert store.is_indexed
        assert store.leases_of(("old3", "eth0")) == [parse_ip("10.1.0.3")]


def test_what_changes_and_changes_back_meanwhile_is_noticed(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its time alone: the names are those that were read."""

    def replace() -> None:
        (network / "10.1.0.3").unlink()
        (network / "10.1.0.3").write_bytes(b"c2\r\neth0")

    with monkeypatch.context() as patch:
        at_each_reading(patch, replace)
        reopen(network).close()
    with reopen(network) as store:
        assert store.leases_of(OTHER) == [parse_ip("10.1.0.3")]
        assert store.leases_of(("old3", "eth0")) == []


def test_who_comes_while_it_is_made_waits_and_does_not_make_it_again(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen(network).close()
    (network / "10.1.0.77").write_bytes(b"c2\r\neth0")
    [index] = (network.parent / INDEXES).iterdir()
    fd = os.open(index, os.O_RDONLY)
    real, listings = fcntl.flock, Listings(monkeypatch)

    def flock(locked: int, how: int) -> None:
        """The wait ends as another has made it."""
        if how == fcntl.LOCK_EX and os.fstat(locked).st_ino == index.stat().st_ino:
            os.close(fd)
            reopen(network).close()
            assert listings.since() == 1
        real(locked, how)

    real(fd, fcntl.LOCK_EX)
    monkeypatch.setattr(fcntl, "flock", flock)
    with reopen(network) as store:
        assert store.is_indexed
        assert store.leases_of(OTHER) == [parse_ip("10.1.0.77")]
    assert listings.since() == 0


def test_who_makes_it_and_does_not_come_to_an_end_hinders_nobody(network: Path) -> None:
    """Stopped by a debugger, say: after a while all is read, under the lock."""
    reopen(network).close()
    (network / "10.1.0.77").write_bytes(b"c2\r\neth0")
    [index] = (network.parent / INDEXES).iterdir()
    fd = os.open(index, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with make(network.parent, wait=0.2) as store:
            assert store.leases_of(OTHER) == [parse_ip("10.1.0.77")]
            assert not store.is_indexed
    finally:
        os.close(fd)
    with reopen(network) as store:
        assert store.is_indexed


@pytest.mark.parametrize("call", ["open", "fstat", "utime", "listdir", "mkdir", "symlink"])
def test_what_hinders_it_hinders_no_call(network: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Each of its system calls fails in turn; no descriptor stays open."""
    status = network.stat()
    place = network.parent / INDEXES / f"{status.st_dev}-{status.st_ino}"
    real, left, before = getattr(os, call), 0, len(os.listdir("/proc/self/fd"))

    def fail(*arguments: Any, **at: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(*arguments, **at)

    for number in range(1, 9):
        left = number
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            rebuild.rebuild(str(network), str(place), 1)
        assert len(os.listdir("/proc/self/fd")) == before, number
        shutil.rmtree(place, ignore_errors=True)
    with reopen(network) as store:
        assert store.is_indexed and store.drift() == []


def test_a_store_that_another_replaced_meanwhile_is_not_told_of(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is that of an inode."""
    real = fcntl.flock
    moved: list[Path] = []

    def flock(locked: int, how: int) -> None:
        if INDEXES in os.readlink(f"/proc/self/fd/{locked}") and not moved:
            moved.append(network.rename(network.with_name("before")))
            network.mkdir()
            (network / "10.1.0.5").write_bytes(b"c2\r\neth0")
        real(locked, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with reopen(network) as store:
        assert moved
        assert store.leases_of(OTHER) == [parse_ip("10.1.0.5")]
    with reopen(network) as store:
        assert store.is_indexed and store.drift() == []


def test_others_get_the_lock_between_the_removals_of_a_collection(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reopen(network) as store:
        store.reserve(parse_ip("10.1.1.1"), POD, 0)
    holds: list[int] = []
    real_flock, real_unlink = fcntl.flock, os.unlink

    def flock(fd: int, how: int) -> None:
        holds.append(0)
        real_flock(fd, how)

    def unlink(name: str, **at: int) -> None:
        holds[-1] += name.startswith("10.1.0.") and not name.endswith(".0")
        real_unlink(name, **at)

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(os, "unlink", unlink)
    collect(network, POD)
    assert [name for name in files(network) if name.startswith("10.")] == ["10.1.1.1"]
    assert max(holds) <= reclaim.PORTION and sum(holds) == NUMBER - 1
    with reopen(network) as store:
        assert store.drift() == []


def test_what_a_collection_found_is_looked_at_again(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the lock another container may get the address."""
    real = reclaim.remove_contents

    def later(*arguments: object) -> None:
        (network / "10.1.0.3").write_bytes(b"c2\r\neth0")
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reclaim, "remove_contents", later)
    collect(network, POD)
    assert [name for name in files(network) if name.startswith("10.")] == ["10.1.0.3"]


def test_a_collection_goes_on_past_errors_and_reports_all(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.unlink

    def unlink(name: str, **at: int) -> None:
        if name in ("10.1.0.5", "10.1.0.25"):
            raise PermissionError(1, "Operation not permitted")
        real(name, **at)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(IOFailure, match=f"cannot release 2 leases in {network}: ") as caught:
        collect(network)
    assert {line.split(": ")[0].rpartition("/")[2] for line in caught.value.details.split("\n")} == {
        "10.1.0.5",
        "10.1.0.25",
    }
    assert {name for name in files(network) if name.startswith("10.")} == {"10.1.0.5", "10.1.0.25"}
