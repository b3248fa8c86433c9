"""An ADD of an owner that has its leases already: the same result, and nothing is given or freed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cni.errors import AddressUnavailable, TryAgainLater
from cni.result import Result
from ipam import facts, plugin
from tests.unit.ipam_call import TWO_SETS, Conf, add, ipam_request, leases, single
from tests.unit.ipam_disk import files

BOTH = ["10.1.2.2/24", "2001:db8:1::2/64"]


@pytest.mark.parametrize("args", ["", "IP=10.1.2.2", "IP=2001:db8:1::2,10.1.2.2"])
def test_the_same_result_and_the_same_store(ipam: Conf, network: Path, args: str) -> None:
    assert add(ipam) == BOTH
    add(ipam, "c2")
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in network.iterdir()}
    assert add(ipam, cni_args=args) == BOTH
    assert {path.name: (path.stat().st_ino, path.read_bytes()) for path in network.iterdir()} == before


def test_a_result_that_nobody_takes_frees_nothing(ipam: Conf, network: Path) -> None:
    def refuse(result: Result) -> None:
        raise TryAgainLater("interrupted by SIGTERM")

    add(ipam)
    before = files(network)
    with pytest.raises(TryAgainLater):
        plugin.add(ipam_request("ADD", ipam), refuse)
    assert files(network) == before


def test_leases_that_were_there_are_delivered_as_such(ipam: Conf) -> None:
    made: list[Result] = []
    found: list[Result] = []
    for _ in range(2):
        plugin.add(ipam_request("ADD", ipam), made.append, None, found.append)
    assert ([ip.address for ip in made[0].ips], len(made)) == (BOTH, 1)
    assert ([ip.address for ip in found[0].ips], len(found)) == (BOTH, 1)


def test_where_a_set_has_none_the_add_is_refused(ipam: Conf, network: Path) -> None:
    """Half an attachment: who gave it the rest is not known, so DEL must come first, as in the reference."""
    add(ipam | {"ranges": TWO_SETS[1:]})
    before = files(network)
    with pytest.raises(AddressUnavailable, match="range 1: 2001:db8:1::2 has been allocated to c1"):
        add(ipam)
    assert files(network) == before


def test_another_ip_than_it_has_is_given_as_by_the_reference(ipam: Conf, network: Path) -> None:
    add(single(ipam))
    assert add(single(ipam), cni_args="IP=10.1.2.88") == ["10.1.2.88/24"]
    assert add(single(ipam), cni_args="IP=10.1.2.88") == ["10.1.2.88/24"]
    assert leases(network).keys() == {"10.1.2.2", "10.1.2.88"}


def test_strict_add_is_refused_even_with_the_ip_that_it_has(ipam: Conf, network: Path) -> None:
    strict = single(ipam) | {"strictAdd": True}
    add(strict)
    problem = "failed to allocate for range 0: requested IP address 10.1.2.2 is not available"
    with pytest.raises(AddressUnavailable, match=problem):
        add(strict, cni_args="IP=10.1.2.2")
    assert leases(network) == {"10.1.2.2": "c1\r\neth0"}


def test_the_lease_is_described_anew(ipam: Conf, network: Path, tmp_path: Path) -> None:
    """By what the pod is now; otherwise it would look dead while it lives."""
    add(single(ipam), netns=str(tmp_path), host_link="old0")
    add(single(ipam), netns="/proc/1/ns/net", host_link="new0")
    found = facts.decode(os.getxattr(network / "10.1.2.2", facts.ATTRIBUTE))
    assert found is not None
    assert (found.link, found.directory, found.netns) == ("new0", "/proc/1/ns", facts.netns("/proc/1/ns/net"))


def test_what_cannot_be_described_anew_is_not_described(
    ipam: Conf, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    add(single(ipam))
    monkeypatch.setattr(os, "setxattr", full)
    assert add(single(ipam)) == ["10.1.2.2/24"]
    assert os.listxattr(network / "10.1.2.2") == []


def test_a_lease_of_host_local_is_adopted(ipam: Conf, network: Path) -> None:
    network.mkdir(parents=True)
    (network / "10.1.2.9").write_bytes(b"c1\r\neth0")
    assert add(single(ipam)) == ["10.1.2.9/24"]
    assert os.listxattr(network / "10.1.2.9") == []  # its link is not the one that this ADD will undo if it fails
