"""Pods that cnitool attached reach each other, their gateway and the outside, over IPv4 and IPv6."""

from __future__ import annotations

import pytest

from tests.world import Node
from tests.world.cnitool import conflist
from tests.world.node import OUTSIDE_IPS

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("built")]

SUBNETS = ("10.22.0.0/24", "fd00:22::/64")
GATEWAYS = ("10.22.0.1", "fd00:22::1")


def ips(result: dict[str, object]) -> list[str]:
    listed = result["ips"]
    assert isinstance(listed, list)
    return [ip["address"].partition("/")[0] for ip in listed]


def test_pods_reach_each_other_their_gateway_and_the_outside_and_are_reached(node: Node) -> None:
    outside, red, blue = node.outside(*SUBNETS), node.pod("red"), node.pod("blue")
    cnitool = node.cnitool(conflist(node.network(*SUBNETS, isDefaultGateway=True)))
    of_red, of_blue = ips(cnitool.succeed("add", red)), ips(cnitool.succeed("add", blue))
    assert [ip for ip in (*of_blue, *GATEWAYS, *OUTSIDE_IPS) if not red.reaches(ip)] == []
    assert [ip for ip in (*of_red, *GATEWAYS, *OUTSIDE_IPS) if not blue.reaches(ip)] == []
    assert [ip for ip in (*of_red, *of_blue) if not outside.reaches(ip)] == []
    cnitool.succeed("del", blue)
    assert [ip for ip in (*GATEWAYS, *OUTSIDE_IPS) if not red.reaches(ip)] == []


def test_two_networks_are_routed_by_the_node(node: Node) -> None:
    red, blue = node.pod("red"), node.pod("blue")
    first = node.cnitool(conflist(node.network(*SUBNETS, isDefaultGateway=True)))
    second = node.cnitool(
        conflist(node.network("10.33.0.0/24", "fd00:33::/64", name="second", bridge="cni1", isDefaultGateway=True))
    )
    first.succeed("add", red)
    of_blue = ips(second.succeed("add", blue, ifname="net0"))
    assert [ip for ip in of_blue if not red.reaches(ip)] == []


@pytest.mark.parametrize("uplink", [1400, 1500, 9000])
def test_without_an_mtu_the_pod_gets_that_of_the_way_out(node: Node, uplink: int) -> None:
    """The default route's where it is lower than the kernel's default, which is 1500."""
    node.outside(*SUBNETS, mtu=uplink)
    pod = node.pod()
    cnitool = node.cnitool(conflist(node.network(*SUBNETS, isDefaultGateway=True)))
    result = cnitool.succeed("add", pod)
    expected = min(uplink, 1500)
    assert pod.links()["eth0"]["mtu"] == node.bridge()["mtu"] == expected
    assert [interface["mtu"] for interface in result["interfaces"]] == [expected] * 3
    cnitool.succeed("check", pod)


def test_without_an_mtu_the_pod_gets_no_more_than_its_bridge_carries(node: Node) -> None:
    """Two networks share a bridge and one of them says mtu: packets of the other's pods must fit through too."""
    red, blue = node.pod("red"), node.pod("blue")
    narrow = node.cnitool(conflist(node.network("10.22.0.0/24", name="narrow", mtu=1300)))
    silent = node.cnitool(conflist(node.network("10.22.1.0/24", name="silent")))
    narrow.succeed("add", red)
    silent.succeed("add", blue)
    assert red.links()["eth0"]["mtu"] == blue.links()["eth0"]["mtu"] == node.bridge()["mtu"] == 1300
    narrow.succeed("check", red)
    silent.succeed("check", blue)
