"""CHECK, GC and STATUS of cni-ipam: what the reference answers with success whatever the store says (R§2, R§2.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod

PODS = [Pod("c1"), Pod("c2")]
LISTED, GONE = ("c1", "eth0"), ("c2", "eth0")
VALID, SPELT_AS_IN_THE_SPEC_TEXT = "cni.dev/valid-attachments", "cni.dev/attachments"


@pytest.fixture
def conf(node: Node, ipam: Plugin) -> dict[str, Any]:
    """A dual-stack network, in it LISTED and GONE with two leases each, and legacy leases of c1, c2 and c3."""
    conf = node.network("10.1.0.0/24", "fd00::/64")
    for pod in PODS:
        ipam.add(conf, pod).succeeded()
    for ip, container_id in {"10.1.0.51": "c1", "10.1.0.52": "c2", "10.1.0.53": "c3"}.items():
        (node.store / "net" / ip).write_text(container_id)
    return conf


def attachments(*owners: tuple[str, str]) -> list[dict[str, str]]:
    return [{"containerID": container_id, "ifname": ifname} for container_id, ifname in owners]


def unleased(store: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time and content of what belongs to nobody: lock and last_reserved_ip.N."""
    paths = [store / "lock", *store.glob("last_reserved_ip.*")]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


@pytest.mark.parametrize("key", [VALID, SPELT_AS_IN_THE_SPEC_TEXT])
def test_gc_keeps_what_is_listed_and_removes_the_rest(ipam: Plugin, node: Node, conf: dict[str, Any], key: str) -> None:
    before = unleased(node.store / "net")
    ipam.cni("GC", conf | {key: attachments(LISTED)}).succeeded()
    assert set(node.leases().values()) == {LISTED, ("c1", "")}
    assert len(node.leases()) == 3
    assert unleased(node.store / "net") == before
    assert before.keys() == {"lock", "last_reserved_ip.0", "last_reserved_ip.1"}


@pytest.mark.parametrize("key", [VALID, SPELT_AS_IN_THE_SPEC_TEXT])
@pytest.mark.parametrize("empty", [[], None], ids=["empty list", "null of CRI-O"])
def test_gc_with_an_empty_list_removes_every_lease(
    ipam: Plugin, node: Node, conf: dict[str, Any], key: str, empty: object
) -> None:
    before = unleased(node.store / "net")
    ipam.cni("GC", conf | {key: empty}).succeeded()
    assert node.leases() == {}
    assert unleased(node.store / "net") == before


def test_gc_without_a_list_touches_nothing(ipam: Plugin, node: Node, conf: dict[str, Any]) -> None:
    """What `cnitool gc` sends; a plugin that took it for an empty list would cut off every pod."""
    before = node.leases()
    ipam.cni("GC", conf).succeeded()
    assert node.leases() == before


def test_gc_prefers_the_specified_key(ipam: Plugin, node: Node, conf: dict[str, Any]) -> None:
    both = {VALID: attachments(LISTED), SPELT_AS_IN_THE_SPEC_TEXT: []}
    ipam.cni("GC", conf | both).succeeded()
    assert set(node.leases().values()) == {LISTED, ("c1", "")}


def test_gc_tells_interfaces_of_one_container_apart(ipam: Plugin, node: Node) -> None:
    conf = node.network("10.1.0.0/24")
    for ifname in ("eth0", "net1"):
        ipam.add(conf, PODS[0], ifname=ifname).succeeded()
    ipam.gc(conf, [("c1", "net1")]).succeeded()
    assert node.leases() == {"10.1.0.3": ("c1", "net1")}


def test_gc_and_del_leave_other_networks_alone(ipam: Plugin, node: Node, conf: dict[str, Any]) -> None:
    other = conf | {"name": "net2"}
    ipam.add(other, PODS[0]).succeeded()
    before = node.leases("net2")
    ipam.gc(conf, []).succeeded()
    ipam.delete(conf, PODS[0]).succeeded()
    assert node.leases("net2") == before != {}


@pytest.mark.parametrize("broken", [{"ranges": [[{"subnet": "x"}]]}, {"ranges": None}, {"routes": 7}])
def test_gc_with_broken_ranges_still_collects(
    ipam: Plugin, node: Node, conf: dict[str, Any], broken: dict[str, Any]
) -> None:
    ipam.gc(conf | {"ipam": conf["ipam"] | broken}, [LISTED]).succeeded()
    assert set(node.leases().values()) == {LISTED, ("c1", "")}


@pytest.mark.parametrize("listed", ["c1", [["c1", "eth0"]], [{"containerID": "c1"}], [{"ifname": "eth0"}]])
def test_gc_with_a_list_it_cannot_read_collects_nothing(
    ipam: Plugin, node: Node, conf: dict[str, Any], listed: object
) -> None:
    before = node.leases()
    assert VALID in ipam.cni("GC", conf | {VALID: listed}).failed(7)["msg"]
    assert node.leases() == before


def test_gc_leaves_foreign_files_alone(ipam: Plugin, node: Node, conf: dict[str, Any]) -> None:
    store = node.store / "net"
    for name in ("README", "10.1.0", ".hidden", "last_reserved_ip.9"):
        (store / name).write_text("c9\r\neth0")
    (store / "10.1.0.99").mkdir()
    ipam.gc(conf, []).succeeded()
    left = {"README", "10.1.0", ".hidden", "10.1.0.99", "lock"} | {f"last_reserved_ip.{index}" for index in (0, 1, 9)}
    assert {path.name for path in store.iterdir()} == left


def test_status_is_50_with_free_and_used_counts_when_a_set_is_exhausted(ipam: Plugin, node: Node) -> None:
    conf = node.network("10.1.0.0/29", "fd00::/126")
    for number in range(2):
        ipam.status(conf).succeeded()
        ipam.add(conf, Pod(f"c{number}")).succeeded()
    error = ipam.status(conf).failed(50)
    assert error["msg"] == "no IP addresses available in range set: fd00::1-fd00::3"
    assert error["details"].splitlines() == [
        "range set 0 10.1.0.1-10.1.0.6: 3 free, 2 used, 0 cooling, 0 dead",
        "range set 1 fd00::1-fd00::3: 0 free, 2 used, 0 cooling, 0 dead",
    ]
    ipam.delete(conf, Pod("c0")).succeeded()
    ipam.status(conf).succeeded()


def test_status_reserves_nothing(ipam: Plugin, node: Node) -> None:
    ipam.status(node.network("10.1.0.0/29")).succeeded()
    assert [path.name for path in (node.store / "net").iterdir()] == ["lock"]


def test_check_compares_the_ip(ipam: Plugin, node: Node) -> None:
    """The reference is content with any file of the owner, whichever IP prevResult has."""
    conf = node.network("10.1.0.0/24", "fd00::/64")
    result = ipam.add(conf, PODS[0]).succeeded()
    ipam.check(conf, PODS[0], result).succeeded()
    (node.store / "net/10.1.0.2").rename(node.store / "net/10.1.0.3")
    error = ipam.check(conf, PODS[0], result).failed(103)
    store = node.store / "net"
    assert f"expected 10.1.0.2 to be reserved for container c1 eth0 in {store}, found none" in error["msg"]


def test_check_names_every_missing_ip_and_who_has_it(ipam: Plugin, node: Node) -> None:
    conf = node.network("10.1.0.0/24", "fd00::/64")
    result = ipam.add(conf, PODS[0]).succeeded()
    (node.store / "net/10.1.0.2").write_bytes(b"c2\r\neth0")
    (node.store / "net/fd00::2").unlink()
    lines = ipam.check(conf, PODS[0], result).failed(103)["details"].splitlines()
    assert ["10.1.0.2" in lines[0], "fd00::2" in lines[1]] == [True, True]
    assert lines[0].endswith("found one for c2 eth0")
    assert lines[1].endswith("found none")


def test_check_accepts_a_legacy_lease(ipam: Plugin, node: Node) -> None:
    conf = node.network("10.1.0.0/24")
    result = ipam.add(conf, PODS[0]).succeeded()
    (node.store / "net/10.1.0.2").write_text("c1")
    ipam.check(conf, PODS[0], result).succeeded()


def test_check_of_a_network_that_never_was_fails(ipam: Plugin, node: Node) -> None:
    error = ipam.check(node.network("10.1.0.0/24"), PODS[0], {"cniVersion": "1.1.0"}).failed(103)
    assert "found no store" in error["msg"]
