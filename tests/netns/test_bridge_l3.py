"""Parity with bridge_test.go: bridge and veth with addresses and default routes (reference-behaviour 3.1)."""

from __future__ import annotations

import pytest

from cni.versions import SUPPORTED
from tests.netns.attachment import assert_added, assert_deleted, gateways
from tests.world import Node, Plugin, Pod

VARIANTS = {
    "v4": ["10.1.2.0/24"],
    "v6": ["2001:db8::/64"],
    "dual-stack": ["192.168.0.0/24", "fd00::/64"],
    "1 v4 + 2 v6": ["192.168.0.0/24", "fd00::/64", "2001:db8::/64"],
}
SINGLE = ("v4", "v6", "dual-stack")
CHAINING = [version for version in SUPPORTED if version >= "0.3.0"]
CHECKING = [version for version in SUPPORTED if version >= "0.4.0"]


@pytest.mark.parametrize("version", SUPPORTED)
def test_creates_a_bridge(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    plugin.add(node.network("10.1.2.0/24", cniVersion=version), pod).succeeded()
    bridge = node.bridge()
    assert "UP" in bridge["flags"]
    assert node.sysctl("net/ipv6/conf/cni0/accept_ra") == "0"


@pytest.mark.parametrize("version", SUPPORTED)
def test_handles_an_existing_bridge(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    node.batch("link add name cni0 type bridge")
    before = node.bridge()
    plugin.add(node.network("10.1.2.0/24", cniVersion=version), pod).succeeded()
    assert node.bridge()["ifindex"] == before["ifindex"]


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("variant", SINGLE)
def test_configures_and_deconfigures_a_bridge_and_veth_with_default_route(
    node: Node, pod: Pod, plugin: Plugin, version: str, variant: str
) -> None:
    conf = node.network(*VARIANTS[variant], isDefaultGateway=True, cniVersion=version)
    result = assert_added(node, pod, conf, plugin.add(conf, pod))
    assert all(pod.reaches(gateway.partition("/")[0]) for gateway in gateways(conf))
    assert_deleted(node, pod, conf, plugin.delete(conf, pod, result if version >= "0.4.0" else None))
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.parametrize("version", CHAINING)
def test_three_subnets_of_which_two_ipv6(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    conf = node.network(*VARIANTS["1 v4 + 2 v6"], isDefaultGateway=True, cniVersion=version)
    assert_added(node, pod, conf, plugin.add(conf, pod))
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_three_subnets_are_too_many_for_an_old_version(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    """The reference refuses the DEL too; ours does what little there is to do."""
    conf = node.network(*VARIANTS["1 v4 + 2 v6"], isDefaultGateway=True, cniVersion=version)
    before = node.state()
    error = plugin.add(conf, pod).failed(7)
    assert error["msg"] == f"CNI version {version} does not support more than 1 address per family"
    assert node.state() == before
    plugin.delete(conf, pod).succeeded()


@pytest.mark.parametrize("version", SUPPORTED)
def test_dns_of_resolv_conf_is_in_the_result(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    resolv_conf = node.dir / "resolv.conf"
    resolv_conf.write_text("nameserver 10.1.2.53\n")
    conf = node.network(isDefaultGateway=True, cniVersion=version)
    conf["ipam"] = node.ipam("10.1.2.0/24", resolvConf=str(resolv_conf))
    result = assert_added(node, pod, conf, plugin.add(conf, pod))
    assert result["dns"] == {"nameservers": ["10.1.2.53"]}
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.parametrize("variant", SINGLE)
def test_a_second_add_and_del_find_the_bridge_as_the_first_left_it(
    node: Node, pod: Pod, plugin: Plugin, variant: str
) -> None:
    conf = node.network(*VARIANTS[variant], isDefaultGateway=True)
    for _ in range(2):
        assert_added(node, pod, conf, plugin.add(conf, pod))
        assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.parametrize("version", CHECKING)
@pytest.mark.parametrize("variant", SINGLE)
def test_configures_and_deconfigures_with_add_check_del(
    node: Node, pod: Pod, plugin: Plugin, version: str, variant: str
) -> None:
    conf = node.network(*VARIANTS[variant], isDefaultGateway=True, cniVersion=version)
    result = assert_added(node, pod, conf, plugin.add(conf, pod))
    before = node.state(), pod.state()
    assert plugin.check(conf, pod, result).succeeded() == {}
    assert (node.state(), pod.state()) == before
    assert_deleted(node, pod, conf, plugin.delete(conf, pod, result))


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1"])
def test_check_is_refused_before_0_4_0(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    conf = node.network("10.1.2.0/24", isDefaultGateway=True, cniVersion=version)
    result = plugin.add(conf, pod).succeeded()
    assert plugin.check(conf, pod, result).failed(1)["msg"] == "config version does not allow CHECK"


@pytest.mark.parametrize("version", SUPPORTED)
def test_deconfigures_an_unconfigured_bridge_with_del(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    before = node.state(), pod.state()
    assert plugin.delete(node.network("10.1.2.0/24", cniVersion=version), pod).succeeded() == {}
    assert (node.state(), pod.state()) == before
    assert not node.store.exists(), "DEL makes no store"


@pytest.mark.parametrize("version", SUPPORTED)
def test_ip_is_released_when_add_fails_after_ipam(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    conf = node.network(cniVersion=version)
    conf["ipam"] = node.ipam("10.1.2.0/24", routes=[{"dst": "10.9.0.0/16", "gw": "172.16.0.1"}])
    error = plugin.add(conf, pod).failed(100)
    assert "10.9.0.0/16" in error["msg"] and "unreachable" in error["msg"]
    assert (node.store / "net" / "last_reserved_ip.0").exists(), "IPAM had its turn"
    assert node.leases() == {}
