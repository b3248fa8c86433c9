"""The index of cni-ipam: the cost of a call does not grow with the leases, and host-local in between does no harm."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.world import PEERS, Node, Plugin, Pod
from tests.world.server import until

POD = Pod("c1")
MANY = 60_000
SUBNET = "10.1.0.0/16"


class Place:
    """A network of the node with a run directory of its own."""

    def __init__(self, node: Node, name: str = "net") -> None:
        self.conf: dict[str, Any] = node.network(SUBNET, name=name)
        self.store = node.store / name
        self.run = node.dir / "run"
        self.env = {"CNI_VETH_RUN_DIR": str(self.run)}
        self._node = node

    def index(self) -> Path:
        status = self.store.stat()
        return self.run / f"ipam/{status.st_dev}-{status.st_ino}"

    def is_current(self) -> bool:
        return self.index().exists() and self.index().stat().st_mtime_ns == self.store.stat().st_mtime_ns

    def fill(self, number: int) -> None:
        """Leases of as many containers, and the last of them the last one given."""
        self.store.mkdir(parents=True)
        ip = ""
        for count in range(2, number + 2):
            ip = f"10.1.{count >> 8}.{count & 255}"
            fd = os.open(self.store / ip, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(fd, b"old%d\r\neth0" % count)
            os.close(fd)
        (self.store / "last_reserved_ip.0").write_text(ip)

    def calls(self, ipam: Plugin, verb: str, pod: Pod | None, **keys: object) -> list[str]:
        """The names of the system calls on the store and its index in one call, in their order."""
        log = self._node.dir / "strace"
        paths = [option for path in (self.store, self.index()) for option in ("-P", str(path))]
        wrap = ["strace", "-f", "-qq", "-o", str(log), *paths]
        ipam.cni(verb, self.conf | keys, pod, env=self.env, wrap=wrap).succeeded()
        return re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)


@pytest.mark.standalone
def test_no_call_asks_more_of_60_000_leases_than_of_10(ipam: Plugin, node: Node) -> None:
    counted = []
    for name, number in (("few", 10), ("many", MANY)):
        place = Place(node, name)
        place.fill(number)
        ipam.add(place.conf, Pod("c0"), env=place.env).succeeded()  # it makes the index
        assert len([name for name in os.listdir(place.index()) if "." not in name]) == number + 1
        verbs = {
            "ADD": place.calls(ipam, "ADD", POD),
            "CHECK": place.calls(ipam, "CHECK", POD, prevResult={"cniVersion": "1.1.0"}),
            "STATUS": place.calls(ipam, "STATUS", None),
            "DEL": place.calls(ipam, "DEL", POD),
            "DEL again": place.calls(ipam, "DEL", POD),
        }
        assert {"renameat", "symlinkat", "utimensat"} < set(verbs["ADD"])
        assert {"unlinkat", "readlinkat", "utimensat"} < set(verbs["DEL"])
        assert not {"getdents64", "fsync", "fdatasync", "sync_file_range"} & {
            call for calls in verbs.values() for call in calls
        }
        counted.append(verbs)
        assert len(node.leases(name)) == number + 1
    assert counted[0] == counted[1]
    assert len(counted[1]["ADD"]) < 50


@pytest.fixture
def host_local(node: Node) -> Plugin:
    return node.plugin("host-local", PEERS)


@pytest.mark.peers
def test_what_host_local_does_in_between_is_noticed(node: Node, ipam: Plugin, host_local: Plugin) -> None:
    place = Place(node)
    for round_ in range(3):
        theirs, ours = Pod(f"t{round_}"), Pod(f"o{round_}")
        ipam.add(place.conf, ours, env=place.env).succeeded()
        until(place.is_current)  # a worker has the result printed before it leaves the store
        host_local.add(place.conf, theirs).succeeded()
        assert not place.is_current()
        strict = place.conf | {"ipam": place.conf["ipam"] | {"strictAdd": True}}
        error = ipam.add(strict, theirs, env=place.env).failed(102)
        assert f"has been allocated to t{round_}, duplicate allocation is not allowed" in error["msg"]
        until(place.is_current)  # built anew by a call that failed
        host_local.delete(place.conf, ours).succeeded()
        ipam.delete(place.conf, theirs, env=place.env).succeeded()
        assert node.leases() == {}
        assert os.listdir(place.index()) == []
        ipam.add(place.conf, ours, env=place.env).succeeded()
        ipam.delete(place.conf, ours, env=place.env).succeeded()
        assert node.leases() == {}


@pytest.mark.peers
def test_an_address_is_given_once_by_turns_of_both(node: Node, ipam: Plugin, host_local: Plugin) -> None:
    place = Place(node)
    for number in range(20):
        plugin = (ipam, host_local, ipam)[number % 3]
        plugin.add(place.conf, Pod(f"c{number}"), env=place.env).succeeded()
    assert sorted(node.leases().values()) == sorted((f"c{number}", "eth0") for number in range(20))
    for number in range(20):
        plugin = (host_local, ipam, ipam)[number % 3]
        plugin.delete(place.conf, Pod(f"c{number}"), env=place.env).succeeded()
    assert node.leases() == {}


def test_a_lease_that_an_admin_removed_is_nobodys(node: Node, ipam: Plugin) -> None:
    place = Place(node)
    ipam.add(place.conf, POD, env=place.env).succeeded()
    (place.store / "10.1.0.2").unlink()
    ipam.check(place.conf, POD, {"cniVersion": "1.1.0"}, env=place.env).failed(103)
    ipam.delete(place.conf, POD, env=place.env).succeeded()
    ipam.add(place.conf, POD, env=place.env).succeeded()
    assert node.leases() == {"10.1.0.3": ("c1", "eth0")}


def test_an_index_that_is_removed_is_made_anew(node: Node, ipam: Plugin) -> None:
    """As at a reboot, where the store stays."""
    place = Place(node)
    ipam.add(place.conf, POD, env=place.env).succeeded()
    until(place.is_current)
    for entry in place.index().iterdir():
        entry.unlink()
    place.index().rmdir()
    ipam.add(place.conf, POD, env=place.env).succeeded()
    until(place.is_current)
    ipam.delete(place.conf, POD, env=place.env).succeeded()
    assert node.leases() == {}
    assert list(place.index().iterdir()) == []
