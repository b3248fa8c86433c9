"""The leases of one network, byte for byte in host-local's layout and under its lock.

    <dataDir>/<network>/          0755
        10.0.0.5                  0600  "<container id>\\r\\n<ifname>"; older versions wrote the id alone
        last_reserved_ip.<N>      0600  the IP that range set N gave last
        lock                      0750  flock(2) by whoever reads or writes, host-local as well

A lease file without content is what a crashed host-local left: nobody else writes while we hold the
lock, so it is no lease but a free IP. White space around a content does not count.
Source: containernetworking/plugins v1.9.1, host-local, backend/disk.

What we add is ours alone and no more than a hint: `ipam.facts` at the files, `ipam.index`, `ipam.cooldown` and
`ipam.sticky` in /run.
"""

from __future__ import annotations

import os

from cni.errors import AddressUnavailable, IOFailure
from ipam import directory, lock, rebuild
from ipam.facts import Facts
from ipam.failure import failure, report
from ipam.lease import Owner, Record, legacy_content, owner_content
from ipam.leases import Leases
from ipam.ranges import IP, ip_text, parse_ip


class Store(Leases):
    """What changes them. Leaving its `with` block unlocks it; by an error, all that was made in it is undone."""

    __slots__ = ()

    @property
    def made(self) -> dict[str, directory.Made]:
        """By `reserve` and `write`, for `take_back`."""
        return self._directory.made

    @classmethod
    def make(cls, data_dir: str, network: str, indexes: str, wait: float = lock.WAIT, cooldown: int = 0) -> Store:
        """The store, made where it is missing. Raises IOFailure (5), TryAgainLater (11)."""
        found = cls.find(data_dir, network, indexes, wait, cooldown)
        if found is not None:
            return found
        path = os.path.join(data_dir, network)
        try:
            directory.make(path)
            found = cls.find(data_dir, network, indexes, wait, cooldown)
            return found if found is not None else cls(path, indexes, wait, cooldown)
        except OSError as error:
            raise failure("open the store", path, error) from None

    @classmethod
    def find(
        cls,
        data_dir: str,
        network: str,
        indexes: str,
        wait: float = lock.WAIT,
        cooldown: int = 0,
        *,
        is_indexed: bool = True,
    ) -> Store | None:
        """The store, None where there is none. Raises IOFailure (5), TryAgainLater (11).

        `is_indexed`: an index that is out of date is made anew; not for who needs none.
        """
        path = os.path.join(data_dir, network)
        try:
            found = cls(path, indexes, wait, cooldown)
            if found.is_indexed or not is_indexed:
                return found
            found.close()
            rebuild.rebuild(path, found.hints, wait / 4)
            return cls(path, indexes, wait / 2, cooldown)  # so that all the waits stay below two of these
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure("open the store", path, error) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None:
                self.take_back(self.made)
            # otherwise it is not known what has changed, and the next one builds the index anew
            if kind is None or issubclass(kind, AddressUnavailable):
                self._lookup.settle()
        finally:
            self.close()

    def reserve(self, ip: IP, owner: Owner, set_index: int, known: Facts | None = None) -> bool:
        """Give the IP to the owner and note it as the set's last; False when it is taken. Raises IOFailure (5)."""
        if not self._create(ip_text(ip), owner_content(owner), known):
            return False
        name = f"last_reserved_ip.{set_index}"
        try:
            self._directory.overwrite(name, ip_text(ip).encode())
        except OSError as error:
            raise failure("write", self._file(name), error) from None
        return True

    def write(self, ip: IP, content: bytes) -> bool:
        """A lease without facts, which outlives a power cut; False when the IP is taken. Raises IOFailure (5)."""
        return self._create(ip_text(ip), content, is_durable=True)

    def describe_anew(self, ip: IP, known: Facts) -> None:
        """Give the IP's lease, if it has facts, these, or, where that cannot be, none. Raises IOFailure (5)."""
        name = ip_text(ip)
        try:
            self._directory.describe_anew(name, known)
        except OSError as error:
            raise failure("write", self._file(name), error) from None

    def take_back(self, made: dict[str, directory.Made]) -> None:
        """Undo this, be it of a store that was left; a lease that is not that one any more stays, whosever it is."""
        for name, content in self._directory.undo(made).items():
            self._lookup.discard(content, name)
        made.clear()

    def release(self, owner: Owner) -> None:
        """Remove every lease of the owner; where there is none, those that name the container id alone.

        Goes on past errors and reports all of them. Raises IOFailure (5).
        """
        found, errors = self._lookup.find((owner_content(owner), legacy_content(owner)))
        current = owner_content(owner)
        own = {name: content for name, content in found.items() if content == current}
        self._remove(own or found, errors)
        report("release", self.path, errors)

    def remove_if(self, name: str, content: bytes, known: Facts | None = None) -> bool:
        """Remove the file of that name, with content or without, if it is still this one. Raises IOFailure (5)."""
        if not self.record(name).is_same(Record(content, known)) or (not content and name not in self.listed()):
            return False
        errors: list[str] = []
        self._remove({name: content}, errors)
        report("release", self.path, errors)
        return True

    def remove_contents(self, leases: dict[str, bytes], errors: list[str]) -> None:
        """Remove what still has that content, whatever is known of it; notes errors and goes on."""
        same = {}
        for name, content in leases.items():
            try:
                if self.content_of(name) == content:
                    same[name] = content
            except IOFailure as error:
                errors.append(error.msg)
        self._remove(same, errors)

    def remove_same(self, records: dict[IP, Record], errors: list[str]) -> list[IP]:
        """Remove what is still what it was, facts and all, be it only in the index; these. As `remove_contents`."""
        same = {}
        for ip, record in records.items():
            try:
                if record.is_same(self.record(ip_text(ip))):
                    same[ip_text(ip)] = record.content
            except IOFailure as error:
                errors.append(error.msg)
        return [parse_ip(name) for name in self._remove(same, errors)]

    def doubt(self) -> None:
        """Whoever comes next makes the index anew."""
        self._lookup.doubt()

    def probe(self) -> None:
        """Whether a lease could be written now, and all be read. Raises IOFailure (5)."""
        try:
            self._directory.probe()
        except OSError as error:
            raise failure("write to the store", self.path, error) from None
        if not self.is_indexed:
            self.leases()

    def _create(self, name: str, content: bytes, known: Facts | None = None, *, is_durable: bool = False) -> bool:
        try:
            if not self._directory.create(name, content, known, is_durable=is_durable):
                return False
        except OSError as error:
            raise failure("write", self._file(name), error) from None
        self._lookup.add(content, name)
        return True

    def _remove(self, leases: dict[str, bytes], errors: list[str]) -> list[str]:
        """Those that are gone."""
        removed = []
        self._cooldown.begin([name for name, content in leases.items() if content])
        for name, content in leases.items():
            try:
                self._directory.remove(name)
            except OSError as error:
                errors.append(failure("remove", self._file(name), error).msg)
                continue
            self._lookup.discard(content, name)
            removed.append(name)
        return removed
