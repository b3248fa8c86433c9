"""What a pod asks of its network by the Container Runtime Interface, its addresses aside: host ports and bandwidth."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest

from tests.e2e import networks
from tests.e2e.cri import CRI, Sandbox
from tests.e2e.image import GREETING
from tests.e2e.machine import Machine
from tests.world import Namespace
from tests.world.node import NODE_IPS, OUTSIDE_IPS
from tests.world.server import until

PORT = 8080


@pytest.fixture(scope="module")
def outside(machine: Machine) -> Namespace:
    """It knows no way to the pods."""
    return machine.node.outside()


@pytest.fixture(params=["whole", "chained"])
def network(request: pytest.FixtureRequest, machine: Machine, cri: CRI) -> str:
    """All by ours, or the reference's plugins behind it."""
    chosen: str = request.param
    networks.write(machine, *getattr(networks, chosen)())
    until(cri.is_network_ready)
    return chosen


@pytest.fixture
def web(network: str, cri: CRI) -> Iterator[Sandbox]:
    """A web server behind a port of the node."""
    web = cri.run("web", ports=[("tcp", 80, PORT)])
    web.serve()
    until(lambda: web.exec("wget", "-qO-", "http://127.0.0.1/")[1] == GREETING)
    yield web


def fetch(namespace: Namespace, url: str) -> str:
    """What a web server says to a client there, or what went wrong."""
    done = namespace.run(["timeout", "5", "busybox", "wget", "-qO-", url], check=False)
    return done.stdout or done.stderr or f"exit {done.returncode}"


def test_a_host_port_is_reached_from_everywhere(
    machine: Machine, cri: CRI, outside: Namespace, network: str, web: Sandbox
) -> None:
    assert fetch(outside, f"http://{NODE_IPS[0]}:{PORT}/") == GREETING
    assert fetch(machine.node, f"http://{NODE_IPS[0]}:{PORT}/") == GREETING
    assert fetch(machine.node, f"http://127.0.0.1:{PORT}/") == GREETING
    other = cri.run("other")
    assert other.fetch(f"http://{networks.GATEWAYS[0]}:{PORT}/") == GREETING
    assert web.fetch(f"http://{networks.GATEWAYS[0]}:{PORT}/") == GREETING, "a pod's own port"
    assert fetch(outside, f"http://[{NODE_IPS[1]}]:{PORT}/") == GREETING


def test_a_host_port_ends_with_its_pod(machine: Machine, outside: Namespace, web: Sandbox) -> None:
    web.stop()
    assert fetch(outside, f"http://{NODE_IPS[0]}:{PORT}/") != GREETING
    web.remove()
    left = machine.node.run(["nft", "list", "ruleset"]).stdout
    assert [ip for ip in ("10.22.0.2", "fd00:22::2") if ip in left] == [] and str(PORT) not in left


@pytest.mark.parametrize("network", ["whole"], indirect=True)
def test_a_pod_reaches_the_outside_under_the_nodes_address(cri: CRI, network: str, outside: Namespace) -> None:
    sandbox = cri.run("client")
    assert [ip for ip in OUTSIDE_IPS if not sandbox.reaches(ip)] == []


@pytest.mark.parametrize("network", ["whole"], indirect=True)
def test_a_host_port_that_is_taken_is_told(machine: Machine, cri: CRI, outside: Namespace, web: Sandbox) -> None:
    leases = machine.leases(networks.NAME)
    with pytest.raises(grpc.RpcError) as raised:
        cri.run("second", ports=[("tcp", 80, PORT)])
    assert str(PORT) in raised.value.details() and web.id in raised.value.details()
    assert machine.leases(networks.NAME) == leases
    assert fetch(outside, f"http://{NODE_IPS[0]}:{PORT}/") == GREETING


def test_bandwidth_annotations_shape_both_ways(machine: Machine, cri: CRI, network: str) -> None:
    asked = {"kubernetes.io/ingress-bandwidth": "8M", "kubernetes.io/egress-bandwidth": "16M"}
    sandbox = cri.run("slow", annotations=asked)
    qdiscs = json.loads(machine.node.run(["tc", "-j", "qdisc", "show"]).stdout)
    rates = sorted(qdisc["options"]["rate"] for qdisc in qdiscs if qdisc["kind"] == "tbf")
    assert rates == [1_000_000, 2_000_000]  # bytes a second
    sandbox.stop()
    assert [link for link in machine.node.links().values() if link.get("linkinfo", {}).get("info_kind") == "ifb"] == []
