"""The store where the reference's own fails: crashes, a held lock, repeated and hostile calls (R§2.4)."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod

POD, OTHER = Pod("c1"), Pod("c2")
BOTH = ("10.1.0.0/29", "fd00::/64")


def files(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Name -> (mode, content), of a store that may not be there."""
    if not directory.exists():
        return {}
    return {path.name: (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) for path in directory.iterdir()}


def prefilled(node: Node, *empty: str) -> Path:
    """The store of network `net` with these files in it, of no content."""
    store = node.store / "net"
    store.mkdir(parents=True)
    for name in empty:
        (store / name).touch()
    return store


def test_zero_byte_file_is_a_free_ip_again(ipam: Plugin, node: Node) -> None:
    """plugins#498: a reference that died between create and write loses the IP for ever."""
    store = prefilled(node, "10.1.0.2")
    conf = node.network("10.1.0.0/30")
    ipam.status(conf).succeeded()
    assert ipam.add(conf, POD).succeeded()["ips"][0]["address"] == "10.1.0.2/30"
    assert files(store)["10.1.0.2"] == (0o600, b"c1\r\neth0")


def test_zero_byte_file_is_a_free_ip_for_a_request(ipam: Plugin, node: Node) -> None:
    store = prefilled(node, "10.1.0.4")
    ipam.add(node.network("10.1.0.0/29"), POD, args="IP=10.1.0.4").succeeded()
    assert files(store)["10.1.0.4"] == (0o600, b"c1\r\neth0")


def test_zero_byte_file_is_removed_by_gc(ipam: Plugin, node: Node) -> None:
    prefilled(node, "10.1.0.4")
    ipam.gc(node.network("10.1.0.0/29"), []).succeeded()
    assert node.leases() == {}


@pytest.mark.standalone
@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
def test_held_lock_is_waited_for_10_s_and_then_code_11_names_the_holder(ipam: Plugin, node: Node, verb: str) -> None:
    """strace turns the timer of 10 s into one of 1 ms; without any timer this would never end."""
    store = prefilled(node, "10.1.0.4")  # for GC, which takes the lock only to remove something
    one_ms = struct.pack("4l", 0, 0, 0, 1000).hex()  # struct itimerval: interval, value
    impatient = ["strace", "-o", "/dev/null", "-e", f"inject=setitimer:poke_enter=@arg2={one_ms}:when=1"]
    conf = node.network("10.1.0.0/29", prevResult={"cniVersion": "1.1.0"}, **{"cni.dev/valid-attachments": []})
    pod = POD if verb in ("ADD", "CHECK", "DEL") else None
    with (store / "lock").open("x") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = ipam.cni(verb, conf, pod, wrap=impatient).failed(50 if verb == "STATUS" else 11)
    assert f"the store {store} is locked by pid {os.getpid()} (" in error["msg"]
    assert error["details"] == f"waited 10 s for flock on {store}/lock"
    assert files(store).keys() == {"lock", "10.1.0.4"}


@pytest.mark.parametrize("verb", ["ADD", "DEL", "GC"])
def test_lock_timeout_bounds_the_wait_and_the_error_names_the_holder(ipam: Plugin, node: Node, verb: str) -> None:
    store = prefilled(node, "10.1.0.4")
    conf = node.network(ipam=node.ipam("10.1.0.0/29", lockTimeout=1), **{"cni.dev/valid-attachments": []})
    with (store / "lock").open("x") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = ipam.cni(verb, conf, None if verb == "GC" else POD).failed(11)
    assert f"the store {store} is locked by pid {os.getpid()} (" in error["msg"]
    assert error["details"] == f"waited 1 s for flock on {store}/lock"
    assert files(store).keys() == {"lock", "10.1.0.4"}


def test_lock_is_waited_for_and_then_taken(ipam: Plugin, node: Node) -> None:
    store = prefilled(node)
    with (store / "lock").open("x") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = ipam.start("ADD", POD)
        assert waiting.stdin
        waiting.stdin.write(json.dumps(node.network("10.1.0.0/29")))
        waiting.stdin.close()
        while not is_waited_for(store / "lock"):
            assert waiting.poll() is None, "the lock was not waited for"
        assert files(store).keys() == {"lock"}
    assert waiting.wait(10) == 0
    assert node.leases() == {"10.1.0.2": ("c1", "eth0")}


def is_waited_for(lock: Path) -> bool:
    """A line of proc_locks(5) such as `1: -> FLOCK ADVISORY WRITE 4711 fe:00:1234 0 EOF`."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(words[1] == "->" and words[6].endswith(f":{lock.stat().st_ino}") for words in lines)


@pytest.mark.parametrize("args", ["", "IP=10.1.0.2", "IP=10.1.0.2,fd00::2", "IP=10.1.0.5,fd00::2"])
def test_strict_repeated_add_fails_and_keeps_the_live_lease(ipam: Plugin, node: Node, args: str) -> None:
    """The reference's clean-up after the refusal releases everything that the owner has."""
    conf = node.network(*BOTH)
    conf["ipam"]["strictAdd"] = True
    ipam.add(conf, POD).succeeded()
    before = files(node.store / "net").keys()
    ipam.add(conf, POD, args=args).failed(102)
    assert node.leases() == {"10.1.0.2": ("c1", "eth0"), "fd00::2": ("c1", "eth0")}
    assert files(node.store / "net").keys() == before


def test_exhausted_second_set_gives_the_first_ones_ip_back(ipam: Plugin, node: Node) -> None:
    conf = node.network("fd00::/64", "10.1.0.0/30")
    ipam.add(conf, POD).succeeded()
    error = ipam.add(conf, OTHER).failed(102)
    assert "range 1: no IP addresses available in range set: 10.1.0.1-10.1.0.2" in error["msg"]
    assert set(node.leases().values()) == {("c1", "eth0")}


@pytest.mark.parametrize("own", ["/proc/self/ns/net", "/proc/thread-self/ns/net", "the node's name"])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_own_netns_prints_one_error_and_reserves_nothing(ipam: Plugin, node: Node, verb: str, own: str) -> None:
    """The reference's ADD prints its result, then the error, and keeps the IP."""
    path = own if own.startswith("/") else node.path
    error = ipam.cni(verb, node.network("10.1.0.0/29"), POD, env={"CNI_NETNS": path}).failed(8)
    assert path in error["msg"]
    assert files(node.store / "net") == {}


@pytest.mark.parametrize("override", ["1", "TRUE", "true"])
def test_own_netns_is_allowed_by_override(ipam: Plugin, node: Node, override: str) -> None:
    environment = {"CNI_NETNS": node.path, "CNI_NETNS_OVERRIDE": override}
    ipam.add(node.network("10.1.0.0/29"), POD, env=environment).succeeded()
    assert node.leases() == {"10.1.0.2": ("c1", "eth0")}


BROKEN: dict[str, dict[str, Any]] = {
    "other subnet": {"ranges": [[{"subnet": "10.99.0.0/24"}]]},
    "no subnet": {"ranges": [[{"subnet": "x"}]]},
    "overlap": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.1.0.0/16"}]]},
    "no list": {"ranges": 7},
    "no ranges": {"ranges": None},
    "no resolv.conf": {"resolvConf": "/nonexistent"},
    "bad route": {"routes": [{"dst": "somewhere"}]},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_del_releases_although_the_ranges_are_broken_or_changed(ipam: Plugin, node: Node, broken: str) -> None:
    conf = node.network(*BOTH)
    ipam.add(conf, POD).succeeded()
    conf["ipam"] |= BROKEN[broken]
    ipam.delete(conf, POD, args="no=pair=at all").succeeded()
    assert node.leases() == {}


def test_del_with_two_ranges_of_a_family_releases_before_0_3_0(ipam: Plugin, node: Node) -> None:
    conf = node.network("10.1.0.0/29", "10.2.0.0/29")
    ipam.add(conf, POD).succeeded()
    ipam.delete(conf | {"cniVersion": "0.2.0"}, POD).succeeded()
    assert node.leases() == {}


@pytest.mark.parametrize("verb", ["CHECK", "DEL", "GC"])
def test_only_add_and_status_make_a_store(ipam: Plugin, node: Node, verb: str) -> None:
    """The reference's DEL makes directory and lock of a network that never was."""
    conf = node.network("10.1.0.0/29", **{"cni.dev/valid-attachments": []})
    ipam.cni(verb, conf, None if verb == "GC" else POD)
    assert not node.store.exists()


@pytest.mark.parametrize(
    ("ipam_keys", "message"),
    [
        ({"ranges": [[{"subnet": "10.1.0.5/24"}]]}, "ipam.ranges[0][0].subnet: 10.1.0.5/24 has host bits set"),
        ({"ranges": [[{"subnet": "10.1.0.0/31"}]]}, "ipam.ranges[0][0].subnet: 10.1.0.0/31 is too small"),
        ({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]]}, "ipam.ranges[0]: mixed address families"),
        ({"ranges": [[]]}, "ipam.ranges[0]: empty range set"),
        ({"ranges": []}, "no IP ranges specified"),
        ({"subnet": 7}, "ipam.subnet: must be a string, not a number"),
        ({"subnet": "10.1.0.0/24", "rangeEnd": "10.2.0.1"}, "ipam.rangeEnd: 10.2.0.1 is not in subnet 10.1.0.0/24"),
    ],
)
def test_bad_range_is_code_7_and_names_the_key(
    ipam: Plugin, node: Node, ipam_keys: dict[str, Any], message: str
) -> None:
    """All of these are code 999 in the reference."""
    conf = node.network(ipam=node.ipam(**ipam_keys))
    assert ipam.add(conf, POD).failed(7)["msg"].startswith(message)
    assert ipam.status(conf).failed(7)["msg"].startswith(message)
    assert not node.store.exists()


def test_mac_in_cni_args_is_another_plugins_business(ipam: Plugin, node: Node) -> None:
    """The reference fails with `unknown args ["MAC=..."]`."""
    ipam.add(node.network("10.1.0.0/29"), POD, args="MAC=02:00:00:00:00:01").succeeded()
