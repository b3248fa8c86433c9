"""DEL answers when both ends of the pair are gone, while the kernel still waits for grace periods."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cni_veth import addresses, links, routes
from cni_veth.netlink import Socket
from tests.world import Node, Plugin, Pod
from tests.world.server import Server

MOST_ROUNDS = 200  # on a busy machine we mostly look too late
ROUNDS = 20
Conf = dict[str, Any]


def eyes(*namespaces: Node | Pod) -> list[Socket]:
    """Netlink sockets opened beforehand: to start ip(8) would give the kernel time."""
    found = []
    for namespace in namespaces:
        with namespace.entered():
            found.append(Socket())
    return found


def deleted(plugin: Plugin, conf: Conf, pod: Pod) -> int:
    """A DEL from start to wait(2), as a runtime sees it; the exit code."""
    process = plugin.start("DEL", pod)
    assert process.stdin
    process.stdin.write(json.dumps(conf))
    process.stdin.close()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode


def test_neither_end_can_be_found_at_that_instant(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True)
    host, inner = eyes(node, pod)
    for _ in range(5):
        result = plugin.add(conf, pod).succeeded()
        assert links.find(inner, "eth0")
        code = deleted(plugin, conf, pod)
        left = links.find(host, result["interfaces"][1]["name"]), links.find(inner, "eth0")
        assert (code, left) == (0, (None, None))
        assert [text for text in addresses.of(inner, 0) if not text.startswith(("127.", "::1/"))] == []
        assert [route for route in routes.every(inner) if route.gateways[0][1]] == []
        assert node.leases() == {}


def asleep(node: Node, server: Server | None) -> bool:
    """Whether somebody is in sendmsg(2) for a link that is gone: a worker's thread, or a child of its own."""
    if server is not None:
        return any(len(list(Path(f"/proc/{pid}/task").iterdir())) > 1 for pid in server.workers())
    return any(is_left_behind(entry, node) for entry in Path("/proc").glob("[0-9]*/stat"))


def is_left_behind(entry: Path, node: Node) -> bool:
    try:
        if not (entry.parent / "ns/net").samefile(node.path):
            return False
        name, _, rest = entry.read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    state, _, _, session = rest.split()[:4]
    return name == "cni-veth" and session == entry.parts[2] and state != "Z"


def test_the_kernels_wait_is_nobodys(node: Node, pod: Pod, plugin: Plugin, mode: str, request: Any) -> None:
    """It is over by the next round or so; that it was seen once is enough to know that it was not waited for."""
    server = request.getfixturevalue("server") if mode == "server" else None
    conf = node.network("10.1.2.0/24")
    seen = rounds = 0
    while rounds < ROUNDS or (not seen and rounds < MOST_ROUNDS):
        plugin.add(conf, pod).succeeded()
        assert deleted(plugin, conf, pod) == 0
        seen += asleep(node, server)
        rounds += 1
    assert seen > 0


def test_a_link_that_was_moved_elsewhere_goes_all_the_same(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf, other = node.network("10.1.2.0/24"), node.pod()
    plugin.add(conf, pod).succeeded()
    pod.run(["ip", "link", "set", "eth0", "netns", other.name])
    assert "eth0" in other.links()
    plugin.delete(conf, pod).succeeded()
    assert "eth0" not in other.links()
    assert not node.ports()


def test_a_link_of_the_references_is_deleted_from_the_pods_side(node: Node, pod: Pod, plugin: Plugin) -> None:
    node.batch(f"link add foreign type veth peer name eth0 netns {pod.name}")
    host, inner = eyes(node, pod)
    assert deleted(plugin, node.network("10.1.2.0/24"), pod) == 0
    assert (links.find(host, "foreign"), links.find(inner, "eth0")) == (None, None)
