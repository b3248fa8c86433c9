"""A node as a computer of its own: its network, its processes, mounts and directories, with cni-veth installed.

A runtime, its shims and its containers end with the first process of their pid namespace, and every mount with them,
so nothing is left however a test ends.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.world import BIN, PEERS, Node
from tests.world.places import PATH
from tests.world.server import until

CHAINED = ("portmap", "bandwidth", "firewall", "tuning")
"""Plugins of the reference that a node may have beside ours."""

_CGROUPS = Path("/sys/fs/cgroup")
# /etc/containers without what the machine configures; /run empty, as after a boot.
_INIT = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /opt/cni /etc/cni /etc/containers
for place in opt/cni etc/cni etc/containers var/lib/cni var/lib/containerd var/lib/containers var/lib/rancher; do
    mkdir -p "/$place" "$0/$place"
    mount --bind "$0/$place" "/$place"
done
echo up
sleep infinity &
wait
"""


class Machine:
    """`node` with what dist/cni/install.sh puts there, unless it is to stay `bare`. Use it in `with`."""

    def __init__(self, node: Node, bare: bool = False) -> None:
        self.node = node
        self.cgroup = f"/{node.name}"
        root = node.dir / "root"
        if not bare:
            _install(root)
        own = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")
        self._unshare = node.start(["unshare", *own, "sh", "-c", _INIT, str(root)])
        assert self._unshare.stdout
        if self._unshare.stdout.readline() != "up\n":
            raise RuntimeError(f"no machine: {self._unshare.communicate()[1]}")
        self._init = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._unshare.kill()
        self._unshare.communicate()
        for cgroup in (_CGROUPS / self.node.name, *_CGROUPS.glob(f"*/{self.node.name}")):
            until(lambda cgroup=cgroup: _is_removed(cgroup))

    def path(self, path: str) -> Path:
        """Where this process finds a path of the machine's."""
        return Path(f"/proc/{self._init}/root{path}")

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A program left running there, with the environment that a boot gives, and `env`."""
        return self.node.start(_inside(self._init, argv, env))

    def run(self, *argv: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A program run to its end there; RuntimeError with its stderr if it fails and `check`."""
        return self.node.run(_inside(self._init, argv), check=check, timeout=timeout)

    def daemon(self, name: str, *argv: str) -> None:
        """A program left running, its output in /run/NAME.log and its pid, for `kill`, in /run/NAME.pid."""
        place = f"/run/{name}"
        script = f'exec >>{place}.log 2>&1; echo $$ >{place}.new; mv {place}.new {place}.pid; exec "$@"'
        self.path(f"/run/{name}.pid").unlink(missing_ok=True)
        self.start("setsid", "sh", "-c", script, name, *argv)
        until(self.path(f"/run/{name}.pid").exists)

    def kill(self, name: str, signal: str = "TERM") -> None:
        """End a daemon, and wait until it has ended."""
        pid = self.path(f"/run/{name}.pid").read_text().strip()
        process = self.path(f"/proc/{pid}/exe")
        self.run("kill", f"-{signal}", pid)
        until(lambda: not process.exists())  # a zombie executes nothing

    def serve(self) -> None:
        """Start the warm server, at its default socket."""
        self.daemon("cni-vethd", "/opt/cni/bin/cni-vethd")
        until(lambda: "workers serve" in self.log("cni-vethd"))

    def served(self) -> int:
        """How many calls the server has served; 0 where there is none."""
        if not self.path("/run/cni-vethd.pid").exists():
            return 0
        said = len(self.log("cni-vethd"))
        self.run("sh", "-c", "kill -USR1 $(cat /run/cni-vethd.pid)")
        until(lambda: "calls served" in self.log("cni-vethd")[said:])
        return int(re.findall(r"(\d+) calls served", self.log("cni-vethd"))[-1])

    def log(self, name: str) -> str:
        return self.path(f"/run/{name}.log").read_text()

    def leases(self, network: str) -> set[str]:
        """The addresses that are reserved on this machine."""
        found = self.path(f"/var/lib/cni/networks/{network}").glob("*")
        return {path.name for path in found if path.name[0].isdigit() or ":" in path.name}

    def pods(self, bridge: str = "cni0") -> int:
        """How many links of pods are ports of the bridge."""
        return len(self.node.ports(bridge))


def _install(root: Path) -> None:
    install = [str(BIN.parent / "install.sh"), "install"]
    subprocess.run(install, env={"PATH": PATH, "DESTDIR": str(root)}, check=True, stdout=subprocess.DEVNULL)
    for name in CHAINED:
        (root / "opt/cni/bin" / name).symlink_to(PEERS / name)


def _is_removed(cgroup: Path) -> bool:
    """Tries; a process that was killed stays in its cgroup for a moment."""
    try:
        for directory in [*sorted(cgroup.rglob("*/"), reverse=True), cgroup]:
            directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _inside(init: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
    variables = [f"{name}={value}" for name, value in {"PATH": PATH, "HOME": "/root", **(env or {})}.items()]
    return ["nsenter", "--target", init, "--mount", "--pid", "env", "-i", "-C", "/", *variables, *argv]
