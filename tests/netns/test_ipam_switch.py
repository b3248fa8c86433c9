"""README, "Switching from host-local, and back": with cnitool, the reference's bridge above, pods that run on."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.world import BIN, PEERS, Node, Pod
from tests.world.cnitool import CNITool

pytestmark = pytest.mark.peers

LONG_AGO = 1_000_000_000  # unix seconds, before any boot
ARGS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"


def tool(node: Node, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    places = ["--data-dir", str(node.store)]
    places += ["--conf-dir", str(node.dir / "net.d")] if command in ("verify", "stats") else []
    return node.run([str(BIN / "cni-ipam"), command, *places, *arguments], check=False)


def listed(node: Node, **keys: object) -> dict[str, Any]:
    found = json.loads(tool(node, "list", "--json").stdout)
    return {one["ip"]: one["state"] for one in found if keys.items() <= one.items()}


def with_ipam(node: Node, ipam_type: str, **keys: Any) -> CNITool:
    """cnitool with the network's file, in which `ipam` has that type and these keys more; all else is as before."""
    ranges = [[{"subnet": "10.5.0.0/29"}], [{"subnet": "fd00:5::/64"}]]
    ipam = {"type": ipam_type, "dataDir": str(node.store), "ranges": ranges} | keys
    bridge = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipam": ipam}
    return node.cnitool({"cniVersion": "1.0.0", "name": "net", "plugins": [bridge]}, PEERS, BIN)


def give(runtime: CNITool, pod: Pod, **call: Any) -> str:
    ips = runtime.succeed("add", pod, **call)["ips"]
    return str(ips[0]["address"].partition("/")[0])


def test_switching_from_host_local_and_back_restarts_no_pod(node: Node) -> None:
    first, second, third, fourth = (node.pod(name) for name in ("first", "second", "third", "fourth"))
    runtime = with_ipam(node, "host-local")
    assert [give(runtime, pod) for pod in (first, second)] == ["10.5.0.2", "10.5.0.3"]
    for name, content in {"10.5.0.5": b"leaked\r\neth0", "10.5.0.6": b""}.items():
        (node.store / "net" / name).write_bytes(content)
        os.utime(node.store / "net" / name, (LONG_AGO, LONG_AGO))

    runtime = with_ipam(node, "cni-ipam")
    assert give(runtime, third, args=ARGS) == "10.5.0.4"
    runtime.succeed("del", first)
    assert listed(node, pod="shop/web-0").keys() == {"10.5.0.4", "fd00:5::4"}

    found = tool(node, "verify")
    assert (found.returncode, found.stdout.splitlines()[-1]) == (1, "1 found, 0 mended")
    assert "10.5.0.6: has no content: a crash left it" in found.stdout
    assert listed(node, containerID="leaked") == {"10.5.0.5": "unknown"}
    assert tool(node, "reclaim", "--before-boot", "--yes").stdout.splitlines()[-1] == "reclaim: 1 lease of 1 removed"
    assert tool(node, "verify", "--fix", "--yes").returncode == 0
    assert set(node.leases()) == {"10.5.0.3", "10.5.0.4", "fd00:5::3", "fd00:5::4"}

    runtime = with_ipam(node, "host-local", exclude=["10.5.0.5"], sticky=True)
    assert tool(node, "reserve", "10.5.0.5", "--network", "net", "--note", "printer").returncode == 0
    assert give(runtime, fourth) == "10.5.0.6"
    for pod in (second, third, fourth):
        runtime.succeed("del", pod)
    assert node.leases() == {"10.5.0.5": ("cni-ipam:reserved", "printer")}
    assert tool(node, "free", "10.5.0.5", "--yes").returncode == 0
    assert node.leases() == {}


def test_the_tool_knows_what_both_wrote(node: Node) -> None:
    theirs, ours = node.pod("theirs"), node.pod("ours")
    address = give(with_ipam(node, "host-local"), theirs)
    runtime = with_ipam(node, "cni-ipam")
    given = give(runtime, ours, args=ARGS)
    assert listed(node) == {address: "unknown", "fd00:5::2": "unknown", given: "kept", "fd00:5::3": "kept"}
    for what in (given, "shop/web-0"):
        shown = tool(node, "show", what, "--json")
        assert {one["pod"] for one in json.loads(shown.stdout)} == {"shop/web-0"}
    found = tool(node, "verify")
    assert found.returncode == 0 and found.stdout.startswith("nothing is wrong in 1 network, "), found
    assert "2 used, 3 free" in tool(node, "stats").stdout
    exported = tool(node, "export").stdout
    for pod in (theirs, ours):
        runtime.succeed("del", pod)
    assert node.leases() == {}
    (node.dir / "leases.json").write_text(exported)
    assert tool(node, "import", str(node.dir / "leases.json"), "--yes").returncode == 0
    assert set(listed(node).values()) == {"unknown"}
    assert len(node.leases()) == 4
