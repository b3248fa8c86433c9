"""What the reference asserts after every ADD and DEL (bridge_test.go, its testers), asked of result and kernel."""

from __future__ import annotations

import ipaddress
from typing import Any

from cni import versions
from tests.world import Node, Pod, Reply

Conf = dict[str, Any]


def gateways(conf: Conf) -> list[str]:
    """The gateway address of every range set: the first of its subnet."""
    subnets = [ipaddress.ip_network(ranges[0]["subnet"]) for ranges in conf["ipam"].get("ranges", [])]
    return [f"{subnet[1]}/{subnet.prefixlen}" for subnet in subnets]


def assert_added(node: Node, pod: Pod, conf: Conf, reply: Reply) -> dict[str, Any]:
    """The one pod of this node is joined to `cni0` as `conf` says and as the result tells. The result."""
    result = reply.succeeded()
    assert result["cniVersion"] == conf["cniVersion"]
    _assert_node(node, conf)
    _assert_pod(pod, conf)
    if versions.is_single_address(conf["cniVersion"]):
        _assert_families(pod, conf, result)
    else:
        _assert_interfaces(node, pod, conf, result)
        _assert_ips(pod, conf, result)
    return result


def assert_deleted(node: Node, pod: Pod, conf: Conf, reply: Reply) -> None:
    """Both ends and the reservation are gone; the bridge stays."""
    assert reply.succeeded() == {}
    assert set(pod.links()) == {"lo"}
    assert set(node.links()) - vlan_links(node, conf) == {"lo", "cni0"}
    assert node.leases() == {}


def vlan_links(node: Node, conf: Conf) -> set[str]:
    """The pair that carries the gateway of a VLAN: the bridge's, so it stays like the bridge."""
    if not (conf.get("vlan") and conf.get("isDefaultGateway")):
        return set()
    links = node.links()
    gateway = links[f"cni0.{conf['vlan']}"]
    return {gateway["ifname"], gateway["link"]}


def host_link(node: Node, conf: Conf) -> dict[str, Any]:
    """The one port of cni0 that is a pod's."""
    [port] = [port for name, port in node.ports().items() if name not in vlan_links(node, conf)]
    return port


def _assert_node(node: Node, conf: Conf) -> None:
    links, bridge, port = node.links(), node.bridge(), host_link(node, conf)
    assert set(links) - vlan_links(node, conf) == {"lo", "cni0", port["ifname"]}
    assert bridge["linkinfo"]["info_data"]["vlan_filtering"] == bool(conf.get("vlan") or conf.get("vlanTrunk"))
    assert port["ifname"].startswith("veth")
    assert port["linkinfo"]["info_kind"] == "veth"
    assert port["linkinfo"]["info_slave_data"]["isolated"] is conf.get("portIsolation", False)
    assert port["address"] != bridge["address"], "the bridge's MAC would change with its ports"
    if conf["ipam"]:
        carrier = f"cni0.{conf['vlan']}" if conf.get("vlan") else "cni0"
        assert node.addresses(carrier) == sorted(gateways(conf))


def _assert_pod(pod: Pod, conf: Conf) -> None:
    links = pod.links()
    assert set(links) == {"lo", "eth0"}
    assert links["eth0"]["linkinfo"]["info_kind"] == "veth"
    assert (links["eth0"]["operstate"] == "UP") is not conf.get("disableContainerInterface", False)
    subnets = [ipaddress.ip_interface(gateway).network for gateway in gateways(conf)]
    addresses = [ipaddress.ip_interface(address) for address in pod.addresses("eth0")]
    assert sorted(map(str, subnets)) == sorted(str(address.network) for address in addresses)
    defaults = [route["gateway"] for route in pod.routes() if route["dst"] == "default"]
    first = {":" in gateway: gateway.partition("/")[0] for gateway in reversed(gateways(conf))}
    assert sorted(defaults) == sorted(first.values()), "one default route per family, by its first gateway"


def _assert_interfaces(node: Node, pod: Pod, conf: Conf, result: dict[str, Any]) -> None:
    host, inner = node.links(), pod.links()["eth0"]
    expected = [host["cni0"], host_link(node, conf), {**inner, "sandbox": pod.path}]
    if conf.get("vlan") and conf["ipam"]:
        expected.append(host[f"cni0.{conf['vlan']}"])
    has_mtu = conf["cniVersion"] >= "1.0.0"
    assert result["interfaces"] == [
        {"name": link["ifname"], "mac": link["address"]}
        | ({"mtu": link["mtu"]} if has_mtu else {})
        | ({"sandbox": link["sandbox"]} if "sandbox" in link else {})
        for link in expected
    ]


def _assert_ips(pod: Pod, conf: Conf, result: dict[str, Any]) -> None:
    ips = result.get("ips", [])
    assert sorted(ip["address"] for ip in ips) == pod.addresses("eth0")
    assert [ip["gateway"] for ip in ips] == [gateway.partition("/")[0] for gateway in gateways(conf)]
    assert all(ip["interface"] == 2 for ip in ips)
    families = ["6" if ":" in ip["address"] else "4" for ip in ips]
    expected = families if versions.has_ip_version(conf["cniVersion"]) else [None] * len(ips)
    assert [ip.get("version") for ip in ips] == expected


def _assert_families(pod: Pod, conf: Conf, result: dict[str, Any]) -> None:
    found = {key: result[key] for key in ("ip4", "ip6") if key in result}
    assert sorted(entry["ip"] for entry in found.values()) == pod.addresses("eth0")
    assert sorted(f"{entry['gateway']}/{entry['ip'].partition('/')[2]}" for entry in found.values()) == sorted(
        gateways(conf)
    )
    assert "interfaces" not in result
