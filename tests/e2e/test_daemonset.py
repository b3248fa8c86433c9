"""The DaemonSet of packaging/kubernetes on a bare node: it installs, configures, serves, and says when it is ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import networks
from tests.e2e.containerd import PLACES as PLACES_OF_ALL
from tests.e2e.containerd import Containerd
from tests.e2e.cri import CRI
from tests.e2e.daemonset import DaemonSet
from tests.e2e.machine import Machine
from tests.world import Node
from tests.world.server import until

K3S = "/var/lib/rancher/k3s"
PLACES = {"kubernetes": PLACES_OF_ALL, "k3s": (f"{K3S}/data/cni", f"{K3S}/agent/etc/cni/net.d")}


@pytest.fixture(params=sorted(PLACES))
def base(request: pytest.FixtureRequest) -> str:
    """A directory of packaging/."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def machine(programs: None) -> Iterator[Machine]:
    with Node() as node, Machine(node, bare=True) as machine:
        yield machine


@pytest.fixture
def containerd(machine: Machine, images: dict[str, Path], node_image: Path, base: str) -> Containerd:
    return Containerd(machine, [*images.values(), node_image], PLACES[base])


def test_a_bare_node_becomes_ready_and_its_pods_are_served(machine: Machine, cri: CRI, base: str) -> None:
    assert not cri.is_network_ready()
    daemonset = DaemonSet(machine, cri, ",".join(networks.SUBNETS), base)
    assert daemonset.install() == 0, daemonset.log("install")
    until(cri.is_network_ready)
    server = daemonset.serve()
    until(machine.path("/run/cni-veth/cni-vethd.sock").exists)
    assert daemonset.is_ready(), daemonset.log("server")

    sandbox = cri.run("pod", ports=[("tcp", 80, 8080)])
    assert set(sandbox.ips) == machine.leases(networks.NAME)
    assert sandbox.reaches(networks.GATEWAYS[0])
    sandbox.stop()
    sandbox.remove()
    assert machine.leases(networks.NAME) == set()
    machine.node.batch("link del cni0", "link add cni0 type veth")  # no bridge can have that name now
    assert not daemonset.is_ready()

    daemonset.sandbox.end(server)
    assert " 3 calls served" in daemonset.log("server"), "ADD, and DEL twice, neither by the standalone program"
