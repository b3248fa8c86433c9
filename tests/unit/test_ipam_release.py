"""DEL and GC of cni-ipam: always finish, never touch what is not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipam import plugin
from tests.unit.ipam_call import Conf, add, delete, gc, ipam_request, leases


def test_del_of_an_unknown_container_is_ok_and_makes_nothing(ipam: Conf, network: Path) -> None:
    delete(ipam, "unknown")
    assert not network.parent.exists()
    add(ipam, "c2")
    delete(ipam, "unknown")
    assert len(leases(network)) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"ranges": [[{"subnet": "10.99.0.0/24"}]]},
        {"ranges": [[{"subnet": "x"}]]},
        {"ranges": "none"},
        {"ranges": None, "routes": 7, "resolvConf": "/nonexistent"},
    ],
)
def test_del_and_gc_need_no_valid_ranges(ipam: Conf, network: Path, broken: Conf) -> None:
    add(ipam, "c1")
    add(ipam, "c2")
    delete(ipam | broken, "c1", cni_args="none", version="0.1.0")
    assert set(leases(network).values()) == {"c2\r\neth0"}
    gc(ipam | broken)
    assert leases(network) == {}


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_keeps_the_listed_attachments(ipam: Conf, network: Path, key: str) -> None:
    for container_id in ("c1", "c2"):
        for ifname in ("eth0", "eth1"):
            add(ipam, container_id, ifname=ifname)
    (network / "10.1.2.99").write_text("c2")
    (network / "10.1.2.100").write_text("c3")
    (network / "10.1.2.101").write_text("")
    gc(ipam, ("c2", "eth1"), key=key)
    assert sorted(leases(network).values()) == ["c2", "c2\r\neth1", "c2\r\neth1"]
    assert (network / "last_reserved_ip.0").exists()
    gc(ipam, key=key)
    assert leases(network) == {}


def test_gc_without_a_list_does_nothing(ipam: Conf, network: Path) -> None:
    add(ipam)
    plugin.gc(ipam_request("GC", ipam))
    assert len(leases(network)) == 2


def test_gc_of_a_network_without_a_store_makes_none(ipam: Conf, network: Path) -> None:
    gc(ipam)
    assert not network.parent.exists()


def test_networks_in_one_data_dir_are_strangers(ipam: Conf, tmp_path: Path) -> None:
    add(ipam, name="net1")
    add(ipam, name="net2")
    plugin.gc(ipam_request("GC", ipam, name="net1", **{"cni.dev/attachments": []}))
    delete(ipam, name="net3")
    assert leases(tmp_path / "state/net1") == {}
    assert len(leases(tmp_path / "state/net2")) == 2
