"""Whose which lease is: by the index while it is current and the files say the same, by reading all otherwise."""

from __future__ import annotations

import os

from ipam import blocks
from ipam.directory import Directory
from ipam.failure import failure
from ipam.index import Index
from ipam.lease import is_ip


class Lookup:
    """In an open store. What its methods find stands in the files, whatever the index says."""

    __slots__ = ("_directory", "_index", "_used", "_was_current")

    def __init__(self, directory: Directory, index: Index) -> None:
        self._directory = directory
        self._index = index
        self._was_current = index.is_current
        self._used: dict[str, int] | None = None

    @property
    def is_current(self) -> bool:
        return self._index.is_current

    def close(self) -> None:
        self._index.close()

    def find(self, contents: tuple[bytes, ...]) -> tuple[dict[str, bytes], list[str]]:
        """Name and content of the leases with one of the contents, and the errors met on the way."""
        if self._index.is_current:
            named = [(content, self._index.names(content)) for content in contents]
            known = {name: content for content, names in named for name in names or ()}
            if not self._index.is_current or not all(self._holds(name, content) for name, content in known.items()):
                self._index.is_current = False
            elif all(names is not None for _, names in named):
                return known, []
        found, errors = self.survey()
        return {name: content for name, content in found.items() if content in contents}, errors

    def used(self, family: int, block: int) -> int:
        """The IPs of a block that have a file, as bits: a hint. Raises IOFailure (5)."""
        if self._index.is_current:
            return self._index.used(family, block)
        if self._used is None:
            self._used = blocks.of(filter(is_ip, self.names()))
        return self._used.get(blocks.key(family, block), 0)

    def survey(self) -> tuple[dict[str, bytes], list[str]]:
        """Name and content of every file that is named by an IP, and the errors met on the way."""
        found, errors = contents(self._directory)
        if not errors and not self._index.is_current:
            try:
                if self._index.hold():
                    self._index.rebuild(found, self._directory.stamp())
            except OSError:
                pass  # the next one surveys as well
        return found, errors

    def names(self) -> list[str]:
        """Of all files. Raises IOFailure (5)."""
        return names(self._directory)

    def add(self, content: bytes, name: str) -> None:
        if self._index.is_current:
            self._index.add(content, name)

    def discard(self, content: bytes, name: str) -> None:
        if self._index.is_current:
            self._index.discard(content, name)

    def settle(self) -> None:
        """Tell the index what has changed, or, where it was wrong, everybody that it is out of date."""
        try:
            if self._index.is_current and self._directory.is_changed:
                self._index.settle(self._directory.stamp())
            elif self._was_current and not self._index.is_current:
                self._directory.stamp()
        except OSError:
            pass  # the next one finds it out of date

    def doubt(self) -> None:
        """Who looks now reads all, and who comes next builds it anew."""
        self._index.is_current = False

    def drift(self) -> list[str]:
        """What a current index says wrongly, a sentence each. Raises IOFailure (5)."""
        return self._index.drift(self.survey()[0]) if self._index.is_current else []

    def _holds(self, name: str, content: bytes) -> bool:
        try:
            return self._directory.read(name) == content
        except OSError:
            return False


def contents(directory: Directory) -> tuple[dict[str, bytes], list[str]]:
    """Name and content of every file that is named by an IP, and the errors met on the way. Raises IOFailure (5)."""
    found, errors = {}, []
    for name in filter(is_ip, names(directory)):
        try:
            found[name] = directory.read(name)
        except IsADirectoryError:
            continue
        except OSError as error:
            errors.append(failure("read", os.path.join(directory.path, name), error).msg)
    return found, errors


def names(directory: Directory) -> list[str]:
    """Of all files. Raises IOFailure (5)."""
    try:
        return directory.names()
    except OSError as error:
        raise failure("list the store", directory.path, error) from None
