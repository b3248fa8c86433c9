"""Where the index cannot be kept: every call reads all, and nothing fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ipam.ranges import parse_ip
from tests.unit.ipam_disk import INDEXES, Listings, fail_with, files, make, reopen

POD, OTHER, FIRST = ("c1", "eth0"), ("c2", "eth0"), parse_ip("10.1.0.5")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A store in which POD has FIRST, with an index that is current."""
    with make(tmp_path) as store:
        assert store.leases_of(POD) == []
        assert store.reserve(FIRST, POD, 0)
    return tmp_path / "net1"


@pytest.fixture
def listings(network: Path, monkeypatch: pytest.MonkeyPatch) -> Listings:
    return Listings(monkeypatch)


def no_place(index: Path, patch: pytest.MonkeyPatch) -> None:
    for entry in index.iterdir():
        entry.unlink()
    index.rmdir()
    index.write_text("")


def no_space(index: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "symlink", fail_with(errno.ENOSPC))


def no_right(index: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "utime", fail_with(errno.EROFS))


def whole_seconds(index: Path, patch: pytest.MonkeyPatch) -> None:
    """A filesystem where several changes have one mtime."""
    utime = os.utime

    def rounded(path: int, ns: tuple[int, int]) -> None:
        utime(path, ns=(ns[0] // 10**9 * 10**9, ns[1] // 10**9 * 10**9))

    patch.setattr(os, "utime", rounded)


@pytest.mark.parametrize(("lack", "each"), [(no_place, 1), (no_space, 2), (no_right, 1), (whole_seconds, 1)])
def test_without_it_everything_works_by_listings(
    network: Path,
    tmp_path: Path,
    listings: Listings,
    monkeypatch: pytest.MonkeyPatch,
    lack: Callable[[Path, pytest.MonkeyPatch], None],
    each: int,
) -> None:
    (index,) = (tmp_path / INDEXES).iterdir()
    lack(index, monkeypatch)
    (network / "10.1.0.9").write_bytes(b"c2\r\neth0")
    for number in range(3):
        with reopen(network) as store:
            assert len(store.leases_of(("c3", "eth0"))) == number
            assert store.reserve((4, number), ("c3", "eth0"), 0)
        assert listings.since() == each
    with reopen(network) as store:
        store.release(("c3", "eth0"))
        store.release(POD)
    with reopen(network) as store:
        assert store.leases_of(OTHER) == [parse_ip("10.1.0.9")]
    assert len(files(network)) == 3


def test_more_leases_of_one_owner_than_an_entry_holds(network: Path, listings: Listings) -> None:
    for number in range(500):
        (network / f"10.99.99.{number}" if number < 256 else network / f"10.99.98.{number - 256}").write_text("c9")
    with reopen(network) as store:
        store.release(("c9", "eth0"))
    assert files(network).keys() == {"10.1.0.5", "last_reserved_ip.0", "lock"}
    listings.since()
    with reopen(network) as store:
        assert store.leases_of(POD) == [FIRST]
        assert store.leases_of(("c9", "eth0")) == []
    assert listings.since() == 1  # for the second, whose were too many to name
