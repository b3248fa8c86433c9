"""One lease: what stands in its file, and what is known beside that."""

from __future__ import annotations

import os

from ipam import facts
from ipam.facts import Facts
from ipam.ranges import parse_ip

Owner = tuple[str, str]  # (container_id, ifname)
RESERVED = b"cni-ipam:reserved\r\n"  # begins what a person reserved; no container id has a colon
LONGEST = 4096  # bytes read of a file; libcni's cache file name alone keeps an owner below 255


class Record:
    """`content` is b"" where there is no lease, `facts` None where there are none of this content's."""

    __slots__ = ("content", "facts")

    def __init__(self, content: bytes, known: Facts | None) -> None:
        self.content = content
        self.facts = known

    def is_same(self, other: Record) -> bool:
        return self.content == other.content and self._attribute() == other._attribute()

    def _attribute(self) -> bytes:
        return facts.encode(self.facts) if self.facts is not None else b""


def read(name: str, dir_fd: int) -> Record:
    """What stands in that file, without surrounding white space, and its facts. Raises OSError."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        return Record(b"", None)
    try:
        return Record(os.read(fd, LONGEST).strip(), facts.read(fd))
    finally:
        os.close(fd)


def content(name: str, dir_fd: int) -> bytes:
    """As `read`, without the facts."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        return b""
    try:
        return os.read(fd, LONGEST).strip()
    finally:
        os.close(fd)


def owner_content(owner: Owner) -> bytes:
    return "\r\n".join(owner).encode("utf-8", "surrogateescape")


def legacy_content(owner: Owner) -> bytes:
    return owner[0].encode()


def is_of(content: bytes, owner: Owner) -> bool:
    return content in (owner_content(owner), legacy_content(owner))


def of_others(leases: dict[str, bytes], owners: set[Owner]) -> dict[str, bytes]:
    """What is nobody's of these, name -> content: files without content as well, but not what a person reserved."""
    kept = {owner_content(owner) for owner in owners} | {legacy_content(owner) for owner in owners}
    others = {name: content for name, content in leases.items() if content not in kept}
    return {name: content for name, content in others.items() if not content.startswith(RESERVED)}


def is_ip(name: str) -> bool:
    try:
        parse_ip(name)
    except ValueError:
        return False
    return True
