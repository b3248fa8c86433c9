"""Links of kinds that cni_veth/attributes.py does not know: listed beside ours, and no reason to fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cni_veth import links
from cni_veth.netlink import Socket
from tests.world import Node

KINDS = {
    "vlan": "link add x0 link under type vlan id 7",
    "macvlan": "link add x0 link under type macvlan mode bridge",
    "ipvlan": "link add x0 link under type ipvlan mode l2",
    "vxlan": "link add x0 type vxlan id 42 dstport 4789",
    "vrf": "link add x0 type vrf table 10",
    "dummy": "link add x0 type dummy",
}
OPTIONS = {"vrf": "NET_VRF", "vlan": "VLAN_8021Q"}


@pytest.fixture
def node() -> Iterator[Node]:
    """Nothing is executed here, so once is enough."""
    with Node() as node:
        yield node


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.needs(f"CONFIG_{OPTIONS.get(kind, kind.upper())}")) for kind in KINDS],
)
def test_a_link_of_another_kind_is_listed_and_found(node: Node, kind: str) -> None:
    node.batch("link add under type veth peer name other", KINDS[kind])
    with node.entered():
        kernel = Socket()
    listed = {link.name: link for link in links.every(kernel)}
    found = links.find(kernel, "x0")
    assert found is not None
    assert found.data("IFLA_BR_VLAN_FILTERING") is None
    assert (found.kind, found.mtu, found.mac) == (kind, listed["x0"].mtu, listed["x0"].mac)
    assert (listed["under"].kind, listed["x0"].kind) == ("veth", kind)
    assert listed["under"].peer_index == listed["other"].index
