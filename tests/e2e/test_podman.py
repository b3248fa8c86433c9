"""podman with its CNI backend on the installer's own sample network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import networks
from tests.e2e.image import BUSYBOX, GREETING
from tests.e2e.machine import Machine
from tests.e2e.podman import Podman
from tests.world import Namespace
from tests.world.node import NODE_IPS


@pytest.fixture(autouse=True)
def clean(machine: Machine, podman: Podman) -> Iterator[None]:
    yield
    podman("rm", "--all", "--force", "--time", "0")
    assert (machine.leases(networks.NAME), machine.pods()) == (set(), 0)


@pytest.fixture(scope="module")
def outside(machine: Machine) -> Namespace:
    return machine.node.outside()


def test_it_lists_the_network(podman: Podman) -> None:
    assert podman("network", "ls", "--format", "{{.Name}} {{.Driver}}") == "cni-veth cni-veth"


def test_two_containers_talk(machine: Machine, podman: Podman) -> None:
    podman.run("--detach", "--name", "web", BUSYBOX, "httpd", "-f", "-h", "/www")
    ip = podman("inspect", "web", "--format", '{{(index .NetworkSettings.Networks "cni-veth").IPAddress}}')
    assert ip in machine.leases(networks.NAME)
    assert "1 packets received" in podman.run("--rm", BUSYBOX, "ping", "-c1", "-W2", ip)
    assert podman.run("--rm", BUSYBOX, "timeout", "5", "wget", "-qO-", f"http://{ip}/") == GREETING.strip()
    assert f"inet {ip}/16" in podman("exec", "web", "ip", "addr", "show", "eth0")


def test_address_and_mac_can_be_chosen(podman: Podman) -> None:
    asked = ("--ip", "10.22.3.4", "--mac-address", "02:11:22:33:44:55")
    said = podman.run("--rm", *asked, BUSYBOX, "ip", "addr", "show", "eth0")
    assert "inet 10.22.3.4/16" in said and "02:11:22:33:44:55" in said


@pytest.mark.parametrize("network", ["whole", "chained"])
def test_a_published_port(machine: Machine, podman: Podman, outside: Namespace, network: str) -> None:
    networks.write(machine, *getattr(networks, network)())
    podman.run("--detach", "--name", "web", "--publish", "8080:80", BUSYBOX, "httpd", "-f", "-h", "/www")
    url = f"http://{NODE_IPS[0]}:8080/"
    assert outside.run(["timeout", "5", "busybox", "wget", "-qO-", url]).stdout == GREETING
    podman("network", "reload", "web")  # DEL, and ADD with the addresses that it had
    assert outside.run(["timeout", "5", "busybox", "wget", "-qO-", url]).stdout == GREETING
