"""cni-ipam killed or signalled in the midst of an ADD, once before each system call on its store (strace(1))."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.world import Node, Plugin, Pod, Reply

pytestmark = pytest.mark.standalone
POD, NEXT = Pod("c1"), Pod("c2")
OWNER, OWNED = ("c1", "eth0"), b"c1\r\neth0"
SYSTEM_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(", re.MULTILINE)
Point = tuple[str, int]
"""A system call's name, and which of them it is."""


class Scene:
    """A network whose store is missing, and an ADD of POD that a signal meets at a chosen point."""

    def __init__(self, node: Node, ipam: Plugin, *subnets: str) -> None:
        self.conf = node.network(*subnets)
        self.conf["ipam"]["cooldown"] = 0  # the store is made anew, often as the same inode
        self._node = node
        self._ipam = ipam
        self._log = node.dir / "strace"
        self.run = {"CNI_VETH_RUN_DIR": str(node.dir / "run")}

    def points(self) -> Iterator[Point]:
        """Everything that an ADD does to its store; before each the store is removed."""
        code, has_result = self._add()
        assert (code, has_result) == (0, True)
        calls = Counter[str]()
        names = SYSTEM_CALL.findall(self._log.read_text())
        assert {"mkdir", "flock", "write", "renameat", "utimensat"} <= set(names)
        for name in names:
            calls[name] += 1
            shutil.rmtree(self._node.store, ignore_errors=True)  # one killed before mkdir left none
            yield name, calls[name]

    def add(self, point: Point, fate: signal.Signals) -> tuple[int, bool]:
        """ADD with that signal at that point: (exit code, whether there was a result)."""
        call, number = point
        return self._add("-e", f"inject={call}:signal={fate.name}:when={number}")

    def _add(self, *options: str) -> tuple[int, bool]:
        names = ("", "lock", ".cni-ipam.unfinished", "10.1.0.2", "fd00::2", "last_reserved_ip.0", "last_reserved_ip.1")
        paths = [option for name in names for option in ("-P", str(self._node.store / "net" / name))]
        process = self._ipam.start(
            "ADD", POD, wrap=["strace", "-f", "-qq", "-o", str(self._log), *paths, *options], env=self.run
        )
        stdout, stderr = process.communicate(json.dumps(self.conf), 30)
        assert "Traceback" not in stderr
        if process.returncode >= 0:
            Reply("ADD", process.returncode, stdout, stderr)  # one document, whatever happened
        return process.returncode, '"ips"' in stdout


def test_killed_add_leaves_a_whole_file_or_none(ipam: Plugin, node: Node) -> None:
    """And neither the next pod nor the DEL of the dead one notices."""
    scene = Scene(node, ipam, "10.1.0.0/29")
    lease, outcomes = node.store / "net/10.1.0.2", set()
    for point in scene.points():
        code, has_result = scene.add(point, signal.SIGKILL)
        was_linked = lease.exists()
        assert code == -signal.SIGKILL and was_linked >= has_result, point
        outcomes.add(was_linked)
        assert not was_linked or lease.read_bytes() == OWNED, point
        ipam.add(scene.conf, NEXT, env=scene.run).succeeded()
        others = {"10.1.0.3" if was_linked else "10.1.0.2": ("c2", "eth0")}
        assert node.leases() == others | ({"10.1.0.2": OWNER} if was_linked else {}), point
        if was_linked:  # however far the index got
            result = ipam.add(scene.conf, POD, env=scene.run).succeeded()
            assert [ip["address"] for ip in result["ips"]] == ["10.1.0.2/29"], point
        ipam.delete(scene.conf, POD, env=scene.run).succeeded()
        assert node.leases() == others, point
    assert outcomes == {False, True}


@pytest.mark.parametrize("fate", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda fate: fate.name)
def test_interrupted_add_reserves_all_or_nothing(ipam: Plugin, node: Node, fate: signal.Signals) -> None:
    """What it says and what it left agree: a result with every lease, or an error without any."""
    scene = Scene(node, ipam, "10.1.0.0/29", "fd00::/64")
    outcomes = set()
    for point in scene.points():
        if fate is not signal.SIGTERM and not point[0].startswith("rename"):
            continue
        code, has_result = scene.add(point, fate)
        outcomes.add(code)
        assert (code, has_result) in ((0, True), (1, False)), point
        assert node.leases() == (dict.fromkeys(("10.1.0.2", "fd00::2"), OWNER) if has_result else {}), point
    assert 1 in outcomes, "no signal ever arrived"
