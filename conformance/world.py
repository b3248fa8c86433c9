"""The node and the pods of one run, in a process of their own: everything is gone with that process.

`World` takes the calling process for good into a network and a mount namespace; nothing but this process, and what it
starts, holds on to them.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from conformance import kernel, namespaces
from conformance.kernel import Snapshot

DELEGATE = "conf-delegate"
"""The type that the recording delegate goes by."""


@dataclass(frozen=True)
class Setting:
    """What all runs of a session have in common.

    dir: where each run's tmpfs is mounted. env: what the plugin gets besides the parameters. seed: of random checks.
    writable: directories of the machine that the plugin may write to. scratch: directories that each run gets empty,
    besides those that the profile calls private.
    """

    plugin: str
    profile: dict[str, Any]
    dir: str
    cni_path: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    seed: int = 1
    writable: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The name that the plugin is called by."""
        return str(self.profile.get("type") or os.path.basename(self.plugin))

    @property
    def private(self) -> list[str]:
        return list(self.profile.get("private", []))


class World:
    """A node; `pod(n)` makes a pod where it does not exist. `is_closed`: no file outside of it can be written."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.dir = Path(setting.dir)
        namespaces.unshare(namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS)
        self.is_closed = namespaces.make_read_only(but=["/proc", "/dev", *setting.writable])
        namespaces.mount_sysfs()
        for directory in (setting.dir, *setting.private, *setting.scratch):
            namespaces.mount_tmpfs(directory, "1777" if directory in setting.scratch else "0755")
        self._spaces = {0: namespaces.current_net()}
        self._gone: set[int] = set()
        for name in ("bin", "netns", "delegate"):
            (self.dir / name).mkdir()
        self._fill_bin()
        kernel.sysctl("net/ipv4/ip_forward", "0")
        self.up("lo")

    @property
    def executable(self) -> str:
        return str(self.dir / "bin" / self.setting.type)

    @property
    def pods(self) -> list[int]:
        return [number for number in self._spaces if number != 0]

    def netns(self, pod: int) -> str:
        """The path that a runtime gives as CNI_NETNS."""
        return str(self.dir / "netns" / f"pod-{pod}")

    def pod(self, number: int) -> None:
        """Make sure that there is this pod, unless it was ended. Its `lo` is up, as runtimes have it, but for a plugin
        whose work that is."""
        if number in self._spaces or number in self._gone:
            return
        path = self.netns(number)
        Path(path).touch()
        namespaces.unshare(namespaces.CLONE_NEWNET)
        try:
            namespaces.bind("/proc/self/ns/net", path)
            self._spaces[number] = namespaces.current_net()
        finally:
            namespaces.enter(self._spaces[0])
        if "loopback" not in self.setting.profile.get("features", []):
            self.up("lo", number)

    def remove_pod(self, number: int) -> None:
        """As a runtime does that ends a pod: its namespace goes, and so does the path."""
        self.detach_pod(number)
        os.unlink(self.netns(number))

    def detach_pod(self, number: int) -> None:
        """Its namespace goes; what stays at the path is an empty file."""
        namespaces.unmount(self.netns(number))
        os.close(self._spaces.pop(number))
        self._gone.add(number)

    def has(self, number: int) -> bool:
        """Whether a pod was ever made."""
        return number in self._spaces or number in self._gone

    @contextmanager
    def inside(self, pod: int) -> Iterator[None]:
        """This process is in a pod, or with 0 on the node."""
        namespaces.enter(self._spaces[pod])
        try:
            yield
        finally:
            namespaces.enter(self._spaces[0])

    @contextmanager
    def link_layer(self, pod: int) -> Iterator[IPRoute]:
        """A pyroute2 IPRoute of a pod, or with 0 of the node."""
        with self.inside(pod), IPRoute() as ipr:
            yield ipr

    def space(self, pod: int) -> int:
        """A descriptor of a pod's network namespace, or with 0 of the node's."""
        return self._spaces[pod]

    def up(self, link: str, pod: int = 0) -> None:
        with self.link_layer(pod) as ipr:
            ipr.link("set", index=ipr.link_lookup(ifname=link)[0], state="up")

    def look(self, pod: int) -> kernel.Picture:
        with self.inside(pod):
            return kernel.look()

    def snapshot(self, names: Mapping[str, str]) -> Snapshot:
        """Node, pods, the profile's store and private directories."""
        rules = tuple(self.setting.profile.get("rules", []))
        entries = kernel.snapshot("node", rules)
        for number in self.pods:
            with self.inside(number):
                entries.update(kernel.snapshot(f"pod {number}"))
        if store := names.get("store"):
            entries.update(_files("store", Path(store), with_content=True))
        for directory in self.setting.private:
            entries.update(_files("node", Path(directory), with_content=False))
        return entries

    def _fill_bin(self) -> None:
        directory = self.dir / "bin"
        own = os.path.dirname(self.setting.plugin)
        for source in (*self.setting.cni_path, own):
            for entry in os.scandir(source):
                link = directory / entry.name
                if entry.is_file() and os.access(entry.path, os.X_OK) and not link.is_symlink():
                    link.symlink_to(entry.path)
        wanted = directory / self.setting.type
        wanted.unlink(missing_ok=True)
        wanted.symlink_to(self.setting.plugin)
        script = directory / DELEGATE
        script.write_bytes(resources.files("conformance").joinpath("delegate.sh").read_bytes())
        script.chmod(0o755)


def _files(place: str, directory: Path, with_content: bool) -> Snapshot:
    found: Snapshot = {}
    for path in sorted(directory.rglob("*")) if directory.is_dir() else []:
        if path.is_file() and not path.is_symlink():
            name = str(path.relative_to(directory)) if with_content else str(path)
            found[place, "file", name, ""] = (
                path.read_bytes().decode("utf-8", "backslashreplace") if with_content else ""
            )
    return found
