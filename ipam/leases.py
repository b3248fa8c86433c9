"""What an open store has: whose which IP is, and which IPs seem to be free. Nothing here changes a lease."""

from __future__ import annotations

import os

from ipam import blocks, directory
from ipam.cooldown import Cooldown
from ipam.failure import failure, report
from ipam.index import Index
from ipam.lease import Owner, Record, legacy_content, owner_content
from ipam.lookup import Lookup
from ipam.ranges import IP, ip_text, parse_ip


class Leases:
    """Of one network, locked. `indexes`: ipam.index.place; `wait` for the lock and `cooldown` are seconds.

    `hints` is the path of the index; beside it there is room for others.
    """

    __slots__ = ("_cooldown", "_directory", "_lookup", "hints", "path")

    def __init__(self, path: str, indexes: str, wait: float, cooldown: int = 0) -> None:
        """Raises OSError, TryAgainLater (11)."""
        self.path = path
        self._directory = directory.Directory(path, wait)
        try:
            self.hints = os.path.join(indexes, self._directory.key)
            self._lookup = Lookup(self._directory, Index(self.hints, self._directory.mtime))
        except BaseException:  # of a signal's handler: a worker lives on
            self._directory.close()
            raise
        self._cooldown = Cooldown(f"{self.hints}.cool", cooldown)

    def close(self) -> None:
        """Unlock it, no more."""
        self._lookup.close()
        self._directory.close()

    @property
    def is_indexed(self) -> bool:
        """Whether the index is current."""
        return self._lookup.is_current

    def leases(self) -> dict[IP, bytes]:
        """Every IP that is taken, with the content of its file. Raises IOFailure (5)."""
        found, errors = self._lookup.survey()
        report("read", self.path, errors)
        return {parse_ip(name): content for name, content in found.items() if content}

    def leases_of(self, owner: Owner) -> list[IP]:
        """The IPs that the owner, or its container id alone, has. Raises IOFailure (5)."""
        found, errors = self._lookup.find((owner_content(owner), legacy_content(owner)))
        report("read", self.path, errors)
        return [parse_ip(name) for name in found]

    def record(self, name: str) -> Record:
        """What is known of the lease of that name. Raises IOFailure (5)."""
        try:
            return self._directory.inspect(name)
        except OSError as error:
            raise failure("read", self._file(name), error) from None

    def cooling(self) -> list[IP]:
        """The IPs that were released a moment ago, whoever has them now."""
        return [parse_ip(name) for name in self._cooldown.names()]

    def is_taken(self, ip: IP) -> bool:
        """Whether it cannot be given, by its file. Raises IOFailure (5)."""
        name = ip_text(ip)
        try:
            return self._directory.is_in_use(name)
        except OSError as error:
            raise failure("read", self._file(name), error) from None

    def first_left(self, ip: IP, end: int) -> int:
        """The first number from the IP's on that seems to be free, or one beyond `end`. Raises IOFailure (5)."""
        return blocks.next_clear(self._lookup.used, ip, end)

    def first_cold(self, ip: IP, end: int) -> int:
        """As `first_left`, and that does not cool."""
        return blocks.next_clear(self._used_or_cooling, ip, end)

    def content(self, ip: IP) -> bytes:
        """What stands in the IP's file; b"" where it is free. Raises IOFailure (5)."""
        return self.content_of(ip_text(ip))

    def content_of(self, name: str) -> bytes:
        """As `content`, of the file of that name."""
        try:
            return self._directory.read(name)
        except OSError as error:
            raise failure("read", self._file(name), error) from None

    def last_reserved(self, set_index: int) -> IP | None:
        """The IP that range set N gave last; None where that cannot be known: the round begins anew, no more."""
        try:
            return parse_ip(self._directory.read(f"last_reserved_ip.{set_index}").decode("ascii", "replace"))
        except (OSError, ValueError):
            return None

    def listed(self) -> list[str]:
        """The names of all files. Raises IOFailure (5)."""
        return self._lookup.names()

    def drift(self) -> list[str]:
        """What the index says wrongly although it passes for current, a sentence each. Raises IOFailure (5)."""
        return self._lookup.drift()

    def _used_or_cooling(self, family: int, block: int) -> int:
        used = self._lookup.used(family, block)
        return used if used == blocks.FULL else used | self._cooldown.bits(family, block)

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)
