"""The leases by their content and the used IPs by blocks, so that nobody reads all: ours alone, rebuilt when in doubt.

    <run dir>/ipam/<st_dev>-<st_ino of the network's directory>/   0700
        <digest of a content> -> "10.0.0.5 fd00::5"                a symlink; its target names the files that hold it,
                                                                   "*" if these are too many for it
        10.0.0.0 -> "2c"                                           `ipam.blocks`: of this /24, .2, .3 and .5 are used

It is current while its directory has the mtime of the network's. `Directory.stamp` gives the two one that no change
will give again, so whatever anybody else creates or removes, and a crash of ours before the stamp, tells. A time that
the kernel gave to either tells nothing, as it may have given it to both.
One that is not current is written by who holds it alone.
A file that is written in place does not: who finds that a name does not hold the content sets `is_current` to False.
"""

from __future__ import annotations

import os
from _blake2 import blake2b  # hashlib would load OpenSSL

from ipam import blocks, directory, lock

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
SECOND = 10**9  # ns
MANY = "*"
LONGEST = 1000  # bytes of a text: a symlink's target has fewer than 1024 on XFS, than 4096 on others


def place(run_dir: str) -> str:
    """Where the indexes of all networks lie."""
    return os.path.join(run_dir, "ipam")


class Index:
    """Of one network; used under its store's lock, but to hold it and make it anew.

    Where it cannot be read or written it is not current, no more.
    """

    __slots__ = ("_changed", "_fd", "_found", "_path", "_texts", "is_current")

    def __init__(self, path: str, mtime: int) -> None:
        """`mtime` is the network directory's, in ns, from before any change."""
        self._path = path
        self._fd = -1
        self._texts: dict[str, str] = {}  # of the keys asked for, "" where there is none
        self._found: set[str] = set()  # of these, what is on the disk
        self._changed: set[str] = set()
        self.is_current = False
        try:
            self._fd = os.open(path, FLAGS)
            self.is_current = self.is_of(mtime)
        except OSError:
            pass

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def is_of(self, mtime: int) -> bool:
        """Whether it tells of a network directory of that mtime. Raises OSError."""
        status = os.fstat(self._fd)
        return is_telling(mtime) and mtime == status.st_mtime_ns < status.st_ctime_ns

    def names(self, content: bytes) -> list[str] | None:
        """The files that hold the content, None for too many to name. Only of a current one."""
        text = self._text(_key(content))
        return text.split() if text != MANY else None

    def used(self, family: int, block: int) -> int:
        """The bits of a block, too few of them in doubt. Only of a current one."""
        return self._bits(blocks.key(family, block))

    def add(self, content: bytes, name: str) -> None:
        names = self.names(content)
        if names is not None:
            self._write(_key(content), _joined({*names, name}))
        where, bit = blocks.place(name)
        self._write(where, _hex(self._bits(where) | bit))

    def discard(self, content: bytes, name: str) -> None:
        names = self.names(content)
        if names is not None:
            self._write(_key(content), _joined({*names} - {name}))
        where, bit = blocks.place(name)
        self._write(where, _hex(self._bits(where) & ~bit))

    def settle(self, mtime: int) -> None:
        """Write what was added and discarded; current for a network directory of that mtime. Raises OSError."""
        for key in sorted(self._changed):  # in one order, so that every run makes the same calls
            text = self._texts[key]
            if key in self._found:
                self._found.discard(key)
                os.unlink(key, dir_fd=self._fd)
            if text:
                os.symlink(text, key, dir_fd=self._fd)
                self._found.add(key)
        self._changed.clear()
        os.utime(self._fd, ns=(mtime, mtime))

    def hold(self) -> bool:
        """Until it is closed, and made where it is missing; False where somebody else does. Raises OSError."""
        if self._fd < 0:
            directory.make(self._path, 0o700)
            self._fd = os.open(self._path, FLAGS)
        return lock.is_free(self._fd)

    def wait(self, seconds: float) -> None:
        """Until nobody holds it, and no longer. Raises OSError."""
        lock.flock(self._fd, seconds)

    def rebuild(self, found: dict[str, bytes], mtime: int) -> None:
        """Make it tell of these files, name -> content, and of no other. Raises OSError."""
        wanted = _wanted(found)
        self._changed.clear()
        self._found = set(os.listdir(self._fd))
        self._texts = {key: "" for key in wanted if key not in self._found}
        for key in {*wanted, *self._found}:
            self._write(key, wanted.get(key, ""))
        self.settle(mtime)
        self.is_current = True

    def drift(self, found: dict[str, bytes]) -> list[str]:
        """What it says of these files, name -> content, that is not so, a sentence each. Only of a current one."""
        wanted = _wanted(found)
        keys = sorted({*wanted, *os.listdir(self._fd)})
        pairs = [(key, self._text(key), wanted.get(key, "")) for key in keys]
        return [
            f"entry {key} says {here or 'nothing'}, should say {there or 'nothing'}"
            for key, here, there in pairs
            if here not in (there, MANY)
        ]

    def _bits(self, where: str) -> int:
        try:
            return int(self._text(where) or "0", 16) & blocks.FULL
        except ValueError:
            self.is_current = False
            return 0

    def _text(self, key: str) -> str:
        if key not in self._texts:
            self._texts[key] = ""
            try:
                self._texts[key] = os.readlink(key, dir_fd=self._fd)
                self._found.add(key)
            except FileNotFoundError:
                pass
            except OSError:
                self.is_current = False
        return self._texts[key]

    def _write(self, key: str, text: str) -> None:
        if self._text(key) != text:
            self._texts[key] = text
            self._changed.add(key)


def is_telling(mtime: int) -> bool:
    """Where times have whole seconds two changes can have the same."""
    return mtime % SECOND != 0


def _wanted(found: dict[str, bytes]) -> dict[str, str]:
    names: dict[str, set[str]] = {}
    for name, content in found.items():
        if content:
            names.setdefault(_key(content), set()).add(name)
    used = blocks.of(name for name, content in found.items() if content)
    return {key: _joined(of) for key, of in names.items()} | {key: _hex(bits) for key, bits in used.items()}


def _joined(names: set[str]) -> str:
    text = " ".join(sorted(names))
    return text if len(text) <= LONGEST else MANY


def _hex(bits: int) -> str:
    return f"{bits:x}" if bits else ""


def _key(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
