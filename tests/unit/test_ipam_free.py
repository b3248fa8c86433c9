"""Which IP is free, asked of a store of any size: full blocks are passed over, and what seems free is looked at."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import AddressUnavailable, IOFailure
from ipam import allocate, blocks
from ipam.ranges import IP, Range, parse_ip
from tests.unit.ipam_call import Conf, add, leases, single, status
from tests.unit.ipam_disk import INDEXES, Listings, files, make, reopen


@given(used=st.sets(st.integers(0, 1100)), full=st.sets(st.integers(0, 3)), first=st.integers(0, 1100), data=st.data())
def test_the_next_clear_one_is_the_first_that_is_not_used(
    used: set[int], full: set[int], first: int, data: st.DataObject
) -> None:
    used |= {block << 8 | last for block in full for last in range(256)}
    end = data.draw(st.integers(first, 1100))
    bits = blocks.of(f"10.0.{number >> 8}.{number & 255}" for number in used)
    start = parse_ip("10.0.0.0")[1]
    found = blocks.next_clear(
        lambda family, block: bits.get(blocks.key(family, block), 0), (4, start + first), start + end
    )
    expected = next((number for number in range(first, end + 1) if number not in used), None)
    assert found - start == expected if expected is not None else found > start + end


@pytest.mark.parametrize(
    ("ip", "key", "bit"), [("10.0.1.5", "10.0.1.0", 5), ("fd00::1ff", "fd00::100", 255), ("fd00::", "fd00::", 0)]
)
def test_the_block_of_an_ip(ip: str, key: str, bit: int) -> None:
    assert blocks.place(ip) == (key, 1 << bit)


@given(st.sets(st.integers(0, 255)))
def test_a_block_names_the_ips_whose_bits_it_has(lasts: set[int]) -> None:
    names = {f"10.0.1.{last}" for last in lasts}
    assert {name for where, bits in blocks.of(names).items() for name in blocks.names(where, bits)} == names


def test_what_is_left_of_a_range_costs_a_block_per_256() -> None:
    """A /16 whose last IP alone is free."""
    asked = []

    def used(family: int, block: int) -> int:
        asked.append(block)
        return blocks.FULL >> 1 if block & 255 == 255 else blocks.FULL

    def skip(ip: IP, end: int) -> int:
        return blocks.next_clear(used, ip, end)

    ranges = [Range(4, 0x0A010001, 0x0A01FFFF, 16, (4, 0x0A010001), "")]
    assert list(allocate.in_turn(ranges, parse_ip("10.1.0.9"), skip)) == [parse_ip("10.1.255.255")]
    assert len(asked) <= 258  # the one that the round begins in is asked again at its end


@pytest.fixture
def crowded(ipam: Conf, network: Path) -> Conf:
    """10.1.2.2 to 10.1.2.254, of which 10.1.2.200 alone is free; none was given last."""
    network.mkdir(parents=True)
    for number in range(2, 255):
        if number != 200:
            (network / f"10.1.2.{number}").write_text(f"old{number}")
    return single(ipam)


def test_the_only_free_ip_of_a_crowded_range_is_found(crowded: Conf, network: Path) -> None:
    status(crowded)
    assert add(crowded) == ["10.1.2.200/24"]
    with pytest.raises(AddressUnavailable, match="no IP addresses available") as caught:
        add(crowded, "c2")
    assert f"253 used, 0 free in {network}" in caught.value.details


def test_a_file_without_content_is_free(crowded: Conf, network: Path) -> None:
    (network / "10.1.2.77").write_text("")
    status(crowded)
    assert add(crowded, "c2") == ["10.1.2.77/24"]
    assert add(crowded, "c1") == ["10.1.2.200/24"]
    assert leases(network)["10.1.2.77"] == "c2\r\neth0"


def test_a_crowded_range_is_not_listed(crowded: Conf, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status(crowded)  # builds the index
    listings = Listings(monkeypatch)
    assert add(crowded) == ["10.1.2.200/24"]
    assert listings.since() == 0


@pytest.mark.parametrize("text", ["", "0", "1ff", "no number", "f" * 64, "-1"])
def test_bits_are_never_believed_against_the_files(crowded: Conf, network: Path, text: str) -> None:
    """Too few, too many or none: the only free IP is found."""
    status(crowded)
    (index,) = (network.parent.parent / INDEXES).iterdir()
    before = index.stat().st_mtime_ns
    (index / "10.1.2.0").unlink()
    if text:
        (index / "10.1.2.0").symlink_to(text)
    os.utime(index, ns=(before, before))
    assert add(crowded) == ["10.1.2.200/24"]


def test_without_an_index_the_names_are_listed_once(
    crowded: Conf, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (network / "lock").write_text("")
    (network.parent.parent / "run").write_text("in the way")
    listings = Listings(monkeypatch)
    assert add(crowded) == ["10.1.2.200/24"]
    assert listings.since() == 2  # one to know the owner's leases


def test_one_that_was_emptied_in_place_is_found_when_no_bit_is_clear(crowded: Conf, network: Path) -> None:
    assert add(crowded, "c1") == ["10.1.2.200/24"]
    (network / "10.1.2.77").write_text("")  # leaves the directory's mtime alone
    status(crowded)
    assert add(crowded, "c2") == ["10.1.2.77/24"]


def test_the_bits_follow_the_leases(tmp_path: Path, network: Path) -> None:
    with make(tmp_path / "state") as store:
        assert store.leases_of(("c1", "eth0")) == []
        for name in ("10.1.2.2", "10.1.2.5", "10.1.3.0"):
            assert store.reserve(parse_ip(name), ("c1", "eth0"), 0)
    (index,) = (tmp_path / "state" / INDEXES).iterdir()
    texts = {path.name: os.readlink(path) for path in index.iterdir() if "." in path.name}
    assert texts == {"10.1.2.0": "24", "10.1.3.0": "1"}
    with reopen(network) as store:
        store.release(("c1", "eth0"))
    assert list(index.iterdir()) == []
    assert files(network).keys() == {"last_reserved_ip.0", "lock"}


def test_what_cannot_be_read_is_taken(tmp_path: Path) -> None:
    with make(tmp_path) as store:
        os.symlink("10.1.2.3", tmp_path / "net1/10.1.2.3")  # ELOOP, for root as well
        assert [store.is_taken(parse_ip(ip)) for ip in ("10.1.2.3", "10.1.2.4")] == [True, False]
        assert not store.reserve(parse_ip("10.1.2.3"), ("c1", "eth0"), 0)


def test_a_process_without_descriptors_takes_no_ip_for_taken(
    ipam: Conf, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go through all of a /8."""
    add(ipam, "c0")
    looks, open_really = [], os.open

    def open_if_any(path: str, *arguments: Any, **at: Any) -> int:
        if path.startswith("10."):
            looks.append(path)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return open_really(path, *arguments, **at)

    monkeypatch.setattr(os, "open", open_if_any)
    with pytest.raises(IOFailure, match=f"cannot write {network}/10.1.2.3: Too many open files"):
        add(ipam, "c1")
    assert looks == ["10.1.2.3"]
