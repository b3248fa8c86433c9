"""What a runtime asks of one attachment, by the real cnitool: CAP_ARGS, CNI_ARGS and CNI_IFNAME."""

from __future__ import annotations

import pytest

from tests.world import Node, Pod
from tests.world.cnitool import CNITool, conflist

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("built")]

MAC = "02:11:22:33:44:55"
KUBERNETES = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2-3"


@pytest.fixture
def cnitool(node: Node) -> CNITool:
    capabilities = {"mac": True, "ips": True, "ipRanges": True}
    return node.cnitool(conflist(node.network("10.22.0.0/24", "fd00:22::/64", capabilities=capabilities)))


def mac(pod: Pod, ifname: str = "eth0") -> str:
    address: str = pod.links()[ifname]["address"]
    return address


def test_mac_and_ips_by_capability(node: Node, pod: Pod, cnitool: CNITool) -> None:
    wish = {"mac": MAC, "ips": ["fd00:22::77", "10.22.0.77/24"]}
    result = cnitool.succeed("add", pod, cap_args=wish)
    assert mac(pod) == result["interfaces"][2]["mac"] == MAC
    assert pod.addresses("eth0") == ["10.22.0.77/24", "fd00:22::77/64"]
    assert set(node.leases()) == {"10.22.0.77", "fd00:22::77"}
    cnitool.succeed("check", pod, cap_args=wish)
    cnitool.succeed("del", pod, cap_args=wish)
    assert node.leases() == {}


def test_a_capability_that_the_network_does_not_declare_is_not_passed_on(node: Node, pod: Pod) -> None:
    cnitool = node.cnitool(conflist(node.network("10.22.0.0/24", capabilities={"mac": True})))
    cnitool.succeed("add", pod, cap_args={"mac": MAC, "ips": ["10.22.0.77"]})
    assert (mac(pod), pod.addresses("eth0")) == (MAC, ["10.22.0.2/24"])


def test_ip_ranges_by_capability(pod: Pod, cnitool: CNITool) -> None:
    """They come before the network's own ranges (CONVENTIONS), and DEL frees what they gave."""
    wish = {"ipRanges": [[{"subnet": "10.99.0.0/24", "rangeStart": "10.99.0.40", "rangeEnd": "10.99.0.50"}]]}
    result = cnitool.succeed("add", pod, cap_args=wish)
    assert [ip["address"] for ip in result["ips"]] == ["10.99.0.40/24", "10.22.0.2/24", "fd00:22::2/64"]
    cnitool.succeed("check", pod, cap_args=wish)
    cnitool.succeed("del", pod, cap_args=wish)
    assert cnitool.node.leases() == {}


def test_mac_and_ip_by_cni_args(node: Node, pod: Pod, cnitool: CNITool) -> None:
    """podman's --mac-address and --ip. The reference passes MAC= on to host-local, which refuses it."""
    wish = f"IP=10.22.0.88;MAC={MAC}"
    cnitool.succeed("add", pod, args=wish)
    assert (mac(pod), pod.addresses("eth0")) == (MAC, ["10.22.0.88/24", "fd00:22::2/64"])
    cnitool.succeed("check", pod, args=wish)
    cnitool.succeed("del", pod, args=wish)
    assert node.leases() == {}


def test_a_capability_goes_before_cni_args(pod: Pod, cnitool: CNITool) -> None:
    cnitool.succeed(
        "add", pod, args=f"IP=10.22.0.88;MAC={MAC}", cap_args={"mac": "02:00:00:00:00:01", "ips": ["10.22.0.99"]}
    )
    assert (mac(pod), pod.addresses("eth0")) == ("02:00:00:00:00:01", ["10.22.0.99/24", "fd00:22::2/64"])


@pytest.mark.parametrize("args", [KUBERNETES, f"IgnoreUnknown=1;{KUBERNETES}", "IgnoreUnknown=true;COLOUR=red"])
def test_args_that_are_not_ours_do_no_harm(pod: Pod, cnitool: CNITool, args: str) -> None:
    for verb in ("add", "check", "del"):
        cnitool.succeed(verb, pod, args=args)


def test_unknown_args_are_refused_and_leave_nothing(node: Node, pod: Pod, cnitool: CNITool) -> None:
    failed = cnitool.call("add", pod, args="COLOUR=red")
    assert failed.returncode == 1
    assert "COLOUR" in failed.stderr
    assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo"}, {"lo"})


def test_a_pod_with_an_interface_in_each_of_two_networks(node: Node, pod: Pod, cnitool: CNITool) -> None:
    storage = node.cnitool(conflist(node.network("10.33.0.0/24", name="storage", bridge="cni1", isGateway=True)))
    cnitool.succeed("add", pod)
    result = storage.succeed("add", pod, ifname="storage0")
    assert result["interfaces"][2]["name"] == "storage0"
    assert pod.addresses("storage0") == ["10.33.0.2/24"]
    assert pod.reaches("10.33.0.1")
    storage.succeed("check", pod, ifname="storage0")
    storage.succeed("del", pod, ifname="storage0")
    assert set(pod.links()) == {"lo", "eth0"}
    cnitool.succeed("check", pod)
    assert node.leases("storage") == {}


def test_a_name_too_long_for_an_interface_is_refused(node: Node, pod: Pod, cnitool: CNITool) -> None:
    failed = cnitool.call("add", pod, ifname="a-name-of-16-chr")
    assert failed.returncode == 1
    assert "too long" in failed.stderr
    assert (node.leases(), set(pod.links())) == ({}, {"lo"})
