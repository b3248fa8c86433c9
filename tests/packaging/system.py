"""This machine's own system, copied on write in a mount namespace: for packages under the real dpkg and rpm."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.packaging.machine import run
from tests.world import Node

# Without the plugins and networks that the machine has; the namespaces of /run/netns are there.
_SYSTEM = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for place in proc dev run; do mount --rbind "/$place" "$1/root/$place"; done
rm -rf "$1/root/opt/cni" "$1/root/etc/cni"
cp "$2" "$1/root/cni-veth.${2##*.}"
exec chroot "$1/root" sh -euc "$3"
"""


def on_a_system(package: Path, directory: Path, script: str, node: Node | None = None) -> list[str]:
    """The lines that a script prints there, with the package at /cni-veth.deb or .rpm; AssertionError if it fails."""
    command = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        _SYSTEM,
        "sh",
        str(directory),
        str(package),
    ]
    if node:
        done: subprocess.CompletedProcess[str] = node.run([*command, script], check=False, timeout=60)
    else:
        done = run(*command, script)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.splitlines()
