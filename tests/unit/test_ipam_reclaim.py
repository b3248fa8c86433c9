"""Dead leases are reclaimed by an ADD that finds nothing else and by GC; what may live is never touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cni.errors import AddressUnavailable, IOFailure, PluginNotAvailable
from ipam import liveness, plugin
from ipam.lease import RESERVED, Record
from ipam.ranges import parse_ip
from tests.unit.ipam_call import Conf, add, delete, gc, ipam_request, leases, status
from tests.unit.ipam_disk import drift, reopen
from tests.unit.ipam_pods import Reboot, dead, live


def test_an_exhausted_set_takes_what_an_earlier_boot_left(
    small: Conf, network: Path, reboot: Reboot, capfd: pytest.CaptureFixture[str]
) -> None:
    live(small, "c1")
    live(small, "c2")
    reboot()
    assert add(small, "d1") == ["10.1.2.2/29"]
    assert leases(network) == {"10.1.2.2": "d1\r\neth0"}
    assert capfd.readouterr().err == (
        f"cni-ipam: 10.1.2.2-10.1.2.3 was exhausted: removed 2 dead leases of {network}\n"
    )


def test_an_exhausted_set_takes_a_lease_whose_namespace_and_link_are_gone(small: Conf, network: Path) -> None:
    live(small, "c1")
    dead(small, "c2")
    assert add(small, "d1") == ["10.1.2.3/29"]
    assert leases(network) == {"10.1.2.2": "c1\r\neth0", "10.1.2.3": "d1\r\neth0"}


def test_nothing_is_reclaimed_while_one_is_free(small: Conf, network: Path, reboot: Reboot) -> None:
    live(small, "c1")
    reboot()
    assert add(small, "d1") == ["10.1.2.3/29"]
    assert leases(network) == {"10.1.2.2": "c1\r\neth0", "10.1.2.3": "d1\r\neth0"}


@pytest.mark.parametrize("content", [b"c2\r\neth0", b"c2", RESERVED + b"printer"])
def test_leases_without_facts_are_never_touched(small: Conf, network: Path, reboot: Reboot, content: bytes) -> None:
    live(small, "c1")
    (network / "10.1.2.3").write_bytes(content)
    reboot()
    assert add(small, "d1") == ["10.1.2.2/29"]
    with pytest.raises(AddressUnavailable, match="no IP addresses available"):
        add(small, "d2")
    plugin.gc(ipam_request("GC", small))
    assert (network / "10.1.2.3").read_bytes() == content


def test_the_living_are_never_touched(small: Conf, network: Path) -> None:
    """One proof alone: the namespace is there, the link is not."""
    live(small, "c1")
    live(small, "c2", link="veth-gone")
    with pytest.raises(AddressUnavailable, match="no IP addresses available"):
        add(small, "d1")
    gc(small, ("c1", "eth0"), ("c2", "eth0"))
    assert len(leases(network)) == 2


def test_a_lease_written_in_place_over_a_dead_one_lives(small: Conf, network: Path, reboot: Reboot) -> None:
    live(small, "c1")
    live(small, "c2")
    reboot()
    for ip in ("10.1.2.2", "10.1.2.3"):
        later = (network / ip).stat().st_mtime + 60
        (network / ip).write_text("mine")
        os.utime(network / ip, (later, later))
    with pytest.raises(AddressUnavailable):
        add(small, "d1")
    assert leases(network) == {"10.1.2.2": "mine", "10.1.2.3": "mine"}


def test_never_means_never(small: Conf, network: Path, reboot: Reboot) -> None:
    never = small | {"reclaim": "never"}
    live(never, "c1")
    dead(never, "c2")
    reboot()
    with pytest.raises(AddressUnavailable, match="no IP addresses available"):
        add(never, "d1")
    gc(never, ("c1", "eth0"), ("c2", "eth0"))
    plugin.gc(ipam_request("GC", never))
    assert len(leases(network)) == 2
    with pytest.raises(PluginNotAvailable) as caught:
        status(never)
    assert caught.value.details == "range set 0 10.1.2.2-10.1.2.3: 0 free, 2 used, 0 cooling, 2 dead"


def test_what_the_runtime_lists_stays_whatever_seems_to_prove_it_dead(
    small: Conf, network: Path, reboot: Reboot
) -> None:
    live(small, "c1")
    dead(small, "c2")
    reboot()
    gc(small, ("c1", "eth0"), ("c2", "eth0"))
    assert leases(network) == {"10.1.2.2": "c1\r\neth0", "10.1.2.3": "c2\r\neth0"}


def test_a_lease_that_cannot_be_read_hinders_no_other(small: Conf, network: Path, reboot: Reboot) -> None:
    live(small, "c1")
    live(small, "c2")
    reboot()
    (network / "10.1.2.2").unlink()
    os.symlink("10.1.2.2", network / "10.1.2.2")  # ELOOP, for root as well
    with pytest.raises(IOFailure, match="cannot read or release 1 leases"):
        plugin.gc(ipam_request("GC", small))
    assert {name for name in os.listdir(network) if name.startswith("10.")} == {"10.1.2.2"}


def test_a_requested_ip_is_taken_from_the_dead(
    small: Conf, network: Path, reboot: Reboot, capfd: pytest.CaptureFixture[str]
) -> None:
    live(small, "c1")
    dead(small, "c2")
    with pytest.raises(AddressUnavailable, match=r"requested IP address 10\.1\.2\.2 is not available"):
        add(small, "d1", cni_args="IP=10.1.2.2")
    assert add(small, "d1", cni_args="IP=10.1.2.3") == ["10.1.2.3/29"]
    assert capfd.readouterr().err == f"cni-ipam: 10.1.2.3 was asked for: removed its dead lease of {network}\n"
    reboot()
    with pytest.raises(AddressUnavailable, match="is not available"):
        add(small | {"reclaim": "never"}, "d2", cni_args="IP=10.1.2.2")
    assert add(small, "d2", cni_args="IP=10.1.2.2") == ["10.1.2.2/29"]
    assert leases(network) == {"10.1.2.2": "d2\r\neth0", "10.1.2.3": "d1\r\neth0"}
    assert drift(network) == []


def test_gc_without_a_list_takes_what_an_earlier_boot_left_and_no_more(
    small: Conf, network: Path, reboot: Reboot
) -> None:
    live(small, "c1")
    reboot()
    dead(small, "c2")
    plugin.gc(ipam_request("GC", small))
    assert leases(network) == {"10.1.2.3": "c2\r\neth0"}


def test_gc_keeps_what_a_person_reserved(small: Conf, network: Path) -> None:
    live(small, "c1")
    (network / "10.1.2.3").write_bytes(RESERVED + b"printer")
    gc(small)
    assert leases(network) == {"10.1.2.3": "cni-ipam:reserved\r\nprinter"}


@pytest.mark.parametrize("how", ["given to another", "described anew", "released"])
def test_what_changed_after_gc_looked_stays(
    small: Conf, network: Path, reboot: Reboot, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """field.md: snapshot the leases first, then observe liveness; what came in between is no garbage."""
    live(small, "c1")
    reboot()
    look = liveness.dead

    def look_and_be_overtaken(records: dict[tuple[int, int], Record], *proofs: tuple[str, ...]) -> object:
        found = look(records, *proofs)
        assert list(found) == [parse_ip("10.1.2.2")]
        monkeypatch.setattr(liveness, "dead", look)
        if how == "described anew":
            live(small, "c1")
        else:
            delete(small, "c1")
        if how == "given to another":
            add(small, "c2", cni_args="IP=10.1.2.2")
        return found

    monkeypatch.setattr(liveness, "dead", look_and_be_overtaken)
    plugin.gc(ipam_request("GC", small))
    expected = {"given to another": {"10.1.2.2": "c2\r\neth0"}, "described anew": {"10.1.2.2": "c1\r\neth0"}}
    assert leases(network) == expected.get(how, {})


def test_an_exhausted_set_with_dead_leases_is_ready(small: Conf, network: Path, reboot: Reboot) -> None:
    live(small, "c1")
    live(small, "c2")
    with pytest.raises(PluginNotAvailable):
        status(small)
    reboot()
    before = leases(network)
    status(small)
    assert leases(network) == before
    assert add(small, "d1") == ["10.1.2.2/29"]


def test_what_is_reclaimed_leaves_the_index_right(small: Conf, network: Path, reboot: Reboot) -> None:
    for container_id in ("c1", "c2"):
        live(small, container_id)
    reboot()
    add(small, "d1")
    assert drift(network) == []
    with reopen(network) as store:
        assert store.leases_of(("c1", "eth0")) == []
        assert store.leases_of(("d1", "eth0")) == [parse_ip("10.1.2.2")]


def test_only_the_exhausted_set_is_reclaimed(ipam: Conf, network: Path, reboot: Reboot) -> None:
    conf = ipam | {"ranges": [[{"subnet": "10.1.2.0/30"}], [{"subnet": "10.2.2.0/24"}]]}
    live(conf, "c1")
    reboot()
    assert add(conf, "d1") == ["10.1.2.2/30", "10.2.2.3/24"]
    assert leases(network) == {"10.1.2.2": "d1\r\neth0", "10.2.2.2": "c1\r\neth0", "10.2.2.3": "d1\r\neth0"}
