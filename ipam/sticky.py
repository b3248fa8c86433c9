"""Which IPs a pod had last, so that it gets them back: a hint, ours alone, beside the index and gone with a reboot.

sticky-<digest of whose> -> "10.0.0.5 fd00::5"    the last IPs of a pod's interface
sticky-<ip> -> <digest>                           whose the IP was last

A range of IPv6 has no end, so now and then the entries that are oldest go.
"""

from __future__ import annotations

import os
from _blake2 import blake2b  # hashlib would load OpenSSL

from ipam.ranges import IP, ip_text, parse_ip

PREFIX = "sticky-"
PRUNE_ONCE_IN = 64  # notes: a listing then costs each of them little
FEWEST = 4096  # entries that are kept at least; a pod and an IP are one each


def recall(fd: int, whose: str) -> list[IP]:
    """What `note` was told last, without what others got since; `fd` is the directory's. Never fails."""
    return [ip for ip in _ips(fd, _digest(whose)) if _read(fd, ip_text(ip)) == _digest(whose)]


def note(fd: int, whose: str, ips: list[IP]) -> None:
    """These are the IPs that the pod has now. Never fails: what cannot be noted is not recalled."""
    digest = _digest(whose)
    former = _ips(fd, digest)
    for ip in former:
        if ip not in ips and _read(fd, ip_text(ip)) == digest:
            _write(fd, ip_text(ip), "")
    for ip in ips:
        other = _read(fd, ip_text(ip))
        if other == digest:
            continue
        rest = [text for text in _read(fd, other).split() if text != ip_text(ip)] if other else []
        if other:
            _write(fd, other, " ".join(rest))
        _write(fd, ip_text(ip), digest)
    if former != ips:
        _write(fd, digest, " ".join(ip_text(ip) for ip in ips))


def prune(fd: int, most: int) -> None:
    """Forget the oldest entries until there are `most`. Never fails."""
    try:
        names = [name for name in os.listdir(fd) if name.startswith(PREFIX)] if fd >= 0 else []
        by_age = sorted((os.lstat(name, dir_fd=fd).st_mtime_ns, name) for name in names) if len(names) > most else []
        for _, name in by_age[: len(names) - most]:
            os.unlink(name, dir_fd=fd)
    except OSError:
        pass


def _ips(fd: int, digest: str) -> list[IP]:
    try:
        return [parse_ip(text) for text in _read(fd, digest).split()]
    except ValueError:
        return []


def _read(fd: int, name: str) -> str:
    try:
        return os.readlink(PREFIX + name, dir_fd=fd)
    except OSError:
        return ""


def _write(fd: int, name: str, target: str) -> None:
    """ "" removes it. A crash in between forgets, no more."""
    try:
        os.unlink(PREFIX + name, dir_fd=fd)
    except OSError:
        pass
    try:
        if target:
            os.symlink(target, PREFIX + name, dir_fd=fd)
    except OSError:
        pass


def _digest(whose: str) -> str:
    return blake2b(whose.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
