"""What a crash, a full disk or a signal leaves of an ADD: nothing, or a whole lease."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cni.errors import IOFailure, TryAgainLater
from ipam.directory import UNFINISHED
from ipam.ranges import parse_ip
from ipam.store import Store
from tests.unit.ipam_disk import collect, fail_with, files, make, reopen

POD = ("c1", "eth0")
IP = parse_ip("10.1.0.5")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with make(tmp_path) as store:
        yield store


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return tmp_path / "net1"


@pytest.mark.parametrize("call", ["open", "write", "rename"])
def test_a_full_disk_leaves_no_lease_and_names_the_remedy(
    store: Store, network: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = getattr(os, call)

    def full(*arguments: Any, **at: Any) -> Any:
        is_look = call == "open" and not arguments[1] & os.O_CREAT
        return real(*arguments, **at) if is_look else fail_with(errno.ENOSPC)()

    monkeypatch.setattr(os, call, full)
    with pytest.raises(IOFailure, match=f"cannot write {network}/10.1.0.5: No space left on device") as caught:
        store.reserve(IP, POD, 0)
    monkeypatch.undo()
    assert "df -i" in caught.value.details
    store.take_back(store.made)
    assert store.leases() == {}


def test_a_write_cut_short_is_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with pytest.raises(IOFailure, match="No space left on device"):
        store.reserve(IP, POD, 0)
    assert store.leases() == {}


def test_a_lease_whose_hint_cannot_be_written_is_taken_back(
    store: Store, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "ftruncate", fail_with(errno.EDQUOT))
    with pytest.raises(IOFailure, match=f"cannot write {network}/last_reserved_ip.0: Disk quota exceeded"):
        store.reserve(IP, POD, 0)
    store.take_back(store.made)
    assert store.leases() == {}


def test_take_back_spares_what_was_there_before(tmp_path: Path, network: Path) -> None:
    with make(tmp_path) as store:
        store.reserve(IP, POD, 0)
    with reopen(network) as store:
        assert not store.reserve(IP, POD, 0)
        assert store.reserve((4, IP[1] + 1), POD, 0)
        store.take_back(store.made)
        assert store.leases() == {IP: b"c1\r\neth0"}


def test_leaving_by_an_error_undoes_all_that_was_made(tmp_path: Path, network: Path) -> None:
    with make(tmp_path) as store:
        store.reserve(IP, POD, 0)
    with pytest.raises(KeyError), reopen(network) as store:
        store.reserve((4, IP[1] + 1), POD, 0)
        store.write((4, IP[1] + 2), b"c9")
        raise KeyError
    with reopen(network) as store:
        assert store.leases() == {IP: b"c1\r\neth0"}


def test_a_lease_named_just_before_a_signal_is_taken_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def rename_and_die(*names: str, **at: int) -> None:
        rename(*names, **at)
        raise TryAgainLater("interrupted by SIGTERM")

    monkeypatch.setattr(os, "rename", rename_and_die)
    with pytest.raises(TryAgainLater):
        store.reserve(IP, POD, 0)
    assert store.content(IP) == b"c1\r\neth0"
    store.take_back(store.made)
    assert store.content(IP) == b""


@pytest.mark.parametrize("is_linked", [False, True])
def test_what_a_crash_left_is_removed_and_never_written_into(tmp_path: Path, network: Path, is_linked: bool) -> None:
    """Older versions linked it, so it may be the second name of a lease."""
    for ip in ("10.1.0.4", "10.1.0.3"):
        network.mkdir(exist_ok=True)
        (network / UNFINISHED).write_bytes(b"c0\r\neth0")
        if is_linked:
            os.link(network / UNFINISHED, network / ip)
        with make(tmp_path) as store:
            if ip == "10.1.0.4":
                store.release(("c7", "eth0"))  # a verb that writes nothing
            else:
                assert store.reserve(IP, POD, 0)
        assert UNFINISHED not in files(network)
    if is_linked:
        assert files(network)["10.1.0.4"] == files(network)["10.1.0.3"] == b"c0\r\neth0"


@pytest.mark.parametrize("torn", [b"", b"c", b"c1", b"c1\r\n", b"c1\r\neth"])
def test_what_a_power_cut_tore_hinders_no_verb(tmp_path: Path, network: Path, torn: bytes) -> None:
    """Nothing is flushed: no pod outlives it, so what is torn belongs to nobody, and GC removes it."""
    with make(tmp_path) as store:
        assert store.reserve(IP, POD, 0)
    (network / "10.1.0.5").write_bytes(torn)
    (network / "last_reserved_ip.0").write_bytes(torn)
    with reopen(network) as store:
        store.release(POD)
        assert store.leases_of(POD) == []
        assert store.last_reserved(0) is None
        assert store.reserve((4, IP[1] + 1), POD, 0)
    collect(network, POD)
    with reopen(network) as store:
        assert store.leases() == {(4, IP[1] + 1): b"c1\r\neth0"}
    assert "10.1.0.5" not in files(network)
