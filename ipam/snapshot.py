"""The leases of a network, read without its lock: thousands of them, and nobody waits.

By the time one acts on what was found it may be another's: whoever removes a lease looks at it again, under the lock.
"""

from __future__ import annotations

import os

from ipam import lease
from ipam.failure import failure
from ipam.lease import Record, is_ip
from ipam.ranges import IP, ip_text, parse_ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

UNREAD = b"in the way"  # of a directory, and of what cannot be read


def take(path: str, ips: Iterable[IP] | None = None) -> tuple[dict[IP, Record], list[str]]:
    """The files of these IPs, of all where none are named, and what could not be read, a sentence each.

    A file without content is a free IP's. No directory is no files. Raises IOFailure (5).
    """
    found: dict[IP, Record] = {}
    errors: list[str] = []
    fd = _opened(path)
    if fd < 0:
        return found, errors
    try:
        for ip in map(parse_ip, _leases(fd, path)) if ips is None else ips:
            name = ip_text(ip)
            try:
                found[ip] = lease.read(name, fd)
            except OSError as error:
                found[ip] = Record(UNREAD, None)
                _note(errors, path, name, error)
    finally:
        os.close(fd)
    return found, errors


def contents(path: str) -> tuple[dict[str, bytes], list[str]]:
    """Name and content of all files, as of `Lookup.survey`, and what could not be read. Raises IOFailure (5)."""
    found: dict[str, bytes] = {}
    errors: list[str] = []
    fd = _opened(path)
    if fd < 0:
        return found, errors
    try:
        for name in _leases(fd, path):
            try:
                found[name] = lease.content(name, fd)
            except OSError as error:
                _note(errors, path, name, error)
    finally:
        os.close(fd)
    return found, errors


def _opened(path: str) -> int:
    """-1 where there is none."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise failure("open the store", path, error) from None


def _leases(fd: int, path: str) -> list[str]:
    try:
        return list(filter(is_ip, os.listdir(fd)))
    except OSError as error:
        raise failure("list the store", path, error) from None


def _note(errors: list[str], path: str, name: str, error: OSError) -> None:
    if not isinstance(error, IsADirectoryError):
        errors.append(failure("read", os.path.join(path, name), error).msg)
