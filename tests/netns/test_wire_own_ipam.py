"""Where `ipam.type` is our own program it runs in the same process; a script of its name that executes it does not.

Nobody can tell the two apart by what they leave and say (SPEC section 4 knows execution alone).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.world import BIN, Node, Plugin, Pod


@pytest.fixture
def executed(node: Node, built: None) -> Path:
    """A directory of CNI_PATH whose cni-ipam is no link to the program."""
    directory = node.dir / "executed"
    directory.mkdir()
    (directory / "cni-ipam").write_text(f'#!/bin/sh\nexec {BIN}/cni-ipam "$@"\n')
    (directory / "cni-ipam").chmod(0o755)
    return directory


def picture(store: Path) -> dict[str, tuple[int, bytes]]:
    paths = [store, *store.rglob("*")] if store.exists() else []
    return {path.name: (path.stat().st_mode, path.read_bytes() if path.is_file() else b"") for path in paths}


Story = list[tuple[str, str, dict[str, Any]]]
"""(verb, CNI_ARGS, keys of the ipam section)"""

STORIES: dict[str, Story] = {
    "all verbs": [("STATUS", "", {}), ("ADD", "", {}), ("CHECK", "", {}), ("GC", "", {}), ("DEL", "", {})],
    "a requested IP": [("ADD", "IP=10.1.0.5", {}), ("CHECK", "", {}), ("DEL", "", {}), ("DEL", "", {})],
    "collected": [("ADD", "", {}), ("GC", "", {}), ("DEL", "", {})],
    "exhausted": [("STATUS", "", {"rangeStart": "10.1.0.1", "rangeEnd": "10.1.0.1", "subnet": "10.1.0.0/24"})],
    "exhausted ADD": [("ADD", "", {"rangeStart": "10.1.0.1", "rangeEnd": "10.1.0.1", "subnet": "10.1.0.0/24"})],
    "gateway requested": [("ADD", "IP=10.1.0.1", {})],
    "unfulfilled request": [("ADD", "IP=10.7.0.1", {})],
    "bad range": [("ADD", "", {"subnet": "10.1.0.9/24"}), ("STATUS", "", {"subnet": "x"}), ("DEL", "", {"subnet": 7})],
    "bad resolv.conf": [("ADD", "", {"resolvConf": "/nonexistent"})],
    "store below a file": [(verb, "", {"dataDir": "/etc/passwd/x"}) for verb in ("ADD", "STATUS", "GC", "DEL")],
}


@pytest.mark.parametrize("story", STORIES)
def test_in_process_ipam_leaves_the_same_files_and_errors_as_an_executed_one(
    plugin: Plugin, node: Node, executed: Path, story: str
) -> None:
    outcomes = []
    for directory in (BIN, executed):
        pod, outcome = node.pod(), []
        prev: dict[str, Any] = {"cniVersion": "1.1.0"}
        for verb, args, keys in STORIES[story]:
            base = {
                "cooldown": 0,
                "subnet": "10.1.0.0/24",
                "ranges": [[{"subnet": "fd00::/64"}]],
                "dataDir": str(node.store),
            }
            conf = node.network(ipam=node.ipam(**base | keys), prevResult=prev, **{"cni.dev/valid-attachments": []})
            if verb == "ADD":
                del conf["prevResult"]
            attached = None if verb in ("GC", "STATUS") else pod
            reply = plugin.cni(verb, conf, attached, args=args, path=[directory], container_id="c1")
            prev = reply.json if verb == "ADD" and reply.code == 0 else prev
            what = [reply.json.get(key) for key in ("ips", "routes", "dns")] if reply.code == 0 else reply.json
            outcome.append((verb, reply.code, what, picture(node.store)))
        shutil.rmtree(node.store, ignore_errors=True)
        outcomes.append(outcome)
    assert outcomes[0] == outcomes[1]


def test_in_process_check_names_the_differences_that_an_executed_one_names(
    plugin: Plugin, node: Node, pod: Pod, executed: Path
) -> None:
    conf = node.network("10.1.0.0/24", "fd00::/64")
    conf["prevResult"] = plugin.add(conf, pod).succeeded()
    for ip in ("10.1.0.2", "fd00::2"):
        (node.store / "net" / ip).unlink()
    expected = [f"expected {ip} to be reserved for container {pod.container_id} eth0" for ip in ("10.1.0.2", "fd00::2")]
    for directory in (BIN, executed):
        error = plugin.cni("CHECK", conf, pod, path=[directory]).failed(103)
        assert [text in error["msg"] + error["details"] for text in expected] == [True, True]


def test_our_own_is_not_executed_a_second_time(plugin: Plugin, node: Node, pod: Pod) -> None:
    log = node.dir / "strace"
    traced = ["strace", "-f", "-qq", "-e", "trace=execve", "-o", str(log)]
    plugin.cni("ADD", node.network("10.1.0.0/24"), pod, wrap=traced).succeeded()
    executed = log.read_text()
    assert "cni-veth" in executed
    assert "cni-ipam" not in executed
