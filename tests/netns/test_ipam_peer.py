"""cni-ipam and the reference's host-local v1.9.1 on one store: neither can tell whose files it finds."""

from __future__ import annotations

import fcntl
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import PEERS, Node, Plugin, Pod

pytestmark = pytest.mark.peers
Conf = dict[str, Any]


@pytest.fixture
def host_local(node: Node) -> Plugin:
    return node.plugin("host-local", PEERS)


@pytest.fixture(params=["ours first", "theirs first"])
def pair(request: pytest.FixtureRequest, ipam: Plugin, host_local: Plugin) -> tuple[Plugin, Plugin]:
    return (ipam, host_local) if request.param == "ours first" else (host_local, ipam)


def pods() -> Iterator[Pod]:
    """c0, c1, ... of which no namespace is ever made."""
    number = 0
    while True:
        yield Pod(f"c{number}")
        number += 1


def picture(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Path -> (mode and kind, content) of the directory and everything in it."""
    paths = [directory, *directory.rglob("*")]
    return {
        str(path.relative_to(directory)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in paths
    }


SUBNETS = [
    ["10.1.0.0/29"],
    ["10.255.255.0/24", "10.1.0.0/29"],
    ["fd00:0:0:1::/64"],
    ["2001:DB8:0:0:1::/80"],
    ["64:ff9b::/96"],
    ["::5:0:0/112"],
    ["1:0:0:2::/64", "10.9.0.0/30"],
]


@pytest.mark.parametrize("subnets", SUBNETS, ids=" ".join)
def test_the_same_calls_leave_the_same_bytes_names_modes_and_results(
    node: Node, ipam: Plugin, host_local: Plugin, subnets: list[str]
) -> None:
    def both(verb: str, pod: Pod, **call: Any) -> None:
        outcomes = []
        for name, plugin in (("ours", ipam), ("theirs", host_local)):
            keys = {"dataDir": str(node.dir / name), "strictAdd": True, "cooldown": 0}  # as the reference is
            conf = node.network(ipam=node.ipam(*subnets, **keys))
            reply = plugin.cni(verb, conf, pod, **call)
            outcomes.append((reply.code, reply.json if reply.code == 0 else "", picture(node.dir / name)))
        assert outcomes[0] == outcomes[1]

    one, two, three, four = (next(fresh) for fresh in [pods()] for _ in range(4))
    both("ADD", one)
    both("ADD", two)
    both("ADD", one)  # refused
    both("ADD", one, ifname="net1")
    both("DEL", two)
    both("ADD", three)
    both("DEL", one)
    both("DEL", four)
    both("ADD", four)
    both("ADD", two)
    both("DEL", one, ifname="net1")


def test_what_one_allocates_the_other_checks_and_releases(node: Node, pair: tuple[Plugin, Plugin]) -> None:
    allocating, releasing = pair
    conf, pod = node.network("10.1.0.0/24", "fd00::/64"), Pod("c1")
    result = allocating.add(conf, pod).succeeded()
    releasing.check(conf, pod, result).succeeded()
    strict = conf | {"ipam": conf["ipam"] | {"strictAdd": True}}
    assert "10.1.0.2 has been allocated to c1" in releasing.add(strict, pod).failed()["msg"]
    releasing.delete(conf, pod).succeeded()
    assert node.leases() == {}
    releasing.check(conf, pod, result).failed()
    allocating.check(conf, pod, result).failed()


def test_what_one_took_by_request_the_other_refuses(node: Node, pair: tuple[Plugin, Plugin]) -> None:
    first, second = pair
    conf = node.network("10.1.0.0/24")
    first.add(conf, Pod("c1"), args="IP=10.1.0.9").succeeded()
    error = second.add(conf, Pod("c2"), args="IP=10.1.0.9").failed()
    assert "requested IP address 10.1.0.9 is not available in range set 10.1.0.1-10.1.0.254" in error["msg"]


def test_round_robin_continues_across_both(node: Node, pair: tuple[Plugin, Plugin]) -> None:
    conf, pod = node.network("10.1.0.0/29", "fd00::/64"), Pod("c1")
    given = []
    for number in range(7):
        plugin = pair[number % 2]
        given.append([ip["address"] for ip in plugin.add(conf, pod).succeeded()["ips"]])
        plugin.delete(conf, pod).succeeded()
    fours = ["10.1.0.2/29", "10.1.0.3/29", "10.1.0.4/29", "10.1.0.5/29", "10.1.0.6/29", "10.1.0.2/29", "10.1.0.3/29"]
    assert given == [[four, f"fd00::{six}/64"] for four, six in zip(fours, range(2, 9), strict=True)]


def test_sixty_at_once_of_both_share_no_address(node: Node, pair: tuple[Plugin, Plugin]) -> None:
    conf = node.network("10.1.0.0/24", "fd00::/64")
    given = all_at_once(pair, "ADD", conf)
    leases = {ip["address"].partition("/")[0]: (pod, "eth0") for pod, ips in given.items() for ip in ips}
    assert len(given) == 60
    assert len(leases) == 120
    assert node.leases() == leases
    all_at_once((pair[1], pair[0]), "DEL", conf)
    assert node.leases() == {}
    last = {(node.store / f"net/last_reserved_ip.{index}").read_text() for index in (0, 1)}
    assert last == {"10.1.0.61", "fd00::3d"}


def all_at_once(pair: tuple[Plugin, Plugin], verb: str, conf: Conf) -> dict[str, list[Conf]]:
    """Both plugins in turn, for 60 containers: container id -> `ips` of the result."""
    begun = [(pod, plugin.start(verb, pod)) for pod, plugin in zip(pods(), pair * 30, strict=False)]
    for _, process in begun:
        assert process.stdin
        process.stdin.write(json.dumps(conf))
        process.stdin.close()
        process.stdin = None
    found = {}
    for pod, process in begun:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stdout + stderr
        found[pod.container_id] = json.loads(stdout)["ips"] if verb == "ADD" else []
    return found


def test_both_wait_for_the_same_lock_file_which_is_never_replaced(node: Node, pair: tuple[Plugin, Plugin]) -> None:
    conf = node.network("10.1.0.0/24")
    pair[0].add(conf, Pod("c1")).succeeded()
    path = node.store / "net/lock"
    inode = path.stat().st_ino
    with path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = [plugin.start("DEL", Pod("c1")) for plugin in pair]
        for process in waiting:
            assert process.stdin
            process.stdin.write(json.dumps(conf))
            process.stdin.close()
        while waiters(path) < {process.pid for process in waiting}:
            assert [process.poll() for process in waiting] == [None, None]
        assert node.leases() != {}
    assert [process.wait(30) for process in waiting] == [0, 0]
    assert node.leases() == {}
    assert path.stat().st_ino == inode


def waiters(path: Path) -> set[int]:
    """Who waits for a flock on the file: `1: -> FLOCK ADVISORY WRITE 4711 fe:00:1234 ...` in proc_locks(5)."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return {int(words[5]) for words in lines if words[1] == "->" and words[6].endswith(f":{path.stat().st_ino}")}


def test_their_zero_byte_file_is_healed_for_them_too(node: Node, ipam: Plugin, host_local: Plugin) -> None:
    (node.store / "net").mkdir(parents=True)
    (node.store / "net/10.1.0.2").touch()
    conf = node.network("10.1.0.0/30")
    host_local.add(conf, Pod("c1")).failed()
    ipam.add(conf, Pod("c1")).succeeded()
    host_local.delete(conf, Pod("c1")).succeeded()
    host_local.add(conf, Pod("c2")).succeeded()
    assert node.leases() == {"10.1.0.2": ("c2", "eth0")}


def test_our_unfinished_file_is_no_hindrance_for_them(node: Node, host_local: Plugin) -> None:
    (node.store / "net").mkdir(parents=True)
    (node.store / "net/.cni-ipam.unfinished").write_bytes(b"c1\r\neth0")
    conf = node.network("10.1.0.0/24")
    host_local.add(conf, Pod("c1")).succeeded()
    assert (node.store / "net/10.1.0.2").read_bytes() == b"c1\r\neth0"
    host_local.delete(conf, Pod("c1")).succeeded()
    assert node.leases() == {}


# Not among them: network and broadcast address as rangeStart and rangeEnd, which host-local gives to pods.
RANGES: dict[str, list[Conf]] = {
    "start at the gateway": [{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "gateway": "10.1.0.9"}],
    "gateway outside of the subnet": [{"subnet": "10.1.0.0/24", "gateway": "192.0.2.1"}],
    "host bits": [{"subnet": "10.1.0.5/24"}],
    "too small": [{"subnet": "10.1.0.0/31"}],
    "smallest": [{"subnet": "10.1.0.0/30"}],
    "smallest v6": [{"subnet": "fd00::/126"}],
    "too small v6": [{"subnet": "fd00::/127"}],
    "no prefix": [{"subnet": "10.1.0.0"}],
    "leading zero": [{"subnet": "10.01.0.0/24"}],
    "no subnet": [{"rangeStart": "10.1.0.5"}],
    "end before start": [{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.8"}],
    "start outside": [{"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.9"}],
    "mixed families": [{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}],
    "overlap": [{"subnet": "10.1.0.0/24"}, {"subnet": "10.1.0.128/25"}],
    "two halves": [
        {"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.2"},
        {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.3"},
    ],
    "no range": [],
    "whole v6 internet": [{"subnet": "2000::/3"}],
}


@pytest.mark.parametrize("name", RANGES)
def test_a_range_is_accepted_or_refused_as_they_do(node: Node, ipam: Plugin, host_local: Plugin, name: str) -> None:
    outcomes = []
    for plugin in (ipam, host_local):
        conf = node.network(ipam=node.ipam(ranges=[RANGES[name]], dataDir=str(node.dir / plugin.executable.name)))
        replies = [plugin.add(conf, Pod(container_id)) for container_id in ("c1", "c2")]
        outcomes.append([reply.json.get("ips", "refused") for reply in replies])
    assert outcomes[0] == outcomes[1]


def test_modes_are_those_of_the_reference(node: Node, pair: tuple[Plugin, Plugin]) -> None:
    """Whoever comes first makes the directory and the lock, the other what it needs."""
    conf = node.network("10.1.0.0/24")
    for plugin, pod in zip(pair, (Pod("c1"), Pod("c2")), strict=True):
        plugin.add(conf, pod).succeeded()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (node.store / "net").iterdir()}
    assert modes == {"10.1.0.2": 0o600, "10.1.0.3": 0o600, "last_reserved_ip.0": 0o600, "lock": 0o750}
