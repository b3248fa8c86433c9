"""The leases by their content, so that an owner's are found without reading all: ours alone, and rebuilt when in doubt.

    <run dir>/ipam/<st_dev>-<st_ino of the network's directory>/   0700
        <digest of a content> -> "10.0.0.5 fd00::5"                a symlink; its target names the files that hold it

It is current while its directory has the mtime of the network's. `Directory.stamp` gives the two one that no change
will give again, so whatever anybody else creates or removes, and a crash of ours before the stamp, tells.
A file that is written in place does not: who finds that a name does not hold the content sets `is_current` to False.
"""

from __future__ import annotations

import os
from _blake2 import blake2b  # hashlib would load OpenSSL

from ipam import directory

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
SECOND = 10**9  # ns


def place(run_dir: str) -> str:
    """Where the indexes of all networks lie."""
    return os.path.join(run_dir, "ipam")


class Index:
    """Of one network, used under its store's lock. Where it cannot be read or written it is not current, no more."""

    __slots__ = ("_changed", "_fd", "_names", "_path", "is_current")

    def __init__(self, path: str, mtime: int) -> None:
        """`mtime` is the network directory's, in ns, from before any change."""
        self._path = path
        self._fd = -1
        self._names: dict[str, list[str]] = {}  # of the keys asked for
        self._changed: set[str] = set()
        self.is_current = False
        try:
            self._fd = os.open(path, FLAGS)
            # where times have whole seconds two changes can have the same
            self.is_current = mtime % SECOND != 0 and os.fstat(self._fd).st_mtime_ns == mtime
        except OSError:
            pass

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def names(self, content: bytes) -> list[str]:
        """The files that hold the content. Only of a current one."""
        return self._of(_key(content))

    def add(self, content: bytes, name: str) -> None:
        self._change(_key(content), name, True)

    def discard(self, content: bytes, name: str) -> None:
        self._change(_key(content), name, False)

    def settle(self, mtime: int) -> None:
        """Write what was added and discarded; current for a network directory of that mtime. Raises OSError."""
        for key in self._changed:
            names = self._names[key]
            if not names:
                os.unlink(key, dir_fd=self._fd)
                continue
            try:
                os.symlink(" ".join(names), key, dir_fd=self._fd)
            except FileExistsError:
                os.unlink(key, dir_fd=self._fd)
                os.symlink(" ".join(names), key, dir_fd=self._fd)
        self._changed.clear()
        os.utime(self._fd, ns=(mtime, mtime))

    def rebuild(self, found: dict[str, bytes], mtime: int) -> None:
        """Make it name these files, name -> content, and no other. Raises OSError."""
        missing: dict[str, list[str]] = {}
        for name, content in found.items():
            if content:
                missing.setdefault(_key(content), []).append(name)
        self._names.clear()
        if self._fd < 0:
            directory.make(self._path, 0o700)
            self._fd = os.open(self._path, FLAGS)
        for key in os.listdir(self._fd):
            if self._of(key) == missing.get(key):
                del missing[key]
            else:
                os.unlink(key, dir_fd=self._fd)
        self._names = missing
        self._changed = set(missing)
        self.settle(mtime)
        self.is_current = True

    def drift(self, found: dict[str, bytes]) -> list[str]:
        """What it says of these files, name -> content, that is not so, a sentence each. Only of a current one."""
        wanted: dict[str, list[str]] = {}
        for name, content in found.items():
            if content:
                wanted.setdefault(_key(content), []).append(name)
        keys = sorted({*wanted, *os.listdir(self._fd)})
        pairs = [(key, sorted(self._of(key)), sorted(wanted.get(key, []))) for key in keys]
        return [
            f"entry {key} names {here or 'nothing'}, should name {there or 'nothing'}"
            for key, here, there in pairs
            if here != there
        ]

    def _of(self, key: str) -> list[str]:
        if key not in self._names:
            self._names[key] = []
            try:
                self._names[key] = os.readlink(key, dir_fd=self._fd).split()
            except FileNotFoundError:
                pass
            except OSError:
                self.is_current = False
        return self._names[key]

    def _change(self, key: str, name: str, is_there: bool) -> None:
        names = self._of(key)
        if (name in names) != is_there:
            names.append(name) if is_there else names.remove(name)
            self._changed.add(key)


def _key(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
