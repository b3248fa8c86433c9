"""All or nothing: of a failed ADD nothing is left, and the next one succeeds (reference-behaviour 2.1)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.scripted import ScriptedIPAM, answer, failure

Conf = dict[str, Any]


def assert_nothing_left(node: Node, pod: Pod) -> None:
    assert set(node.links()) == {"lo"}, "no veth and no new bridge"
    assert set(pod.links()) == {"lo"}
    assert node.leases() == {}


def spoil_route(conf: Conf) -> None:
    conf["ipam"]["routes"] = [{"dst": "10.9.0.0/16", "gw": "172.16.0.1"}]


def spoil_range(conf: Conf) -> None:
    conf["ipam"]["ranges"] = [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.1", "rangeEnd": "10.1.2.1"}]]


def spoil_store(conf: Conf) -> None:
    conf["ipam"]["dataDir"] = "/proc/cni"


def spoil_mac(conf: Conf) -> None:
    conf["runtimeConfig"] = {"mac": "01:00:00:00:00:00"}


@pytest.mark.parametrize(("spoil", "code"), [(spoil_route, 100), (spoil_range, 102), (spoil_store, 5), (spoil_mac, 7)])
def test_a_failed_add_leaves_nothing_and_a_retry_succeeds(
    node: Node, pod: Pod, plugin: Plugin, spoil: Callable[[Conf], None], code: int
) -> None:
    good, bad = (node.network("10.1.2.0/24", isDefaultGateway=True) for _ in range(2))
    spoil(bad)
    plugin.add(bad, pod).failed(code)
    assert_nothing_left(node, pod)
    plugin.add(good, pod).succeeded()
    assert pod.reaches("10.1.2.1")


def test_an_exhausted_range_leaves_nothing_and_a_retry_succeeds(node: Node, plugin: Plugin) -> None:
    """plugins#29: the reference leaves eth0 in the pod, and the retry fails on it."""
    first, second = node.pod(), node.pod()
    conf = node.network("10.1.2.0/30", isGateway=True)
    plugin.add(conf, first).succeeded()
    before = node.state(), second.state()
    error = plugin.add(conf, second).failed(102)
    assert "no IP addresses available in range set: 10.1.2.1-10.1.2.2" in error["msg"]
    assert (node.state(), second.state()) == before
    plugin.delete(conf, first).succeeded()
    plugin.add(conf, second).succeeded()
    assert second.reaches("10.1.2.1")


@pytest.mark.parametrize("kind", ["missing", "a plain file", "a directory", "another kind of namespace"])
def test_a_bad_netns_leaves_no_new_bridge(node: Node, pod: Pod, plugin: Plugin, kind: str) -> None:
    file = node.dir / "netns"
    file.touch()
    path = {
        "missing": "/run/netns/never-there",
        "a plain file": str(file),
        "a directory": str(node.dir),
        "another kind of namespace": "/proc/self/ns/uts",
    }[kind]
    conf = node.network("10.1.2.0/24", isGateway=True)
    assert path in plugin.add(conf, pod, env={"CNI_NETNS": path}).failed(8)["msg"]
    assert_nothing_left(node, pod)
    assert not node.store.exists()


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_the_own_netns_is_refused_before_anything_is_done(node: Node, pod: Pod, plugin: Plugin, verb: str) -> None:
    """The reference's test comes after the deed."""
    before = node.state()
    conf = node.network("10.1.2.0/24", isGateway=True)
    error = plugin.cni(verb, conf, pod, env={"CNI_NETNS": node.path}).failed(8)
    assert node.path in error["msg"] and "own network namespace" in error["msg"]
    assert node.state() == before
    assert not node.store.exists()


def test_an_interface_of_that_name_in_the_pod_is_told_and_left_alone(node: Node, pod: Pod, plugin: Plugin) -> None:
    pod.batch("link add name eth0 type bridge")
    before = node.state(), pod.state()
    error = plugin.add(node.network("10.1.2.0/24"), pod).failed(101)
    assert error["msg"] == f"interface eth0 already exists in {pod.path}"
    assert (node.state(), pod.state()) == before
    assert node.leases() == {}


def test_a_second_add_is_refused_and_the_first_goes_on(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network("10.1.2.0/24", isDefaultGateway=True)
    result = plugin.add(conf, pod).succeeded()
    before = node.state(), pod.state(), node.leases()
    plugin.add(conf, pod).failed(101)
    assert (node.state(), pod.state(), node.leases()) == before
    plugin.check(conf, pod, result).succeeded()


def test_a_second_add_into_another_pod_is_refused_and_the_first_goes_on(node: Node, plugin: Plugin) -> None:
    first, second = node.pod(), node.pod()
    conf = node.network("10.1.2.0/24", isDefaultGateway=True)
    result = plugin.add(conf, first, container_id="c1").succeeded()
    before = node.state(), first.state(), second.state(), node.leases()
    assert "c1" in plugin.add(conf, second, container_id="c1").failed(101)["msg"]
    assert (node.state(), first.state(), second.state(), node.leases()) == before
    plugin.check(conf, first, result, container_id="c1").succeeded()


def test_a_failed_add_leaves_the_bridge_of_other_pods_as_it_is(node: Node, plugin: Plugin) -> None:
    first, second = node.pod(), node.pod()
    good, bad = (node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True) for _ in range(2))
    spoil_route(bad)
    result = plugin.add(good, first).succeeded()
    before = node.state(), first.state()
    plugin.add(bad, second).failed(100)
    assert (node.state(), first.state()) == before
    plugin.check(good, first, result).succeeded()


def test_a_failed_add_takes_its_gateway_off_a_bridge_that_was_there(node: Node, pod: Pod, plugin: Plugin) -> None:
    node.batch("link add name cni0 address 02:00:00:00:00:01 type bridge", "link set cni0 up")
    conf = node.network("10.1.2.0/24", isGateway=True)
    spoil_route(conf)
    plugin.add(conf, pod).failed(100)
    assert set(node.links()) == {"lo", "cni0"}
    assert node.addresses("cni0") == []


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (failure(11, "the server is busy"), 11),
        (answer(), 6),
        (answer("10.1.2.300/24"), 6),
        ("echo '{}'; exit 3", 999),
        ("exit 3", 999),
        ("echo not JSON", 6),
        (answer("10.1.2.5/24", routes=[{"dst": "10.9.0.0/16", "gw": "172.16.0.1"}]), 100),
    ],
    ids=["error", "no address", "no IP", "an error of nothing", "no error", "no JSON", "a route that cannot be"],
)
def test_a_foreign_ipam_that_fails_is_told_to_delete(
    node: Node, pod: Pod, plugin: Plugin, script: str, code: int
) -> None:
    """SPEC section 4: after a failed ADD of a delegate its DEL is run, and its error is passed on."""
    foreign = ScriptedIPAM(node, ADD=script)
    conf = node.network(ipam={"type": foreign.type}, isGateway=True)
    error = plugin.add(conf, pod, path=[foreign.directory]).failed(code)
    if code == 11:
        assert error["msg"] == "the server is busy"
    assert foreign.calls == ["ADD", "DEL"]
    assert_nothing_left(node, pod)


def test_a_missing_ipam_executable_is_told_before_anything_is_touched(node: Node, pod: Pod, plugin: Plugin) -> None:
    before = node.state(), pod.state()
    error = plugin.add(node.network(ipam={"type": "nowhere"}), pod).failed(7)
    assert 'failed to find plugin "nowhere"' in error["msg"]
    assert (node.state(), pod.state()) == before


def add_without_listener(node: Node, plugin: Plugin, pod: Pod, conf: Conf) -> subprocess.Popen[str]:
    """An ADD whose caller stopped listening: stdout is a pipe that nobody reads."""
    process = plugin.start("ADD", pod)
    assert process.stdin and process.stdout
    process.stdout.close()
    process.stdin.write(json.dumps(conf))
    process.stdin.close()
    process.wait(timeout=30)
    return process


def test_a_result_that_cannot_be_delivered_is_rolled_back(node: Node, pod: Pod, plugin: Plugin) -> None:
    node.batch("link add name cni0 address 02:00:00:00:00:01 type bridge", "link set cni0 up")
    conf = node.network("10.1.2.0/24", isDefaultGateway=True)
    assert add_without_listener(node, plugin, pod, conf).returncode == 1
    assert set(node.links()) == {"lo", "cni0"}
    assert set(pod.links()) == {"lo"}
    assert node.leases() == {}


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_closed_standard_streams_are_not_mistaken_for_others(node: Node, pod: Pod, plugin: Plugin, closed: str) -> None:
    """The number of a closed one would go to the next file opened, and the result into that: a socket, a lease."""
    conf = node.network("10.1.2.0/24", isDefaultGateway=True)
    process = plugin.start("ADD", pod, wrap=["sh", "-c", f'exec "$0" "$@" {closed}'])
    stdout, _ = process.communicate(json.dumps(conf), timeout=30)
    if "1" in closed:
        assert process.returncode == 1
        assert set(pod.links()) == {"lo"}
        assert node.leases() == {}
    else:
        assert process.returncode == 0
        plugin.check(conf, pod, json.loads(stdout)).succeeded()
