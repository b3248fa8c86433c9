"""A node for the model of the store: pods that live and die, boots, crashes, and a host-local beside ours."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ipam import facts, index, liveness, reclaim
from ipam.store import Store

CALLS = ("open", "write", "rename", "unlink", "symlink", "utime", "setxattr", "ftruncate", "mkdir", "removexattr")


class Killed(BaseException):
    """From here on the process does nothing any more."""


class World:
    """Everything outside of the store: boot id, links, namespaces, the run directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(facts, "BOOT_ID", str(directory / "boot"))
        self._patch.setattr(liveness, "LINKS", str(directory / "links"))
        self._patch.setattr(reclaim, "tell", lambda line: None)
        self._boots = self._made = 0
        self._links: dict[str, str] = {}  # pod -> link
        self.reboot()

    def close(self) -> None:
        self._patch.undo()

    def reboot(self) -> None:
        self._boots += 1
        (self.directory / "boot").write_text(f"boot-{self._boots}\n")
        self._patch.setattr(facts, "booted", lambda: float(1 << 40))  # after all leases that have another one's id
        for pod in list(self._links):
            self.end(pod)
        self.forget()

    def forget(self) -> None:
        shutil.rmtree(self.directory / "run", ignore_errors=True)

    def drift(self) -> list[str]:
        """What the index says wrongly though it passes for current."""
        store = Store.find(str(self.directory / "state"), "net1", index.place(str(self.directory / "run")))
        if store is None:
            return []
        with store:
            return store.drift()

    def begin(self, pod: str) -> tuple[str, str]:
        """A namespace and a link that nobody had before: (CNI_NETNS, host link)."""
        self.end(pod)
        self._made += 1
        self._links[pod] = f"veth{self._made}"
        self._path(pod).write_text("")
        self._write_links()
        return str(self._path(pod)), self._links[pod]

    def end(self, pod: str) -> None:
        if pod in self._links:
            self._path(pod).unlink()
            del self._links[pod]
        self._write_links()

    def has(self, link: str) -> bool:
        return link in self._links.values()

    @property
    def boot(self) -> str:
        return f"boot-{self._boots}"

    def _path(self, pod: str) -> Path:
        return self.directory / f"{self._links[pod]}.ns"

    def _write_links(self) -> None:
        lines = [f"{link}: 0 0\n" for link in self._links.values()]
        (self.directory / "links").write_text("".join(("Inter-|\n", " face |\n", *lines)))

    @contextmanager
    def killed_at(self, number: int) -> Iterator[None]:
        """SIGKILL before that system call of those that change something, or after the end; its descriptors close."""
        opened: list[int] = []
        left = [number]
        patch = pytest.MonkeyPatch()

        def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **keys: Any) -> Any:
                left[0] -= 1
                if left[0] <= 0:
                    raise Killed
                result = real(*arguments, **keys)
                if name == "open":
                    opened.append(result)
                return result

            return call

        def close(fd: int) -> None:
            opened.remove(fd)
            real_close(fd)

        real_close = os.close
        for name in CALLS:
            patch.setattr(os, name, counting(name, getattr(os, name)))
        patch.setattr(os, "close", close)
        try:
            yield
        except Killed:
            pass
        finally:
            patch.undo()
            for fd in opened:
                os.close(fd)


class HostLocal:
    """The reference's algorithm on the store's directory, one range a set (backend/disk, allocator.go)."""

    def __init__(self, network: Path) -> None:
        self._network = network

    def add(self, owner: bytes, sets: list[list[str]]) -> list[str]:
        """The IPs, none where a set is full or the owner has some."""
        with self._locked():
            if any(path.read_bytes().strip() == owner for path in self._leases()):
                return []
            given = []
            for number, ips in enumerate(sets):
                ip = self._reserve(owner, ips, self._network / f"last_reserved_ip.{number}")
                if not ip:
                    self._release(owner)
                    return []
                given.append(ip)
            return given

    def delete(self, owner: bytes) -> None:
        with self._locked():
            self._release(owner)

    def _reserve(self, owner: bytes, ips: list[str], last: Path) -> str:
        at = ips.index(last.read_text()) + 1 if last.exists() and last.read_text() in ips else 0
        for ip in ips[at:] + ips[:at]:
            try:
                with open(self._network / ip, "xb") as file:
                    file.write(owner)
            except FileExistsError:
                continue
            last.write_text(ip)
            return ip
        return ""

    def _release(self, owner: bytes) -> None:
        for path in self._leases():
            if path.read_bytes().strip() == owner:
                path.unlink()

    def _leases(self) -> list[Path]:
        return [path for path in self._network.iterdir() if path.name[0].isdigit() or path.name.startswith("fd")]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._network.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._network / "lock", os.O_CREAT | os.O_RDONLY, 0o750)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
