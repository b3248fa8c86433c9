"""Each change of the catalogue does what it says, on the suite's own rig."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance import differences, steps
from tests.conformance import child

pytestmark = pytest.mark.root

# change, arguments -> words of the lines that must tell it; none: nothing that belongs to a snapshot changes
TOLD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "link-down": ({}, ["pod 1 link eth0", "is down"]),
    "link-removed": ({}, ["pod 1 link eth0: gone", "node link vethrig1: gone"]),
    "mac-changed": ({}, ["pod 1 link eth0", "02:99:99:99:99:99"]),
    "mtu-changed": ({"mtu": 1280}, ["pod 1 link eth0", "mtu 1280"]),
    "address-removed": ({}, ["pod 1 address eth0 10.88.0.2/24: gone"]),
    "gateway-removed": ({}, ["node address cbr0 10.88.0.1/24: gone"]),
    "route-removed": ({}, ["pod 1 route eth0 0.0.0.0/0", "gone"]),
    "host-link-down": ({}, ["node link vethrig1", "is down"]),
    "port-detached": ({}, ["node link vethrig1", "was kind veth is up mac 02:88:00:00:01:01 mtu 1500 master cbr0"]),
    "bridge-down": ({}, ["node link cbr0", "is down"]),
    "bridge-gone": ({}, ["node link cbr0: gone"]),
    "forwarding-off": ({}, ["node sysctl ip_forward: was 1; is 0"]),
    "rules-flushed": ({}, ["node nft inet t c: gone", "node iptables ip nat POSTROUTING: gone"]),
    "masquerade-flushed": ({}, ["node iptables ip nat POSTROUTING: gone"]),
    "shaping-removed": ({}, ["node link vethrig1", "qdisc tbf"]),
    "reservation-removed": ({}, ["store file 10.88.0.2: gone"]),
    "reservation-passed-on": ({}, ["store file 10.88.0.2: was cid-1", "somebody"]),
    "store-lost": ({}, ["store file 10.88.0.2: gone", "store file lock: gone"]),
    "packet-socket": ({}, []),
    "promiscuous": ({}, ["node link cbr0", "promiscuous True"]),
    "route-added": ({"dst": "192.0.2.0/24"}, ["pod 1 route eth0 192.0.2.0/24"]),
    "address-added": ({}, ["pod 1 address eth0 203.0.113.9/32: new"]),
    "host-mac-changed": ({}, ["node link vethrig1", "02:77:77:77:77:77"]),
    "foreign-table": ({}, ["node nft inet somebody c: new"]),
    "foreign-link": ({}, ["node link somebody0: new"]),
    "neighbour-added": ({}, []),
    "alias-set": ({}, ["node link vethrig1", "alias somebody's note"]),
    "queue-length": ({}, ["node link vethrig1", "txqlen 777"]),
    "name-taken": ({"ifname": "net1"}, ["pod 1 link net1: new"]),
    "foreign-reservation": ({}, ["store file 10.88.0.200: new (somebody"]),
}
# Those that are tried in other ways: below, or in test_engine_world.py.
OTHERS = {"host-link-up", "pod-gone", "pod-file", "delegate-missing"}
_BEFORE = """
echo 1 > /proc/sys/net/ipv4/ip_forward
nft add table inet t; nft add chain inet t c
iptables -w -t nat -A POSTROUTING -j MASQUERADE
tc qdisc add dev vethrig1 root tbf rate 1mbit burst 32k latency 25ms
mkdir -p $STORE; printf 'cid-1\\r\\neth0' > $STORE/10.88.0.2; touch $STORE/lock
"""


def prepared(directory: Path) -> steps.Player:
    """In a child: a pod on the rig, with something of all that can be changed."""
    player = child.player(directory, {"call": "ADD"}, rig="bridge+veth", kind="chained")
    environment = {"STORE": player.names["store"], "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(["sh", "-ec", _BEFORE], check=True, env=environment, stdout=subprocess.DEVNULL)
    return player


def told(directory: Path, name: str, arguments: dict[str, Any]) -> list[str]:
    def work() -> list[str]:
        player = prepared(directory)
        before = player.snapshot()
        steps.CHANGES[name](player, **arguments)
        return differences.between(before, player.snapshot())

    lines: list[str] = child.in_child(work)
    return lines


@pytest.mark.parametrize("name", TOLD)
def test_a_change_is_made(tmp_path: Path, name: str) -> None:
    arguments, words = TOLD[name]
    lines = told(tmp_path, name, arguments)
    assert bool(lines) is bool(words), lines
    for word in words:
        assert word in "\n".join(lines)


def test_every_change_is_tried() -> None:
    assert set(steps.CHANGES) == {*TOLD, *OTHERS}


def test_a_repaired_link_is_as_it_was(tmp_path: Path) -> None:
    def work() -> list[str]:
        player = prepared(tmp_path)
        before = player.snapshot()
        steps.CHANGES["host-link-down"](player)
        steps.CHANGES["host-link-up"](player)
        return differences.between(before, player.snapshot())

    assert child.in_child(work) == []


@pytest.mark.parametrize(("name", "is_left"), [("pod-gone", False), ("pod-file", True)])
def test_a_pod_that_ended_does_not_come_back(tmp_path: Path, name: str, is_left: bool) -> None:
    def work() -> list[Any]:
        player = child.player(tmp_path, {"call": "DEL"})
        steps.CHANGES[name](player)
        player.call({"call": "DEL"})
        path = Path(player.world.netns(1))
        return [path.exists(), path.exists() and path.read_bytes() != b"", player.world.pods]

    assert child.in_child(work) == [is_left, False, []]


def test_a_delegate_that_goes_missing(tmp_path: Path) -> None:
    def work() -> list[bool]:
        player = child.player(tmp_path, {"call": "ADD"}, delegate="ipam.type")
        path = player.world.dir / "bin" / "conf-delegate"
        there = path.exists()
        steps.CHANGES["delegate-missing"](player)
        return [there, path.exists()]

    assert child.in_child(work) == [True, False]


@pytest.mark.parametrize("name", ["link-down", "port-detached", "bridge-gone", "reservation-removed", "route-removed"])
def test_what_is_not_there_cannot_be_changed(tmp_path: Path, name: str) -> None:
    def work() -> None:
        player = child.player(tmp_path, {"call": "ADD"})
        Path(player.names["store"]).mkdir(parents=True)
        steps.CHANGES[name](player)

    with pytest.raises(RuntimeError, match="CannotChange: no "):
        child.in_child(work)
