"""A filesystem of one's own under the node's store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.world import Node, Plugin, Pod
from tests.world.plugin import Reply


class Filesystem:
    """What is mounted on the node's dataDir, seen by the plugin and by nobody else."""

    def __init__(self, node: Node, ipam: Plugin, mount: str) -> None:
        """`mount` are shell commands; $1 is the directory. `enter` precedes a command that is to see it."""
        node.store.mkdir(exist_ok=True)
        commands = f"{mount}; echo ready; exec sleep 600"
        holder = node.start(["unshare", "--mount", "sh", "-ec", commands, "sh", str(node.store)])
        assert holder.stdout
        said = holder.stdout.readline()
        if said != "ready\n":
            holder.kill()
            raise AssertionError(said, *holder.communicate())
        self.store = Path(f"/proc/{holder.pid}/root{node.store}/net")
        self.enter = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt"]
        self._ipam = ipam

    def cni(self, verb: str, conf: dict[str, Any], pod: Pod | None = None) -> Reply:
        reply = self._ipam.cni(verb, conf, pod, wrap=self.enter)
        assert "Traceback" not in reply.stderr
        return reply

    def leases(self) -> dict[str, bytes]:
        """Every file but those that belong to nobody."""
        if not self.store.exists():
            return {}
        paths = [path for path in self.store.iterdir() if path.name != "lock"]
        return {path.name: path.read_bytes() for path in paths if not path.name.startswith("last_reserved_ip.")}
