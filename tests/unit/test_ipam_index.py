"""The index: an owner's leases without reading all, right whatever others do to the store."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cni.errors import AddressUnavailable, TryAgainLater
from ipam.directory import CLOCK_LAG
from ipam.lease import Owner
from ipam.ranges import IP, parse_ip
from ipam.store import Store
from tests.unit.ipam_call import Conf, add, delete
from tests.unit.ipam_disk import INDEXES, Listings, abandon, collect, files, make, reopen

POD, OTHER = ("c1", "eth0"), ("c2", "eth0")
TICK = 10_000_000  # ns, the longest of any kernel
FIRST, SECOND = parse_ip("10.1.0.5"), parse_ip("fd00::5")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A store in which POD has FIRST and SECOND, with an index that is current."""
    with make(tmp_path) as store:
        assert store.leases_of(POD) == []
        for ip in (FIRST, SECOND):
            assert store.reserve(ip, POD, 0)
    return tmp_path / "net1"


@pytest.fixture
def listings(network: Path, monkeypatch: pytest.MonkeyPatch) -> Listings:
    return Listings(monkeypatch)


def leases_of(network: Path, owner: Owner) -> list[IP]:
    with reopen(network) as store:
        return sorted(store.leases_of(owner))


def test_the_leases_of_an_owner_are_found_without_a_listing(network: Path, listings: Listings) -> None:
    assert leases_of(network, POD) == [FIRST, SECOND]
    assert leases_of(network, OTHER) == []
    with reopen(network) as store:
        store.release(OTHER)
        store.reserve((4, 7), OTHER, 0)
    assert leases_of(network, OTHER) == [(4, 7)]
    with reopen(network) as store:
        store.release(POD)
    assert leases_of(network, POD) == []
    assert files(network).keys() == {"0.0.0.7", "last_reserved_ip.0", "lock"}
    assert listings.since() == 0


def test_a_probe_and_a_collection_keep_it_current(network: Path, listings: Listings) -> None:
    with reopen(network) as store:
        store.reserve((4, 7), OTHER, 0)
        store.probe()
    assert listings.since() == 0
    collect(network, OTHER)
    assert listings.since() == 1  # GC's own
    assert (leases_of(network, POD), leases_of(network, OTHER)) == ([], [(4, 7)])
    assert listings.since() == 0


def remove(network: Path) -> None:
    (network / "10.1.0.5").unlink()


def empty(network: Path) -> None:
    (network / "10.1.0.5").write_text("")


def give_away(network: Path) -> None:
    (network / "10.1.0.5").write_bytes(b"c2\r\neth0")


def replace(network: Path) -> None:
    remove(network)
    give_away(network)


@pytest.mark.parametrize("change", [remove, empty, give_away, replace])
def test_what_others_took_from_an_owner_is_noticed(
    network: Path, listings: Listings, change: Callable[[Path], None]
) -> None:
    """A content written in place leaves the directory's mtime alone: the file that was read tells."""
    change(network)
    assert leases_of(network, POD) == [SECOND]
    assert listings.since() == 1
    expected = [FIRST] if "10.1.0.5" in files(network) and (network / "10.1.0.5").read_bytes() else []
    assert leases_of(network, OTHER) == expected
    assert listings.since() == 0


@pytest.mark.parametrize("content", [b"c2\r\neth0", b" c2\r\neth0\n", b"c2"])
def test_what_others_gave_an_owner_is_noticed(network: Path, listings: Listings, content: bytes) -> None:
    (network / "10.1.0.9").write_bytes(content)
    assert leases_of(network, OTHER) == [parse_ip("10.1.0.9")]
    assert listings.since() == 1
    with reopen(network) as store:
        store.release(OTHER)
    assert leases_of(network, OTHER) == []
    assert listings.since() == 0


def test_a_change_within_the_tick_of_ours_is_noticed(network: Path) -> None:
    """The kernel's clock for mtimes stands still for up to 10 ms."""
    for number in range(50):
        with reopen(network) as store:
            store.reserve((4, number), ("c3", "eth0"), 0)
        (network / f"10.2.0.{number}").write_bytes(b"c2\r\neth0")
        assert len(leases_of(network, OTHER)) == number + 1


def test_its_mtime_is_one_that_the_kernel_has_passed(network: Path) -> None:
    """Not only an unlikely one: whatever is stamped from now on is later."""
    for number in range(20):
        with reopen(network) as store:
            store.leases_of(OTHER)  # the touch below made it out of date
            store.reserve((4, number), OTHER, 0)
        stamped = network.stat().st_mtime_ns
        (network / f"note{number}").touch()
        assert network.stat().st_mtime_ns - stamped > CLOCK_LAG - TICK


def test_who_only_reads_leaves_the_mtimes_alone(network: Path, tmp_path: Path) -> None:
    (index,) = (tmp_path / INDEXES).iterdir()
    before = network.stat().st_mtime_ns
    assert leases_of(network, POD) == [FIRST, SECOND]
    assert leases_of(network, OTHER) == []
    assert network.stat().st_mtime_ns == index.stat().st_mtime_ns == before


@pytest.mark.parametrize("how", ["reserve", "release"])
def test_a_crash_between_a_change_and_the_index_is_noticed(network: Path, listings: Listings, how: str) -> None:
    store = reopen(network)
    if how == "reserve":
        store.reserve((4, 7), OTHER, 0)
    else:
        store.release(POD)
    abandon(store)
    assert leases_of(network, OTHER) == ([(4, 7)] if how == "reserve" else [])
    assert leases_of(network, POD) == ([FIRST, SECOND] if how == "reserve" else [])
    assert listings.since() == 1


@pytest.mark.parametrize("call", ["utime", "symlink", "unlink"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_crash_while_the_index_is_written_is_noticed(
    network: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    real, calls = getattr(os, call), []

    def interrupted(*arguments: object, **at: object) -> None:
        calls.append(call)
        if len(calls) == number:
            raise TryAgainLater("interrupted by SIGTERM")
        real(*arguments, **at)

    store = reopen(network)
    store.reserve((4, 7), POD, 0)
    store.reserve((4, 8), OTHER, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        try:
            store.__exit__(None)
        except TryAgainLater:
            pass
    assert leases_of(network, POD) == [(4, 7), FIRST, SECOND]
    assert leases_of(network, OTHER) == [(4, 8)]


def test_what_is_taken_back_is_not_in_it(network: Path) -> None:
    with pytest.raises(TryAgainLater), reopen(network) as store:
        store.reserve((4, 7), OTHER, 0)
        raise TryAgainLater("interrupted by SIGTERM")
    assert leases_of(network, OTHER) == []
    assert leases_of(network, POD) == [FIRST, SECOND]


def test_a_set_without_a_free_ip_leaves_it_current(ipam: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a reservation is taken back by every ADD of a dual-stack network that is full in one family."""
    conf = ipam | {"ranges": [[{"subnet": "10.1.2.0/29"}], [{"subnet": "fd00::/126"}]]}
    indexes = f"{conf['dataDir']}/../run/ipam"
    for number in range(2):
        add(conf, f"c{number}")
    delete(conf, "c0")
    add(conf, "d0", cni_args="IP=fd00::2")
    for number in range(5):
        with pytest.raises(AddressUnavailable):
            add(conf, f"e{number}")
    listings = Listings(monkeypatch)
    with Store.make(conf["dataDir"], "net1", indexes) as store:
        assert len(store.leases_of(("c1", "eth0"))) == 2
        assert store.leases_of(("e4", "eth0")) == []
    assert listings.since() == 0
    with Store.make(conf["dataDir"], "net1", indexes) as store:
        assert store.drift() == []


def test_what_cooled_before_half_a_reservation_cools_after_it(ipam: Conf) -> None:
    conf = ipam | {"ranges": [[{"subnet": "10.1.2.0/30"}], [{"subnet": "fd00::/126"}]]}
    add(conf, "c0")
    delete(conf, "c0")
    for name in ("fd00::2", "fd00::3"):
        (Path(conf["dataDir"]) / "net1" / name).write_bytes(b"other\r\neth0")
    with pytest.raises(AddressUnavailable):
        add(conf, "c1")
    with Store.make(conf["dataDir"], "net1", f"{conf['dataDir']}/../run/ipam", cooldown=30) as store:
        assert parse_ip("10.1.2.2") in store.cooling()


def test_it_is_never_believed_against_the_files(network: Path, tmp_path: Path) -> None:
    """An entry that names the lease of another: neither told nor released."""
    (index,) = (tmp_path / INDEXES).iterdir()
    with reopen(network) as store:
        store.reserve((4, 7), OTHER, 0)
    before = index.stat()
    for entry in index.iterdir():
        entry.unlink()
        entry.symlink_to("0.0.0.7")
    os.utime(index, ns=(before.st_mtime_ns, before.st_mtime_ns))
    with reopen(network) as store:
        store.release(POD)
        assert store.leases() == {(4, 7): b"c2\r\neth0"}


def test_each_store_has_its_own(network: Path, tmp_path: Path) -> None:
    with Store.make(str(tmp_path), "net2", str(tmp_path / INDEXES)) as store:
        store.reserve((4, 7), POD, 0)
    assert leases_of(tmp_path / "net2", POD) == [(4, 7)]
    assert leases_of(network, POD) == [FIRST, SECOND]
    assert len(list((tmp_path / INDEXES).iterdir())) == 2


def test_a_store_made_anew_begins_with_a_new_one(network: Path, tmp_path: Path) -> None:
    """It may well get the inode of the one before."""
    for path in network.iterdir():
        path.unlink()
    network.rmdir()
    with make(tmp_path) as store:
        assert store.leases_of(POD) == []


@pytest.mark.parametrize("by", ["one", "a rebuild"])
def test_a_content_of_more_files_than_a_symlink_can_name(
    network: Path, tmp_path: Path, listings: Listings, by: str
) -> None:
    """A person's reservations under one note, or host-local's under an id alone: found by reading all, no more."""
    ips: list[IP] = [(4, (10 << 24) + (2 << 16) + number) for number in range(600)]
    with reopen(network) as store:
        assert all(store.write(ip, b"many") for ip in ips)
    if by == "a rebuild":
        (network / "note").touch()
        assert leases_of(network, OTHER) == []
    listings.since()
    assert leases_of(network, POD) == [FIRST, SECOND]
    assert listings.since() == 0
    with reopen(network) as store:
        assert store.drift() == []
        assert store.remove_if("10.2.0.7", b"many")
    listings.since()
    assert len(leases_of(network, ("many", "eth0"))) == 599
    assert listings.since() == 1
    with reopen(network) as store:
        store.release(("many", "eth0"))
    with reopen(network) as store:
        assert store.drift() == []
        assert store.leases().keys() == {FIRST, SECOND}
    assert leases_of(network, ("many", "eth0")) == []


def test_only_root_can_write_it(network: Path, tmp_path: Path) -> None:
    (index,) = (tmp_path / INDEXES).iterdir()
    for path in (index, index.parent, index.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_an_index_that_a_crash_left_in_the_tick_of_a_foreign_change_is_not_believed(network: Path) -> None:
    """Killed after the last entry and before the stamp: the kernel gave its directory the time that it gave the other
    a moment later. Found by test_ipam_model.py."""
    (network / "10.1.0.9").write_bytes(b"c9\r\neth0")
    [index] = (network.parent / INDEXES).glob("*[0-9]")
    os.utime(index, ns=(0, network.stat().st_mtime_ns))
    assert leases_of(network, ("c9", "eth0")) == [parse_ip("10.1.0.9")]


def test_a_time_that_the_kernel_gave_is_not_believed_when_the_store_is_touched_later(network: Path) -> None:
    """chmod(1) or restorecon(8) move a ctime: until then both directories had the time of one tick."""
    (network / "10.1.0.9").write_bytes(b"c9\r\neth0")
    [index] = (network.parent / INDEXES).glob("*[0-9]")
    soon = time.time_ns() + TICK  # as the kernel's own it is not before the ctime
    for path in (index, network):
        os.utime(path, ns=(soon, soon))
    time.sleep(3 * TICK / 10**9)
    network.chmod(0o755)
    assert network.stat().st_mtime_ns == index.stat().st_mtime_ns < network.stat().st_ctime_ns
    assert leases_of(network, ("c9", "eth0")) == [parse_ip("10.1.0.9")]
