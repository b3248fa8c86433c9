"""The real `cnitool` (containernetworking/cni) run inside a node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.world.places import PEERS

if TYPE_CHECKING:
    import subprocess

    from tests.world.node import Node, Pod

# Compiled into libcni (its cache) or the default of a plugin's dataDir: of IPAM the one, of tuning the other.
_ISOLATED = """
set -e
mkdir -p /var/lib/cni /run/cni "$0/run"
mount --bind "$0/run" /run/cni
mount --bind "$0" /var/lib/cni
exec "$@"
"""


def isolated(state: Path) -> list[str]:
    """What to put before a command so that it, and nobody else, finds `state` at /var/lib/cni, and at /run/cni."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ISOLATED, str(state)]


def conflist(network: dict[str, Any], *chained: dict[str, Any]) -> dict[str, Any]:
    """The network list of one configuration, as a plugin reads it on stdin, and of the plugins that come after it."""
    common = {key: network[key] for key in ("cniVersion", "name")}
    first = {key: value for key, value in network.items() if key not in common}
    return {**common, "plugins": [first, *chained]}


class CNITool:
    """cnitool with one network list. `cnitool` derives the container id from the namespace's path."""

    executable = PEERS / "cnitool"

    def __init__(self, node: Node, conflist: dict[str, Any], path: Sequence[Path]) -> None:
        self.node = node
        self.network = conflist["name"]
        self.cache = node.dir / "cnitool-cache"
        self.cache.mkdir(exist_ok=True)
        self._net_d = node.dir / "net.d"
        self._net_d.mkdir(exist_ok=True)
        self._path = ":".join(str(directory) for directory in path)
        (self._net_d / f"{self.network}.conflist").write_text(json.dumps(conflist, indent=2))

    def call(
        self, verb: str, pod: Pod, *, ifname: str = "eth0", args: str = "", cap_args: dict[str, Any] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`cnitool VERB NETWORK NETNS`; verbs add, check, del, gc, status. Neither outcome raises."""
        environment = {
            "CNI_PATH": self._path,
            "NETCONFPATH": str(self._net_d),
            "CNI_IFNAME": ifname,
            "CNI_ARGS": args,
            "CAP_ARGS": json.dumps(cap_args or {}),
        }
        command = [*isolated(self.cache), str(self.executable), verb, self.network, pod.path]
        return self.node.run(command, env=environment, check=False, timeout=60)

    def succeed(self, verb: str, pod: Pod, **call: Any) -> dict[str, Any]:
        """As `call`; the printed result, {} for a verb without one. AssertionError if it fails."""
        done = self.call(verb, pod, **call)
        if done.returncode != 0:
            raise AssertionError(f"cnitool {verb}: exit {done.returncode}: {done.stdout}{done.stderr}")
        result: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
        return result
