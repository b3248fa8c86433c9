"""The leases of one network, byte for byte in host-local's layout and under its lock.

    <dataDir>/<network>/          0755
        10.0.0.5                  0600  "<container id>\\r\\n<ifname>"; older versions wrote the id alone
        last_reserved_ip.<N>      0600  the IP that range set N gave last
        lock                      0750  flock(2) by whoever reads or writes, host-local as well

A lease file without content is what a crashed host-local left: nobody else writes while we hold the
lock, so it is no lease but a free IP. White space around a content does not count.
Source: containernetworking/plugins v1.9.1, host-local, backend/disk.
"""

from __future__ import annotations

import os

from cni.errors import IOFailure
from ipam import directory, lock
from ipam.failure import failure
from ipam.index import Index
from ipam.ranges import IP, ip_text, parse_ip
from ipam.taken import Taken

Owner = tuple[str, str]  # (container_id, ifname)


class Store:
    """An open and locked store; leaving its `with` block unlocks it. `indexes`: ipam.index.place."""

    __slots__ = ("_directory", "_index", "path")

    def __init__(self, path: str, indexes: str, wait: float) -> None:
        """Raises OSError, TryAgainLater (11)."""
        self.path = path
        self._directory = directory.Directory(path, wait)
        self._index = Index(os.path.join(indexes, self._directory.key), self._directory.mtime)

    @classmethod
    def make(cls, data_dir: str, network: str, indexes: str, wait: float = lock.WAIT) -> Store:
        """The store, made where it is missing. Raises IOFailure (5), TryAgainLater (11)."""
        path = os.path.join(data_dir, network)
        try:
            try:
                return cls(path, indexes, wait)
            except FileNotFoundError:
                directory.make(path)
                return cls(path, indexes, wait)
        except OSError as error:
            raise failure("open the store", path, error) from None

    @classmethod
    def find(cls, data_dir: str, network: str, indexes: str, wait: float = lock.WAIT) -> Store | None:
        """The store, None where there is none. Raises IOFailure (5), TryAgainLater (11)."""
        path = os.path.join(data_dir, network)
        try:
            return cls(path, indexes, wait)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure("open the store", path, error) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:  # otherwise it is not known what has changed, and the next one builds the index anew
                self._settle()
        finally:
            self._index.close()
            self._directory.close()

    def leases(self) -> dict[IP, bytes]:
        """Every IP that is taken, with the content of its file. Raises IOFailure (5)."""
        found, errors = self._survey()
        self._report("read", errors)
        return {parse_ip(name): content for name, content in found.items() if content}

    def leases_of(self, owner: Owner) -> list[IP]:
        """The IPs that the owner, or its container id alone, has. Raises IOFailure (5)."""
        found, errors = self._find(owner)
        self._report("read", errors)
        return [parse_ip(name) for name in found]

    def taken(self) -> Taken:
        """The IPs that cannot be given, in doubt too many of them; asking it raises IOFailure (5)."""
        return Taken(self._cannot_be_made, self._names)

    def content(self, ip: IP) -> bytes:
        """What stands in the IP's file; b"" where it is free. Raises IOFailure (5)."""
        name = ip_text(ip)
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

    def reserve(self, ip: IP, owner: Owner, set_index: int) -> bool:
        """Give the IP to the owner and note it as the set's last; False when it is taken. Raises IOFailure (5)."""
        lease = name = ip_text(ip)
        content = owner_content(owner)
        try:
            if not self._directory.create(name, content):
                return False
            name = f"last_reserved_ip.{set_index}"
            self._directory.overwrite(name, lease.encode())
        except OSError as error:
            raise failure("write", self._file(name), error) from None
        if self._index.is_current:
            self._index.add(content, lease)
        return True

    def take_back(self) -> None:
        """Undo every `reserve` since the store was opened; a lease from before stays, whosever it is.

        The error that led here must leave the `with` block: the index knows nothing of this.
        """
        self._directory.undo()

    def release(self, owner: Owner) -> None:
        """Remove every lease of the owner; where there is none, those that name the container id alone.

        Goes on past errors and reports all of them. Raises IOFailure (5).
        """
        found, errors = self._find(owner)
        current = owner_content(owner)
        own = {name: content for name, content in found.items() if content == current}
        self._remove(own or found, errors)

    def keep_only(self, owners: set[Owner]) -> None:
        """Remove every lease of others, and files without content. Errors as in `release`."""
        found, errors = self._survey()
        kept = {owner_content(owner) for owner in owners} | {legacy_content(owner) for owner in owners}
        self._remove({name: content for name, content in found.items() if content not in kept}, errors)

    def probe(self) -> None:
        """Whether a lease could be written now, and all be read. Raises IOFailure (5)."""
        try:
            self._directory.probe()
        except OSError as error:
            raise failure("write to the store", self.path, error) from None
        if not self._index.is_current:
            self.leases()

    def _find(self, owner: Owner) -> tuple[dict[str, bytes], list[str]]:
        """Name and content of the leases of the owner or its container id alone, and the errors met on the way."""
        contents = (owner_content(owner), legacy_content(owner))
        if self._index.is_current:
            found = {name: content for content in contents for name in self._index.names(content)}
            if self._index.is_current and all(self._holds(name, content) for name, content in found.items()):
                return found, []
            self._index.is_current = False
        found, errors = self._survey()
        return {name: content for name, content in found.items() if content in contents}, errors

    def _survey(self) -> tuple[dict[str, bytes], list[str]]:
        """Name and content of every file that is named by an IP, and the errors met on the way."""
        found, errors = {}, []
        for name in filter(_is_ip, self._names()):
            try:
                found[name] = self._directory.read(name)
            except IsADirectoryError:
                continue
            except OSError as error:
                errors.append(failure("read", self._file(name), error).msg)
        if not errors and not self._index.is_current:
            try:
                self._index.rebuild(found, self._directory.stamp())
            except OSError:
                pass  # the next one surveys as well
        return found, errors

    def _settle(self) -> None:
        if self._index.is_current and self._directory.is_changed:
            try:
                self._index.settle(self._directory.stamp())
            except OSError:
                pass  # the next one finds it out of date

    def _names(self) -> list[str]:
        try:
            return self._directory.names()
        except OSError as error:
            raise failure("list the store", self.path, error) from None

    def _cannot_be_made(self, name: str) -> bool:
        try:
            return self._directory.is_in_use(name)
        except OSError:
            return True  # what cannot be read is somebody's

    def _holds(self, name: str, content: bytes) -> bool:
        try:
            return self._directory.read(name) == content
        except OSError:
            return False

    def _remove(self, leases: dict[str, bytes], errors: list[str]) -> None:
        for name, content in leases.items():
            try:
                self._directory.remove(name)
            except OSError as error:
                errors.append(failure("remove", self._file(name), error).msg)
                continue
            if self._index.is_current:
                self._index.discard(content, name)
        self._report("release", errors)

    def _report(self, what: str, errors: list[str]) -> None:
        if errors:
            raise IOFailure(f"cannot {what} {len(errors)} leases in {self.path}: {errors[0]}", "\n".join(errors))

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)


def owner_content(owner: Owner) -> bytes:
    return "\r\n".join(owner).encode("utf-8", "surrogateescape")


def legacy_content(owner: Owner) -> bytes:
    return owner[0].encode()


def is_of(content: bytes, owner: Owner) -> bool:
    return content in (owner_content(owner), legacy_content(owner))


def _is_ip(name: str) -> bool:
    try:
        parse_ip(name)
    except ValueError:
        return False
    return True
