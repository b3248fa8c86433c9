"""loopback: the pod's lo, up (reference-behaviour 2.3 and 3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from cni.versions import SUPPORTED
from tests.world import Node, Plugin, Pod

CHECKING = [version for version in SUPPORTED if version >= "0.4.0"]
PREVIOUS: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "sandbox": "/run/netns/x"}],
    "ips": [{"address": "10.1.2.2/24", "interface": 0}],
}


@pytest.fixture
def loopback(built: None, node: Node) -> Plugin:
    return node.plugin("loopback")


def conf(version: str = "1.1.0") -> dict[str, Any]:
    return {"cniVersion": version, "name": "loopback-test", "type": "loopback"}


def is_up(pod: Pod) -> bool:
    return "UP" in pod.links()["lo"]["flags"]


@pytest.mark.parametrize("version", SUPPORTED)
def test_sets_the_lo_device_to_up(pod: Pod, loopback: Plugin, version: str) -> None:
    """CNI_ARGS=none, as in the reference's test: this plugin never reads them."""
    result = loopback.add(conf(version), pod, args="none").succeeded()
    assert is_up(pod)
    assert result["cniVersion"] == version
    addresses = ["127.0.0.1/8", "::1/128"]
    if version < "0.3.0":
        assert [result["ip4"]["ip"], result["ip6"]["ip"]] == addresses
    else:
        assert result["interfaces"] == [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": pod.path}]
        assert [ip["address"] for ip in result["ips"]] == addresses
        assert {ip["interface"] for ip in result["ips"]} == {0}


@pytest.mark.parametrize("version", SUPPORTED)
def test_sets_the_lo_device_to_down(pod: Pod, loopback: Plugin, version: str) -> None:
    pod.batch("link set lo up")
    assert loopback.delete(conf(version), pod, args="none").succeeded() == {}
    assert not is_up(pod)
    loopback.delete(conf(version), pod).succeeded()


@pytest.mark.parametrize("version", CHECKING)
def test_check_tells_whether_lo_is_up(pod: Pod, loopback: Plugin, version: str) -> None:
    result = loopback.add(conf(version), pod).succeeded()
    loopback.check(conf(version), pod, result).succeeded()
    pod.batch("link set lo down")
    assert loopback.check(conf(version), pod, result).failed(103)["msg"] == f"CHECK failed: lo in {pod.path} is down"


@pytest.mark.parametrize("ifname", ["lo", "eth0"])
def test_the_interface_is_lo_whatever_the_runtime_calls_it(pod: Pod, loopback: Plugin, ifname: str) -> None:
    assert loopback.add(conf(), pod, ifname=ifname).succeeded()["interfaces"][0]["name"] == "lo"
    assert is_up(pod)


def test_prev_result_is_passed_through(pod: Pod, loopback: Plugin) -> None:
    assert loopback.add(conf(), pod, prev=PREVIOUS).succeeded() == PREVIOUS
    assert is_up(pod)


def test_an_address_that_is_no_loopback_address_is_refused(pod: Pod, loopback: Plugin) -> None:
    pod.batch("addr add 10.1.2.3/32 dev lo")
    assert "10.1.2.3/32" in loopback.add(conf(), pod).failed(7)["msg"]


def test_a_pod_without_ipv6_is_fine(pod: Pod, loopback: Plugin) -> None:
    for name in ("all", "default", "lo"):
        pod.sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 1)
    result = loopback.add(conf(), pod).succeeded()
    assert [ip["address"] for ip in result["ips"]] == ["127.0.0.1/8"]


@pytest.mark.parametrize("netns", ["", "/run/netns/never-there"])
def test_del_of_a_namespace_that_is_gone(pod: Pod, loopback: Plugin, netns: str) -> None:
    loopback.delete(conf(), pod, env={"CNI_NETNS": netns}).succeeded()


@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
def test_a_namespace_that_is_gone_is_told(pod: Pod, loopback: Plugin, verb: str) -> None:
    path = "/run/netns/never-there"
    assert path in loopback.cni(verb, conf(), pod, env={"CNI_NETNS": path}).failed(8)["msg"]


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_the_own_namespace_is_refused_before_anything_is_done(
    node: Node, pod: Pod, loopback: Plugin, verb: str
) -> None:
    loopback.cni(verb, conf(), pod, env={"CNI_NETNS": node.path}).failed(8)
    assert "UP" in node.links()["lo"]["flags"]
    node.batch("link set lo down")
    loopback.cni("ADD", conf(), pod, env={"CNI_NETNS": node.path, "CNI_NETNS_OVERRIDE": "TRUE"}).succeeded()
    assert "UP" in node.links()["lo"]["flags"]


def test_gc_and_status_have_nothing_to_do(node: Node, pod: Pod, loopback: Plugin) -> None:
    loopback.add(conf(), pod).succeeded()
    before = node.state(), pod.state()
    assert loopback.gc(conf(), []).succeeded() == loopback.status(conf()).succeeded() == {}
    assert (node.state(), pod.state()) == before


def test_nothing_but_lo_is_touched(node: Node, pod: Pod, loopback: Plugin) -> None:
    before = node.state()
    result = loopback.add(conf(), pod).succeeded()
    loopback.delete(conf(), pod, result).succeeded()
    assert node.state() == before
    assert set(pod.links()) == {"lo"}
