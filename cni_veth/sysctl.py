"""Kernel parameters under /proc/sys/net of the current network namespace (ip-sysctl). To look a path up there takes the
longer the more namespaces have one of that name: what can be asked by netlink is not read here."""

from __future__ import annotations

import errno
import os

from cni.errors import KernelRefused

ROOT = "/proc/sys/net"
_HINTS = {errno.ENOENT: "the kernel has no such parameter", errno.EINVAL: "the kernel takes no such value"}


def read(name: str) -> str | None:
    """The value of e.g. "ipv4/ip_forward"; None where the kernel has no such parameter (IPv6 off)."""
    try:
        fd = os.open(f"{ROOT}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 128).decode().strip()
    finally:
        os.close(fd)


def write(name: str, value: str, is_optional: bool = False) -> None:
    """Set it where it differs. Optional: a kernel without it is no failure. Raises KernelRefused (100)."""
    current = read(name)
    if current != value and not (current is None and is_optional):
        _set(name, value)


def write_new(name: str, value: str, is_optional: bool = False) -> None:
    """As `write`, of a link just made: its values are the kernel's defaults, so it is not worth looking first."""
    try:
        _set(name, value)
    except KernelRefused:
        write(name, value, is_optional)


def _set(name: str, value: str) -> None:
    try:
        fd = os.open(f"{ROOT}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "is /proc/sys mounted read-only?")
        raise KernelRefused(f"set sysctl net.{name.replace('/', '.')}={value}", error.errno or 0, hint) from None


def is_writable(name: str) -> bool:
    return os.access(f"{ROOT}/{name}", os.W_OK)


def forward(family: int) -> str:
    """The parameter that makes this namespace a router."""
    return "ipv4/ip_forward" if family == 4 else "ipv6/conf/all/forwarding"
