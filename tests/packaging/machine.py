"""A root directory to install into, and what lies in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PLUGINS = {"cni-veth", "cni-ipam", "loopback"}
NAMES = {*PLUGINS, "cni-vethd"}
UNITS = {
    f"usr/local/lib/systemd/system/{unit}"
    for unit in ("cni-veth.service", "cni-veth.socket", "cni-veth-reconcile.service", "cni-veth-reconcile.timer")
}
SAMPLE = "etc/cni/net.d/10-cni-veth.conflist"


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The finished command, its output as text; nothing of this process's environment but what is given.

    Calls go without a server, unless one is named by CNI_VETH_SOCKET.
    """
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "CNI_VETH_SOCKET": "", **environment}
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


class Machine:
    """A root directory to install into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "opt/cni/bin"

    def script(self, dist: Path, verb: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(str(dist / "install.sh"), verb, DESTDIR=str(self.root), **environment)

    def install(self, dist: Path, **environment: str) -> str:
        done = self.script(dist, "install", **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def uninstall(self, dist: Path) -> str:
        done = self.script(dist, "uninstall")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def programs(self) -> set[str]:
        return {path.name for path in (self.root / "opt/cni").iterdir()} - {"bin"}

    def linked(self) -> dict[str, str]:
        """Program by name in bin."""
        return {path.name: Path(os.readlink(path)).parts[1] for path in self.bin.iterdir() if path.is_symlink()}

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()}


def version(executable: Path) -> subprocess.CompletedProcess[str]:
    return run(str(executable), CNI_COMMAND="VERSION")
