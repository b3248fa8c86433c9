"""A store on ext4 with inodes of 128 bytes, as old ones have: its times are whole seconds, and it has no facts."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from tests.netns.filesystem import Filesystem
from tests.world import PEERS, Node, Plugin, Pod
from tests.world.server import until

OLD_EXT4 = '''image=${1%/*}/image; truncate --size=4M "$image"
mkfs.ext4 -q -I 128 "$image" >/dev/null 2>&1; mount -o loop "$image" "$1"; rmdir "$1/lost+found"'''
POD = Pod("c1")


@pytest.fixture
def place(node: Node, ipam: Plugin) -> Filesystem:
    return Filesystem(node, ipam, OLD_EXT4)


@pytest.fixture
def conf(node: Node) -> dict[str, Any]:
    return node.network(ipam=node.ipam("10.1.0.0/29", cooldown=0))


def early_in_a_second() -> None:
    until(lambda: time.time() % 1 < 0.2)


def test_its_times_are_whole_seconds(place: Filesystem, conf: dict[str, Any]) -> None:
    place.cni("ADD", conf, POD).succeeded()
    assert [path.stat().st_mtime_ns % 10**9 for path in place.store.iterdir()] == [0] * 3


@pytest.mark.peers
def test_what_host_local_does_within_the_same_second_is_noticed(
    place: Filesystem, node: Node, conf: dict[str, Any]
) -> None:
    host_local = node.plugin("host-local", PEERS)
    for number in range(3):
        early_in_a_second()
        place.cni("ADD", conf, POD).succeeded()
        host_local.cni("DEL", conf, POD, wrap=place.enter).succeeded()
        host_local.cni("ADD", conf, Pod(f"theirs{number}"), wrap=place.enter).succeeded()
        place.cni("ADD", conf, Pod("c2")).succeeded()
        place.cni("DEL", conf, Pod("c2")).succeeded()
        place.cni("DEL", conf, Pod(f"theirs{number}")).succeeded()
        assert place.leases() == {}


@pytest.mark.parametrize("meanwhile", ["the same owner", "another"])
def test_a_late_undo_takes_nothing_from_others(
    place: Filesystem, ipam: Plugin, node: Node, conf: dict[str, Any], full: tuple[int, int], meanwhile: str
) -> None:
    """What an ADD of POD made is gone or told of again; a new file of that name may have its inode and its time."""
    early_in_a_second()
    script = f'exec "$@" >/proc/{os.getpid()}/fd/{full[1]}'
    process = ipam.begin("ADD", conf, POD, wrap=[*place.enter, "sh", "-c", script, "sh"], args="IP=10.1.0.3")
    until((place.store / "10.1.0.3").exists)
    owner = POD
    if meanwhile == "another":
        owner = Pod("c2")
        place.cni("DEL", conf, POD).succeeded()
    ipam.cni("ADD", conf, owner, wrap=place.enter, args="IP=10.1.0.3").succeeded()
    os.close(full[0])
    assert process.wait(30) == 1
    place.cni("ADD", conf, Pod("c3")).succeeded()  # waits for the lock, behind what may be undoing
    assert place.leases()["10.1.0.3"] == f"{owner.container_id}\r\neth0".encode()
