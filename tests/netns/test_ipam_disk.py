"""The store on a filesystem that is full or read-only: a clear error, and nothing half-written."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.netns.filesystem import Filesystem
from tests.world import Node, Plugin, Pod

POD, OTHER = Pod("c1"), Pod("c2")
PAGE = os.sysconf("SC_PAGE_SIZE")  # what any content takes of a tmpfs(5)
READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"'
REMEDY = "remount it or set ipam.dataDir to another place"


def tmpfs(options: str) -> str:
    return f'mount -t tmpfs -o {options} none "$1"'


def add_until_it_fits(node: Node, ipam: Plugin, mounts: list[str]) -> list[str]:
    """The errors' messages of an ADD on each filesystem in turn; the last one alone is large enough."""
    conf, messages = node.network("10.1.0.0/24", "fd00::/64"), []
    for mount in mounts[:-1]:
        place = Filesystem(node, ipam, mount)
        error = place.cni("ADD", conf, POD).failed(5)
        assert place.leases() == {}, f"{mount} after {error}"
        assert "No space left on device" in error["msg"]
        assert "df -i" in error["details"]
        messages.append(error["msg"])
    place = Filesystem(node, ipam, mounts[-1])
    place.cni("ADD", conf, POD).succeeded()
    assert place.leases() == dict.fromkeys(("10.1.0.2", "fd00::2"), b"c1\r\neth0")
    return messages


def test_add_without_inodes_fails_with_code_5_and_leaves_no_lease(ipam: Plugin, node: Node) -> None:
    """Seven hold the root, the store, its lock and, twice, a lease and its last_reserved_ip; facts take some room."""
    messages = add_until_it_fits(node, ipam, [tmpfs(f"nr_inodes={number}") for number in (1, 2, 3, 4, 5, 6, 8)])
    assert f"cannot open the store {node.store}/net" in messages[0]
    assert f"cannot write {node.store}/net/10.1.0.2" in messages[2]
    assert any(f"cannot write {node.store}/net/fd00::2" in message for message in messages[4:])


def test_add_without_blocks_fails_with_code_5_and_leaves_no_lease(ipam: Plugin, node: Node) -> None:
    """Four pages hold two leases, each with its last_reserved_ip."""
    none_free = tmpfs(f"size={PAGE}") + f'; head -c {PAGE} /dev/zero >"$1/ballast"'
    messages = add_until_it_fits(node, ipam, [none_free, *(tmpfs(f"size={PAGE * pages}") for pages in range(1, 5))])
    names = ("10.1.0.2", "last_reserved_ip.0", "fd00::2", "last_reserved_ip.1")
    assert messages == [f"cannot write {node.store}/net/{name}: No space left on device" for name in names]


def test_full_filesystem_is_50_for_status_and_no_hindrance_for_del(ipam: Plugin, node: Node) -> None:
    conf = node.network("10.1.0.0/24")
    place = Filesystem(node, ipam, tmpfs(f"size={PAGE * 8}"))
    place.cni("ADD", conf, POD).succeeded()
    ballast = place.store / "ballast"
    ballast.write_bytes(bytes(PAGE * 6))
    assert "No space left on device" in place.cni("STATUS", conf).failed(50)["msg"]
    place.cni("ADD", conf, OTHER).failed(5)
    assert place.leases().keys() == {"10.1.0.2", "ballast"}
    place.cni("DEL", conf, POD).succeeded()
    assert place.leases().keys() == {"ballast"}
    ballast.unlink()
    place.cni("STATUS", conf).succeeded()
    place.cni("ADD", conf, OTHER).succeeded()


@pytest.fixture
def leased(ipam: Plugin, node: Node) -> dict[str, Any]:
    """A network with one lease of POD."""
    conf = node.network("10.1.0.0/24")
    ipam.add(conf, POD).succeeded()
    return conf


@pytest.mark.parametrize(
    ("verb", "pod", "code", "details"),
    [
        ("ADD", OTHER, 5, REMEDY),
        ("DEL", POD, 5, "/net/10.1.0.2: Read-only file system"),
        ("GC", None, 5, "/net/10.1.0.2: Read-only file system"),
        ("STATUS", None, 50, REMEDY),
    ],
)
def test_read_only_store_is_a_clear_error(
    ipam: Plugin, node: Node, leased: dict[str, Any], verb: str, pod: Pod | None, code: int, details: str
) -> None:
    place = Filesystem(node, ipam, READ_ONLY)
    error = place.cni(verb, leased | {"cni.dev/valid-attachments": []}, pod).failed(code)
    assert f"{node.store}/net" in error["msg"]
    assert "Read-only file system" in error["msg"]
    assert details in error["details"]
    assert node.leases() == {"10.1.0.2": ("c1", "eth0")}


def test_read_only_store_is_enough_for_check_and_for_a_del_without_a_lease(
    ipam: Plugin, node: Node, leased: dict[str, Any]
) -> None:
    place = Filesystem(node, ipam, READ_ONLY)
    place.cni("CHECK", leased | {"prevResult": {"cniVersion": "1.1.0"}}, POD).succeeded()
    place.cni("DEL", leased, OTHER).succeeded()


def test_data_dir_that_cannot_be_made_is_a_clear_error(ipam: Plugin, node: Node) -> None:
    place = Filesystem(node, ipam, READ_ONLY)
    error = place.cni("ADD", node.network("10.1.0.0/24"), POD).failed(5)
    assert error["msg"] == f"cannot open the store {node.store}/net: Read-only file system"
    assert REMEDY in error["details"]


def test_data_dir_below_a_file_is_a_clear_error(ipam: Plugin, node: Node) -> None:
    node.store.write_text("")
    error = ipam.add(node.network("10.1.0.0/24"), POD).failed(5)
    assert error["msg"] == f"cannot open the store {node.store}/net: Not a directory"


@pytest.mark.standalone
def test_add_without_descriptors_fails_with_code_5_and_leaves_no_lease(ipam: Plugin, node: Node) -> None:
    """Three are standard streams, and Python's modules come by a fourth: with that alone the lock cannot be opened."""
    conf, messages = node.network("10.1.0.0/24", "fd00::/64"), []
    for limit in range(4, 12):
        reply = ipam.cni("ADD", conf, POD, wrap=["prlimit", f"--nofile={limit}"])
        assert "Traceback" not in reply.stderr
        if reply.code == 0:
            break
        messages.append(reply.failed(5)["msg"])
        assert node.leases() == {}, f"{limit} descriptors, after {messages[-1]}"
    assert set(node.leases()) == {"10.1.0.2", "fd00::2"}
    assert messages and all("Too many open files" in message for message in messages)


@pytest.mark.standalone
@pytest.mark.parametrize("verb", ["ADD", "DEL", "STATUS"])
def test_store_that_may_not_be_written_is_a_clear_error(
    ipam: Plugin, node: Node, leased: dict[str, Any], verb: str
) -> None:
    """root without CAP_DAC_OVERRIDE, as in some containers."""
    (node.store / "net").chmod(0o555)
    lacking = "-dac_override,-dac_read_search"
    wrap = ["setpriv", f"--bounding-set={lacking}", f"--inh-caps={lacking}"]
    pod = {"ADD": OTHER, "DEL": POD}.get(verb)
    error = ipam.cni(verb, leased, pod, wrap=wrap).failed(50 if verb == "STATUS" else 5)
    assert f"{node.store}/net" in error["msg"] + error["details"]
    assert "Permission denied" in error["msg"] + error["details"]
    assert node.leases() == {"10.1.0.2": ("c1", "eth0")}
