"""An ADD in a full set: it looks for the dead without the store's lock, and takes only what is the same under it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cni.errors import AddressUnavailable, IOFailure, PluginNotAvailable, TryAgainLater
from ipam import liveness, lock, plugin, reclaim, snapshot
from tests.unit.ipam_call import Conf, add, delete, gc, ipam_request, leases, single, status
from tests.unit.ipam_disk import drift, is_locked
from tests.unit.ipam_pods import Reboot, dead, live


class Overtaken:
    """Others act once, after an ADD or GC has looked and before it removes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
        self._look = liveness.dead
        self._act = act
        self._patch = monkeypatch
        monkeypatch.setattr(liveness, "dead", self._look_and_act)

    def _look_and_act(self, *arguments: Any) -> object:
        found = self._look(*arguments)
        self._patch.setattr(liveness, "dead", self._look)
        self._act()
        return found


@pytest.mark.parametrize("verb", ["ADD", "ADD of a requested IP", "GC", "STATUS"])
def test_leases_and_node_are_looked_at_without_the_lock(
    small: Conf, network: Path, reboot: Reboot, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    live(small, "c1")
    live(small, "c2")
    reboot()
    locked: list[bool] = []
    for module, name in ((snapshot, "take"), (liveness, "dead")):
        monkeypatch.setattr(module, name, _noting(lambda: locked.append(is_locked(network)), getattr(module, name)))
    {
        "ADD": lambda: add(small, "d1"),
        "ADD of a requested IP": lambda: add(small, "d1", cni_args="IP=10.1.2.3"),
        "GC": lambda: plugin.gc(ipam_request("GC", small)),
        "STATUS": lambda: status(small),
    }[verb]()
    assert locked == [False, False]


def _noting(note: Callable[[], None], real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        note()
        return real(*arguments)

    return call


@pytest.mark.parametrize("how", ["given to another", "described anew", "released"])
def test_what_changed_after_an_add_looked_stays(
    small: Conf, network: Path, reboot: Reboot, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    live(small, "c1")
    reboot()
    live(small, "c2")

    def act() -> None:
        if how == "described anew":
            live(small, "c1")
            return
        delete(small, "c1")
        if how == "given to another":
            live(small, "c3")

    Overtaken(monkeypatch, act)
    if how == "released":
        assert add(small, "d1") == ["10.1.2.2/29"]
    else:
        with pytest.raises(AddressUnavailable, match="no IP addresses available"):
            add(small, "d1")
        owner = "c3" if how == "given to another" else "c1"
        assert leases(network) == {"10.1.2.2": f"{owner}\r\neth0", "10.1.2.3": "c2\r\neth0"}


def test_a_requested_ip_that_another_got_meanwhile_stays_the_others(
    small: Conf, network: Path, reboot: Reboot, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(small, "c1")
    reboot()

    def act() -> None:
        delete(small, "c1")
        live(small, "c2", cni_args="IP=10.1.2.2")

    Overtaken(monkeypatch, act)
    with pytest.raises(AddressUnavailable, match="is not available"):
        add(small, "d1", cni_args="IP=10.1.2.2")
    assert leases(network) == {"10.1.2.2": "c2\r\neth0"}


def test_who_is_overtaken_again_and_again_is_told_to_try_later(
    small: Conf, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(small, "c1")
    live(small, "c2")
    tries: list[str] = []
    monkeypatch.setattr(reclaim, "make_room", lambda path, *_: tries.append(path))
    with pytest.raises(TryAgainLater, match=f"range 0 of {network} was full 5 times"):
        add(small, "d1")
    assert tries == [str(network)] * 5
    assert len(leases(network)) == 2


@pytest.fixture
def of_the_dead(ipam: Conf, reboot: Reboot) -> Conf:
    """A set of 125 IPs, all of which pods of an earlier boot have."""
    conf = single(ipam, subnet="10.1.2.0/25") | {"cooldown": 0}
    for number in range(125):
        live(conf, f"c{number}")
    reboot()
    return conf


def test_others_get_the_lock_while_many_dead_are_removed(
    of_the_dead: Conf, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[int] = []
    counts = [125]

    def acquire(*arguments: Any) -> int:
        removed.append(counts[-1] - len(leases(network)))
        counts.append(len(leases(network)))
        return acquire_really(*arguments)

    acquire_really = lock.acquire
    monkeypatch.setattr(lock, "acquire", acquire)
    plugin.gc(ipam_request("GC", of_the_dead))
    assert leases(network) == {}
    assert max(removed) <= reclaim.PORTION


def test_one_add_removes_no_more_than_the_next_ones_need(of_the_dead: Conf, network: Path) -> None:
    assert add(of_the_dead, "d1") == ["10.1.2.2/25"]
    assert len(leases(network)) == 125 - reclaim.MOST + 1
    for number in range(2, reclaim.MOST + 1):
        add(of_the_dead, f"d{number}")
    assert len(leases(network)) == 125
    assert add(of_the_dead, f"d{reclaim.MOST + 1}") == [f"10.1.2.{reclaim.MOST + 2}/25"]
    assert drift(network) == []


def test_a_lease_that_cannot_be_read_hinders_no_dead_one(small: Conf, network: Path) -> None:
    live(small, "c1")
    dead(small, "c2")
    status(small)
    before = network.stat()
    (network / "10.1.2.2").unlink()
    os.symlink("10.1.2.2", network / "10.1.2.2")  # ELOOP, for root as well
    os.utime(network, ns=(before.st_atime_ns, before.st_mtime_ns))  # the index does not know
    assert add(small, "d1") == ["10.1.2.3/29"]
    with pytest.raises(IOFailure, match="cannot read 1 leases"):
        add(small, "d2")
    with pytest.raises(PluginNotAvailable, match="cannot read 1 leases"):
        status(small)


def test_a_file_of_another_spelling_is_nobodys_ip(small: Conf, network: Path) -> None:
    """The plugins never look at it: neither does it take an IP, nor is it reclaimed."""
    conf = small | {"ranges": [[{"subnet": "fd00::/126"}]]}
    live(conf, "c1")
    (network / "FD00::3").write_text("c9")
    assert live(conf, "c2") == ["fd00::3/126"]
    with pytest.raises(AddressUnavailable):
        add(conf, "c3")
    assert (network / "FD00::3").exists()


def test_in_the_second_of_two_sets_it_gives_the_first_ones_ip_back(ipam: Conf, network: Path) -> None:
    conf = ipam | {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.2.0/30"}]]}
    live(conf, "c1")
    with pytest.raises(AddressUnavailable, match=r"range 1: no IP addresses available") as caught:
        add(conf, "c2")
    assert caught.value.details.startswith(f"1 used, 0 free in {network}; ")
    assert leases(network) == {"10.1.2.2": "c1\r\neth0", "10.2.2.2": "c1\r\neth0"}
    gc(conf, ("c1", "eth0"))
    assert drift(network) == []
