"""A caller of cni-ipam that does not read its result: it holds up nobody, and what it never takes is undone."""

from __future__ import annotations

import json
import os
import subprocess

from tests.world import Node, Plugin, Pod
from tests.world.server import until


def begin(ipam: Plugin, node: Node, stdout: int) -> subprocess.Popen[str]:
    """An ADD of c1 under way, with that stdout, whose lease is there."""
    script = f'exec "$@" >/proc/{os.getpid()}/fd/{stdout}'
    process = ipam.begin("ADD", node.network("10.1.0.0/29"), Pod("c1"), wrap=["sh", "-c", script, "sh"])
    until(lambda: node.leases() == {"10.1.0.2": ("c1", "eth0")})
    return process


def test_others_add_and_delete_while_a_result_is_not_read(ipam: Plugin, node: Node, full: tuple[int, int]) -> None:
    conf = node.network("10.1.0.0/29")
    process = begin(ipam, node, full[1])
    for name in ("c2", "c3"):
        ipam.add(conf, Pod(name)).succeeded()
    ipam.delete(conf, Pod("c2")).succeeded()
    assert process.poll() is None, "it still waits for its caller"
    os.close(full[1])
    text = b""
    while part := os.read(full[0], 4096):
        text += part
    assert json.loads(text)["ips"][0]["address"] == "10.1.0.2/29"
    assert process.wait(30) == 0
    assert node.leases() == {"10.1.0.2": ("c1", "eth0"), "10.1.0.4": ("c3", "eth0")}


def test_a_result_that_is_never_read_is_undone(ipam: Plugin, node: Node, full: tuple[int, int]) -> None:
    process = begin(ipam, node, full[1])
    ipam.add(node.network("10.1.0.0/29"), Pod("c2")).succeeded()
    os.close(full[0])
    assert process.wait(30) == 1
    until(lambda: node.leases() == {"10.1.0.3": ("c2", "eth0")})


def test_what_a_repeated_add_has_got_meanwhile_stays(ipam: Plugin, node: Node, full: tuple[int, int]) -> None:
    process = begin(ipam, node, full[1])
    ipam.add(node.network("10.1.0.0/29"), Pod("c1")).succeeded()
    os.close(full[0])
    assert process.wait(30) == 1
    ipam.add(node.network("10.1.0.0/29"), Pod("c2")).succeeded()  # waits for the lock, behind what may be undoing
    assert node.leases() == {"10.1.0.2": ("c1", "eth0"), "10.1.0.3": ("c2", "eth0")}
