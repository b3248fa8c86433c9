"""Network namespaces: opening the pod's, and being in it for a moment.

setns(2) is per thread, so the way back is /proc/thread-self/ns/net, never /proc/self.
A netlink socket stays in the namespace it was made in: entering is needed only to open one
and to write sysctls.
"""

from __future__ import annotations

import errno
import fcntl
import os

from cni.errors import InvalidNetns, KernelRefused
from cni_veth.descriptor import Descriptor
from cni_veth.namespaces import CLONE_NEWNET, enter
from cni_veth.netlink import Socket

NS_GET_NSTYPE = 0xB703  # ioctl_nsfs(2)
OWN = "/proc/thread-self/ns/net"


class Netns:
    """An open network namespace. `with netns:` runs the body inside it."""

    def __init__(self, path: str, file: Descriptor) -> None:
        self.path = path
        self._file = file
        self._home: Descriptor | None = None

    @property
    def fd(self) -> int:
        return self._file.fd

    @classmethod
    def open(cls, path: str) -> Netns:
        """Raises InvalidNetns (8) when the path is missing or is no network namespace."""
        try:
            file = Descriptor.open(path)
        except OSError as error:
            hint = "the pod is gone" if error.errno == errno.ENOENT else ""
            raise InvalidNetns(f"cannot open CNI_NETNS {path}: {os.strerror(error.errno or 0)}", hint) from None
        try:
            kind = fcntl.ioctl(file.fd, NS_GET_NSTYPE)
        except OSError:
            kind = 0
        if kind != CLONE_NEWNET:
            raise InvalidNetns(
                f"CNI_NETNS {path} is not a network namespace", "an unmounted bind mount looks like this"
            )
        return cls(path, file)

    @classmethod
    def open_if_any(cls, path: str) -> Netns | None:
        """For DEL: None when there is nothing left to enter (SPEC: missing is success)."""
        try:
            return cls.open(path) if path else None
        except InvalidNetns:
            return None

    def socket(self, groups: int = 0) -> Socket:
        """An rtnetlink socket of this namespace, subscribed to the multicast `groups`."""
        with self:
            return Socket(groups)

    def __enter__(self) -> Netns:
        try:
            self._home = Descriptor.open(OWN)
            enter(self.fd, CLONE_NEWNET)
        except OSError as error:
            raise KernelRefused(f"enter network namespace {self.path}", error.errno or 0, "CAP_SYS_ADMIN?") from None
        return self

    def __exit__(self, *error: object) -> None:
        if self._home is not None:
            enter(self._home.fd, CLONE_NEWNET)
            self._home = None
