"""What a plugin before ours leaves in the node and tells of it."""

from __future__ import annotations

from typing import Any

from tests.world import Node, Pod

Conf = dict[str, Any]
SUBNETS = ("10.22.0.0/24", "fd00:22::/64")
BEEN_UP = "link set {0} up;link set {0} down"  # from then on it has a qdisc, which would be seen as a difference


def network(node: Node, **keys: Any) -> Conf:
    return node.network(*SUBNETS, **{"isDefaultGateway": True, **keys})


def tap(node: Node, pod: Pod) -> Conf:
    """A VM's, down, that nobody has opened."""
    node.batch("tuntap add dev tap0 mode tap", *BEEN_UP.format("tap0").split(";"))
    return result_of(node, pod, "tap0")


def pair(node: Node, pod: Pod) -> Conf:
    """As `ptp` leaves it: the host's end is no port. Both ends are still down."""
    create = f"link add veth7 index 1007 type veth peer name eth0 index 2007 netns {pod.name}"
    node.batch(create, *BEEN_UP.format("veth7").split(";"))
    pod.batch("link set lo up", *BEEN_UP.format("eth0").split(";"))
    return result_of(node, pod, "veth7")


def result_of(node: Node, pod: Pod, name: str) -> Conf:
    """What the plugin before ours tells of a link of the node and of the pod's, if there is one."""
    interfaces = [{"name": name, "mac": node.links()[name]["address"]}]
    inner = pod.links().get("eth0")
    if inner:
        interfaces.append({"name": "eth0", "mac": inner["address"], "sandbox": pod.path})
    return {"cniVersion": "1.1.0", "interfaces": interfaces}


def lasting(node: Node, pod: Pod) -> tuple[Any, ...]:
    return node.state(), pod.state(), node.leases()
