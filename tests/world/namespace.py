"""One network namespace: made, entered, questioned, removed."""

from __future__ import annotations

import ctypes
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.world import ownership
from tests.world.places import PATH
from tests.world.state import snapshot

Link = dict[str, Any]
"""One object of `ip -j -d link`."""

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


# The machine's own: of the first process where it may be seen, and of this one before it entered any other.
_FORBIDDEN = {ownership.inode("/proc/1/ns/net"), ownership.inode("/proc/self/ns/net")}


class Namespace:
    """A network namespace at `/run/netns/<name>`, from `create` to `delete`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = str(ownership.NETNS / name)
        self._started: list[subprocess.Popen[str]] = []

    def create(self) -> None:
        subprocess.run(["ip", "netns", "add", self.name], check=True)

    def delete(self) -> None:
        """Also of use in a test: a runtime may remove a pod's namespace before it calls DEL."""
        ownership.remove([self.name])
        self.reap()

    def reap(self) -> None:
        """End what `start` began here and is still running."""
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread, and what it starts, is in this namespace (setns(2)).

        Unlike `ip netns exec` this leaves /sys and the mount namespace alone.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter()
            yield
        finally:
            _setns(home)
            os.close(home)

    def _enter(self) -> None:
        target = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ownership.inode(f"/proc/self/fd/{target}") in _FORBIDDEN:
                raise RuntimeError(f"{self.path} is the machine's own network namespace: refusing to touch it")
            _setns(target)
        finally:
            os.close(target)

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A program left running in this namespace, with pipes; it is killed with the namespace.

        Its environment is `env` and PATH, never the caller's.
        """
        environment = {"PATH": PATH, **({"LC_ALL": "C"} if env is None else env)}
        pipe = subprocess.PIPE
        with self.entered():
            process = subprocess.Popen(
                argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd="/", text=True, encoding="utf-8"
            )
        self._started.append(process)
        return process

    def run(
        self,
        argv: Sequence[str],
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 30,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """A program run to its end in this namespace; RuntimeError with its stderr if it fails and `check`."""
        process = self.start(argv, env)
        try:
            stdout, stderr = process.communicate(input, timeout)
        finally:
            process.kill()
        if check and process.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)} in {self.name}: exit {process.returncode}: {stderr or stdout}")
        return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)

    def batch(self, *lines: str) -> None:
        """Several commands of ip(8) by one process; RuntimeError at the first that fails."""
        self.run(["ip", "-batch", "-"], "".join(f"{line}\n" for line in lines))

    def ip(self, *arguments: str, check: bool = True) -> list[dict[str, Any]]:
        """`ip -j ARGUMENTS`, its objects; an empty list where it prints nothing, or fails without `check`."""
        done = self.run(["ip", "-j", *arguments], check=check)
        is_empty = done.returncode != 0 or not done.stdout.strip()
        return [] if is_empty else [item for item in json.loads(done.stdout) if item]

    def links(self) -> dict[str, Link]:
        """Every link by its name, with details."""
        return {link["ifname"]: link for link in self.ip("-d", "link", "show")}

    def bridge(self, name: str = "cni0") -> Link:
        """The link of that name; AssertionError unless it is a bridge."""
        link = self.links().get(name, {})
        assert link.get("linkinfo", {}).get("info_kind") == "bridge", f"{name} in {self.name} is no bridge: {link}"
        return link

    def ports(self, bridge: str = "cni0") -> dict[str, Link]:
        """The links whose master is `bridge`, by name."""
        return {name: link for name, link in self.links().items() if link.get("master") == bridge}

    def addresses(self, ifname: str | None = None, link_local: bool = False) -> list[str]:
        """Addresses with prefix, sorted, of one link or of all but `lo`."""
        found = [
            f"{address['local']}/{address['prefixlen']}"
            for link in self.ip("addr", "show")
            for address in link["addr_info"]
            if (link["ifname"] != "lo" if ifname is None else link["ifname"] == ifname)
        ]
        return sorted(address for address in found if link_local or not ipaddress.ip_interface(address).is_link_local)

    def routes(self, table: str = "main") -> list[dict[str, Any]]:
        """IPv4, then IPv6 routes of a table (`all` for every one) as `ip -j -d route` shows them."""
        # A table without routes does not exist, which ip reports as a failure.
        return [
            route
            for family in ("-4", "-6")
            for route in self.ip(family, "-d", "route", "show", "table", table, check=False)
        ]

    def sysctl(self, name: str, value: str | int | None = None) -> str:
        """Read a sysctl below net, after writing `value` if given; dots or slashes (for names with dots)."""
        path = "/proc/sys/" + (name if "/" in name else name.replace(".", "/"))
        assert path.startswith("/proc/sys/net/"), f"{name} belongs to the whole machine"
        with self.entered():
            if value is not None:
                with open(path, "w") as file:
                    file.write(str(value))
            with open(path) as file:
                return file.read().strip()

    def reaches(self, ip: str, seconds: int = 2) -> bool:
        """Whether `ip` answers a ping from here within that time."""
        return self.run(["ping", "-n", "-q", "-c", "1", "-W", str(seconds), ip], check=False).returncode == 0

    def state(self) -> dict[str, Any]:
        """Everything a plugin may have touched here, comparable with `==` (see `state.snapshot`)."""
        return snapshot(self)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")
