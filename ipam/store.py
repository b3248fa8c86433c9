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

import errno
import os

from cni.errors import IOFailure
from ipam import directory, lock
from ipam.ranges import IP, ip_text, parse_ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

Owner = tuple[str, str]  # (container_id, ifname)
REMEDIES = {
    errno.ENOSPC: "the filesystem is full: free blocks or inodes (df, df -i)",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the filesystem is read-only: remount it or set ipam.dataDir to another place",
    errno.EACCES: "run as root and check mode and owner of the path",
    errno.EPERM: "run as root and check the attributes of the path (lsattr)",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "the system has too many open files (fs.file-max)",
    errno.ENOTDIR: "a part of the path is a file: move it or set ipam.dataDir to another place",
}


class Store:
    """An open and locked store; leaving its `with` block unlocks it."""

    __slots__ = ("_directory", "path")

    def __init__(self, opened: directory.Directory) -> None:
        self._directory = opened
        self.path = opened.path

    @classmethod
    def make(cls, data_dir: str, network: str, wait: float = lock.WAIT) -> Store:
        """The store, made where it is missing. Raises IOFailure (5), TryAgainLater (11)."""
        path = os.path.join(data_dir, network)
        try:
            directory.make(path)
            return cls(directory.Directory(path, wait))
        except OSError as error:
            raise _failure("open the store", path, error) from None

    @classmethod
    def find(cls, data_dir: str, network: str, wait: float = lock.WAIT) -> Store | None:
        """The store, None where there is none. Raises IOFailure (5), TryAgainLater (11)."""
        path = os.path.join(data_dir, network)
        try:
            return cls(directory.Directory(path, wait))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure("open the store", path, error) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.close()

    def leases(self) -> dict[IP, bytes]:
        """Every IP that is taken, with the content of its file. Raises IOFailure (5)."""
        found, errors = self._survey()
        self._report("read", errors)
        return {parse_ip(name): content for name, content in found.items() if content}

    def content(self, ip: IP) -> bytes:
        """What stands in the IP's file; b"" where it is free. Raises IOFailure (5)."""
        name = ip_text(ip)
        try:
            return self._directory.read(name)
        except OSError as error:
            raise _failure("read", self._file(name), error) from None

    def last_reserved(self, set_index: int) -> IP | None:
        """The IP that range set N gave last; None where that cannot be known: the round begins anew, no more."""
        try:
            return parse_ip(self._directory.read(f"last_reserved_ip.{set_index}").decode("ascii", "replace"))
        except (OSError, ValueError):
            return None

    def reserve(self, ip: IP, owner: Owner, set_index: int) -> bool:
        """Give the IP to the owner and note it as the set's last; False when it is taken. Raises IOFailure (5)."""
        name = ip_text(ip)
        try:
            if not self._directory.create(name, owner_content(owner)):
                return False
            name = f"last_reserved_ip.{set_index}"
            self._directory.replace(name, ip_text(ip).encode())
        except OSError as error:
            raise _failure("write", self._file(name), error) from None
        return True

    def take_back(self) -> None:
        """Undo every `reserve` since the store was opened; a lease from before stays, whosever it is."""
        self._directory.undo()

    def sync(self) -> None:
        """Let reservations outlast a power cut. A release needs none: at worst GC meets the lease again."""
        try:
            self._directory.sync()
        except OSError as error:
            raise _failure("flush", self.path, error) from None

    def release(self, owner: Owner) -> None:
        """Remove every lease of the owner; where there is none, those that name the container id alone.

        Goes on past errors and reports all of them. Raises IOFailure (5).
        """
        found, errors = self._survey()
        current, legacy = owner_content(owner), legacy_content(owner)
        names = [name for name, content in found.items() if content == current]
        self._remove(names or [name for name, content in found.items() if content == legacy], errors)

    def keep_only(self, owners: set[Owner]) -> None:
        """Remove every lease of others, and files without content. Errors as in `release`."""
        found, errors = self._survey()
        kept = {owner_content(owner) for owner in owners} | {legacy_content(owner) for owner in owners}
        self._remove([name for name, content in found.items() if content not in kept], errors)

    def probe(self) -> None:
        """Whether a lease could be written now. Raises IOFailure (5)."""
        try:
            self._directory.probe()
        except OSError as error:
            raise _failure("write to the store", self.path, error) from None

    def _survey(self) -> tuple[dict[str, bytes], list[str]]:
        """Name and content of every file that is named by an IP, and the errors met on the way."""
        try:
            names = self._directory.names()
        except OSError as error:
            raise _failure("list the store", self.path, error) from None
        found, errors = {}, []
        for name in filter(_is_ip, names):
            try:
                found[name] = self._directory.read(name)
            except IsADirectoryError:
                continue
            except OSError as error:
                errors.append(_failure("read", self._file(name), error).msg)
        return found, errors

    def _remove(self, names: Iterable[str], errors: list[str]) -> None:
        for name in names:
            try:
                self._directory.remove(name)
            except OSError as error:
                errors.append(_failure("remove", self._file(name), error).msg)
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


def _failure(what: str, path: str, error: OSError) -> IOFailure:
    return IOFailure(f"cannot {what} {path}: {error.strerror}", REMEDIES.get(error.errno or 0, ""))
