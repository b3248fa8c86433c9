"""`ctr run --cni`: the installer's own sample network under containerd's command line, nothing configured by hand."""

from __future__ import annotations

from tests.e2e.containerd import Containerd
from tests.e2e.image import BUSYBOX, GREETING
from tests.e2e.machine import Machine


def test_a_container_that_ends_leaves_nothing(machine: Machine, containerd: Containerd) -> None:
    command = "ip addr show eth0; ip route; ping -c1 -W2 10.22.0.1; ping -c1 -W2 fd00:22::1"
    said = containerd.ctr("run", "--rm", "--cni", BUSYBOX, "once", "sh", "-c", command).stdout
    assert "inet 10.22.0.2/16" in said and "inet6 fd00:22::2/64" in said
    assert "default via 10.22.0.1" in said
    assert said.count("1 packets received") == 2
    assert (machine.leases("cni-veth"), machine.pods()) == (set(), 0)


def test_two_containers_talk(machine: Machine, containerd: Containerd) -> None:
    containerd.ctr("run", "--detach", "--cni", BUSYBOX, "web", "httpd", "-f", "-h", "/www")
    [ip] = (ip for ip in machine.leases("cni-veth") if "." in ip)
    fetch = f"timeout 5 wget -qO- http://{ip}/"
    assert containerd.ctr("run", "--rm", "--cni", BUSYBOX, "client", "sh", "-c", fetch).stdout == GREETING
    containerd.ctr("task", "kill", "--signal", "KILL", "web")  # ctr calls no DEL for it
