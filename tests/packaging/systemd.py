"""A machine with a systemd of its own: the real one, as the first process of namespaces that end with the test.

It has the network of a Node, this machine's programs, and /etc, /opt, /run, /usr/local/lib and /var/lib of its own.
Of this machine's units it starts none, and what is the kernel's and not a namespace's it cannot write.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.packaging.machine import run
from tests.world import Node, Plugin
from tests.world.server import until

BIN = Path("/opt/cni/bin")
UNITS = Path("/usr/local/lib/systemd/system")
SOCKET, SERVICE = "cni-veth.socket", "cni-veth.service"
TIMER, RECONCILE = "cni-veth-reconcile.timer", "cni-veth-reconcile.service"

# $1: a directory, $2: the name of a control group
BOOT = r"""
mkdir "$1/etc" "$1/netns" "$1/cgroup"
cp -a /etc/. "$1/etc"
rm -rf "$1/etc/systemd/system" "$1/etc/cni"
mkdir -p "$1/etc/systemd/system"
for target in only sysinit basic sockets timers shutdown; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$1/etc/systemd/system/$target.target"
done
mount --bind "$1/etc" /etc
for directory in /opt /usr/local/lib /var/lib; do mount -t tmpfs none "$directory"; done
mount --rbind /run/netns "$1/netns"
mount -t tmpfs none /run
mkdir /run/netns
mount --move "$1/netns" /run/netns
mount -t cgroup2 none "$1/cgroup"
mkdir "$1/cgroup/$2"
echo $$ >"$1/cgroup/$2/cgroup.procs"
umount "$1/cgroup"
exec unshare --pid --fork --kill-child --cgroup --uts --ipc sh -ec '
    umount -R /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
    mount -t proc none /proc
    for part in fs kernel vm; do
        mount --bind /proc/sys/$part /proc/sys/$part
        mount -o remount,bind,ro /proc/sys/$part
    done
    exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/system:/usr/local/lib/systemd/system \
        /lib/systemd/systemd --system --unit=only.target --show-status=0 --log-target=null'
"""
REMOVE_GROUP = """
mkdir -p "$1/cgroup"
mount -t cgroup2 none "$1/cgroup"
[ ! -e "$1/cgroup/$2" ] || find "$1/cgroup/$2" -depth -type d -exec rmdir {} +
"""


class Systemd:
    """A running one. `node` is its network."""

    def __init__(self, node: Node, init: int) -> None:
        self.node = node
        self.enter = ["nsenter", f"--target={init}", "--mount", "--pid", "--cgroup", "--uts", "--ipc"]
        self.log = node.dir / "log"  # there is no journal

    @classmethod
    @contextmanager
    def booted(cls) -> Iterator[Systemd]:
        with Node() as node:
            node.server = "/run/cni-veth/cni-vethd.sock"
            group = node.name
            wrap = ["unshare", "--mount", "--propagation", "slave", "sh", "-ec", BOOT, "sh", str(node.dir), group]
            process = node.start(wrap)
            try:
                until(lambda: process.poll() is not None or _init(process.pid))
                assert process.poll() is None, process.communicate()
                machine = cls(node, _init(process.pid))
                until(lambda: machine.systemctl("is-active", "only.target").stdout == "active\n")
                machine.keep_log()
                yield machine
            finally:
                process.kill()
                process.wait()
                remove = ["unshare", "--mount", "sh", "-ec", REMOVE_GROUP, "sh", str(node.dir), group]
                until(lambda: subprocess.run(remove, capture_output=True).returncode == 0)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.node.entered():
            return run(*self.enter, *command, **environment)

    def systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", *arguments)

    def show(self, unit: str, *properties: str) -> list[str]:
        done = self.systemctl("show", unit, *(f"--property={name}" for name in properties))
        found = dict(line.split("=", 1) for line in done.stdout.splitlines())
        return [found[name] for name in properties]

    def script(self, dist: Path, verb: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(dist / "install.sh"), verb, **environment)

    def install(self, dist: Path, **environment: str) -> str:
        done = self.script(dist, "install", **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def plugin(self) -> Plugin:
        """Calls of it are `wrap=machine.enter`."""
        return Plugin(self.node, BIN, "cni-veth")

    def keep_log(self) -> None:
        for service in ("cni-veth", "cni-veth-reconcile"):
            self.drop_in(f"{service}.service", f"[Service]\nStandardError=append:{self.log}\n", "log")

    def drop_in(self, unit: str, text: str, name: str = "test") -> None:
        """As an administrator would, by a file beside the unit; systemd reads it at the next daemon-reload."""
        directory = f"/etc/systemd/system/{unit}.d"
        done = self.run("sh", "-ec", 'mkdir -p "$1"; printf %s "$2" >"$1/$3.conf"', "sh", directory, text, name)
        assert done.returncode == 0, done.stderr

    def main_pid(self) -> int:
        """Of the server as seen from inside; 0: none runs."""
        return int(self.show("cni-veth.service", "MainPID")[0])

    def proc(self, pid: int, name: str) -> str:
        """A link or a file of one of its processes."""
        return self.run("sh", "-c", f"readlink /proc/{pid}/{name} || cat /proc/{pid}/{name}").stdout


def _init(parent: int) -> int:
    """The systemd below that process; 0: not yet."""
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(OSError):  # of what the script ran before
            if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                return int(pid)
    return 0
