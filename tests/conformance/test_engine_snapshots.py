"""Each kind of change is seen, and what changes by itself is not."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance import differences, kernel, rig
from tests.conformance import child

pytestmark = pytest.mark.root

SEEN = {
    "a link": "ip link add d0 type bridge",
    "a link that goes": "ip link del vethrig1",
    "a link's state": "ip link set cbr0 down",
    "a link's MTU": "ip link set vethrig1 mtu 1400",
    "a link's MAC": "ip link set vethrig1 address 02:00:00:00:00:09",
    "a link's flags": "ip link set vethrig1 promisc on",
    "a link's master": "ip link set vethrig1 nomaster",
    "an alias": "ip link set vethrig1 alias x",
    "a port's setting": "ip link set vethrig1 type bridge_slave hairpin on",
    "shaping": "tc qdisc add dev vethrig1 root tbf rate 1mbit burst 32k latency 25ms",
    "an address": "ip addr add 192.0.2.1/24 dev cbr0",
    "an IPv6 address": "ip addr add fd00:1::1/64 dev cbr0 nodad",
    "an address that goes": "ip addr del 10.88.0.1/24 dev cbr0",
    "a route": "ip route add 203.0.113.0/24 dev cbr0",
    "a route's metric": "ip route add 10.88.0.0/24 dev cbr0 metric 7",
    "a route of another table": "ip route add 203.0.113.0/24 dev cbr0 table 77",
    "an IPv6 route": "ip -6 route add fd00:2::/64 dev cbr0",
    "a routing rule": "ip rule add from 10.88.0.2 table 77",
    "a sysctl": "echo 1 > /proc/sys/net/ipv4/ip_forward",
    "an nftables table": "nft add table inet t",
    "an nftables rule": "nft add rule inet before c accept",
    "an element of an nftables set": "nft add element inet before s { 10.0.0.1 }",
    "an iptables rule": "iptables -w -t nat -A POSTROUTING -j MASQUERADE",
    "an iptables chain": "iptables -w -N CHAIN",
    "a comment of an iptables rule": "iptables -w -A FORWARD -m comment --comment y -j ACCEPT",
    "a reservation": "echo -n x > $STORE/10.88.0.2",
    "a reservation's owner": "echo -n y > $STORE/10.88.0.9",
    "a private file": "touch /var/lib/cni-conformance-test/f",
}
UNSEEN = {
    "nothing": "true",
    "a neighbour": "ip neigh add 10.88.0.9 lladdr 02:00:00:00:00:09 dev cbr0",
    "traffic": "ping -c1 -W1 -I lo 127.0.0.1 || true",
    "a counter": "nft 'add rule inet counted c counter' >/dev/null 2>&1 || true",
    "a link-local address": "ip addr add fe80::9/64 dev cbr0 nodad",
    "a link that is made anew": "ip link add d1 type bridge && ip link del d1",
    "empty chains of iptables' own": "iptables -w -t nat -L",
}
_BEFORE = """
nft add table inet before; nft add chain inet before c; nft add set inet before s '{ type ipv4_addr; }'
iptables -w -A FORWARD -m comment --comment x -j ACCEPT
mkdir -p $STORE; echo -n x > $STORE/10.88.0.9
"""


def changed(directory: Path, command: str, pod: int = 0, stays: tuple[str, ...] = ()) -> list[str]:
    """What two snapshots differ in, before and after a shell command."""

    def work() -> list[str]:
        world = child.world(directory)
        world.pod(1)
        rig.build(world, 1)
        store = f"{world.dir}/store"

        def shell(text: str, place: int) -> None:
            with world.inside(place):
                environment = {"STORE": store, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
                subprocess.run(["sh", "-ec", text], check=True, env=environment, stdout=subprocess.DEVNULL)

        shell(_BEFORE, 0)
        before = world.snapshot({"store": store})
        shell(command, pod)
        return differences.between(before, world.snapshot({"store": store}), stays)

    found: list[str] = child.in_child(work)
    return found


@pytest.mark.parametrize("what", SEEN)
def test_seen(tmp_path: Path, what: str) -> None:
    assert changed(tmp_path, SEEN[what])


@pytest.mark.parametrize("what", UNSEEN)
def test_unseen(tmp_path: Path, what: str) -> None:
    assert changed(tmp_path, UNSEEN[what]) == []


def test_a_change_in_a_pod_is_seen_and_told_by_its_place(tmp_path: Path) -> None:
    (line,) = changed(tmp_path, "ip addr add 192.0.2.9/32 dev eth0", pod=1)
    assert line == "pod 1 address eth0 192.0.2.9/32: new"


@pytest.mark.parametrize(
    ("command", "stays"),
    [
        ("ip link add kept0 type bridge; ip addr add 192.0.2.1/24 dev kept0; ip link set kept0 up", "link:kept*"),
        ("echo 1 > /proc/sys/net/ipv4/ip_forward", "sysctl:ip_forward"),
        ("nft add table inet t; nft add chain inet t c", "table:inet t*"),
        ("iptables -w -t nat -N MINE", "table:ip nat MINE"),
        ("echo -n 1 > $STORE/last_reserved_ip.0", "file:last_reserved_ip.*"),
    ],
)
def test_what_may_stay_is_left_out_and_nothing_else(tmp_path: Path, command: str, stays: str) -> None:
    assert changed(tmp_path, command, stays=(stays,)) == []
    assert changed(tmp_path, command, stays=("link:else", "sysctl:else", "table:else", "file:else"))


def test_an_empty_set_may_stay_and_its_elements_may_not(tmp_path: Path) -> None:
    made = "nft add table inet t; nft 'add set inet t s { type ipv4_addr; }'"
    stays = ("table:inet t", "empty:inet t *")
    assert changed(tmp_path, made, stays=stays) == []
    [line] = changed(tmp_path, f"{made}; nft 'add element inet t s {{ 192.0.2.1 }}'", stays=stays)
    assert "192.0.2.1" in line
    assert changed(tmp_path, "nft add table inet t; nft add chain inet t c", stays=("table:inet t", "empty:inet t x"))


def test_pods_that_the_case_ends_are_no_difference() -> None:
    kept: dict[Any, str] = {("node", "link", "lo", ""): "up"}
    assert differences.between({**kept, ("pod 2", "link", "lo", ""): "up"}, kept) == []


def test_rules_that_cannot_be_read_are_no_empty_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nft").write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    (tmp_path / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(RuntimeError, match="nft -s list ruleset: exit 1: broken"):
        child.in_child(lambda: len(kernel.snapshot("node", ("nft",))))
