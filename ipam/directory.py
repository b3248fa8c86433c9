"""A locked directory whose files appear whole or not at all; every method raises OSError.

A file is written under another name, then renamed into place. One such name is enough, as it is only used under
the lock; what a crash leaves there, the next one to write or to list removes. Nothing of a pod's is flushed: no pod
outlives a power cut, so no lease need, and what one leaves empty or torn is no lease or GC's. What a person writes is.
"""

from __future__ import annotations

import errno
import os
import time

from ipam import facts, lease, lock
from ipam.facts import Facts

UNFINISHED = ".cni-ipam.unfinished"
SECOND, MICROSECOND = 10**9, 10**3  # ns
CLOCK_LAG = 1 << 26  # ns; what the kernel writes into an mtime is up to one tick of 10 ms old

Made = tuple[bytes, int, int]  # content, inode and mtime in ns: no other file of that name ever has all of them


class Directory:
    """Open and locked from construction to `close`. Contents come without surrounding white space.

    `mtime` is what `stamp` gave, in ns, 0 if something has changed since; `key` tells it from all others of this
    machine; `made` is what `create` made, by name, for `undo`.
    """

    __slots__ = ("_fd", "_is_unfinished", "_lock", "_sizes", "is_changed", "key", "made", "mtime", "path")

    def __init__(self, path: str, wait: float) -> None:
        """Raises OSError, TryAgainLater (11)."""
        self.path = path
        self.is_changed = False
        self.made: dict[str, Made] = {}
        self._is_unfinished = False
        self._sizes: dict[str, int] = {}  # of the files that were read
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock = -1
        try:
            self._lock = lock.acquire(self._fd, path, wait)
            status = os.fstat(self._fd)
        except BaseException:
            self.close()
            raise
        # only `stamp` makes the two differ: the kernel's own time another directory may have as well
        self.mtime = status.st_mtime_ns if status.st_mtime_ns < status.st_ctime_ns else 0
        self.key = f"{status.st_dev}-{status.st_ino}"

    def close(self) -> None:
        if self._is_unfinished:
            self.discard_unfinished()
        self.unlock()
        os.close(self._fd)

    def unlock(self) -> None:
        """What reads can still be used."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def names(self) -> list[str]:
        names = os.listdir(self._fd)
        if UNFINISHED in names and self._lock >= 0:
            self.discard_unfinished()
        return names

    def read(self, name: str) -> bytes:
        """b"" where there is no such file."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            return b""
        try:
            content = os.read(fd, lease.LONGEST)
            self._sizes[name] = len(content)
            return content.strip()
        finally:
            os.close(fd)

    def inspect(self, name: str) -> lease.Record:
        return lease.read(name, self._fd)

    def describe_anew(self, name: str, known: Facts) -> None:
        """Give a file that has facts others, or, where that cannot be, none; who made it cannot undo it any more."""
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            has_facts = facts.read(fd) is not None
            before = os.fstat(fd).st_mtime_ns
            mtime = before + MICROSECOND
            _touch(fd, mtime)
            if os.fstat(fd).st_mtime_ns == before:  # whole seconds
                mtime = before + SECOND
                _touch(fd, mtime)
            if has_facts and not facts.write(fd, known, mtime // SECOND):
                facts.remove(fd)
        finally:
            os.close(fd)

    def is_in_use(self, name: str) -> bool:
        """Whether there is something else than a file without content; what cannot be read is somebody's."""
        try:
            return self.read(name) != b""
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):  # says nothing of the file
                raise
            return True

    def create(self, name: str, content: bytes, known: Facts | None = None, *, is_durable: bool = False) -> bool:
        """Make the file, or take over one without content; False where there is one with content.

        The facts, if any, come with it, or are left out where the filesystem has no room for them.
        """
        if self.is_in_use(name):
            return False
        self.made[name] = self._write(content, known, is_durable)  # noted first: a signal may end us after the rename
        os.rename(UNFINISHED, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        self._is_unfinished = False
        if is_durable:
            self._flush()
        return True

    def overwrite(self, name: str, content: bytes) -> None:
        """A hint, which a crash may mix with the one before: ext4 flushes a file that is renamed over another."""
        self.is_changed = True  # where it is a new one
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        try:
            _write_whole(fd, content)
            if self._sizes.get(name, lease.LONGEST) > len(content):
                os.ftruncate(fd, len(content))
        finally:
            os.close(fd)

    def remove(self, name: str) -> None:
        """A file that is not there is success."""
        self.is_changed = True
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            return

    def undo(self, made: dict[str, Made]) -> dict[str, bytes]:
        """Remove what `create` made, be it before this was opened, and nothing else of those names; name -> content."""
        removed = {}
        for name, (content, inode, mtime) in made.items():
            try:
                status = os.stat(name, dir_fd=self._fd)
                is_that = (status.st_ino, status.st_mtime_ns) == (inode, mtime)
                # where times have whole seconds another lease may have both
                if is_that and (mtime % SECOND or self.read(name) == content):
                    self.remove(name)
                    removed[name] = content
            except OSError:
                continue  # the error that led here is the one to tell; DEL will remove the rest
        return removed

    def stamp(self) -> int:
        """Give the directory an mtime that it never had and no change will give it; it in ns, as the disk keeps it."""
        ns = time.time_ns() - CLOCK_LAG - int.from_bytes(os.urandom(4), "big")
        os.utime(self._fd, ns=(ns, ns))
        self.is_changed = False
        return os.fstat(self._fd).st_mtime_ns

    def probe(self) -> None:
        """Whether a file could be written now."""
        self._write(b"probe")
        self.discard_unfinished()
        self._is_unfinished = False

    def _flush(self) -> None:
        """The names in it, and its own."""
        os.fsync(self._fd)
        parent = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def _write(self, content: bytes, known: Facts | None = None, is_durable: bool = False) -> Made:
        """UNFINISHED with that content."""
        self.is_changed = self._is_unfinished = True
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(UNFINISHED, flags, 0o600, dir_fd=self._fd)
        except FileExistsError:
            self.discard_unfinished()  # never overwritten: older versions left second names of finished files
            fd = os.open(UNFINISHED, flags, 0o600, dir_fd=self._fd)
        try:
            _write_whole(fd, content)
            mtime = time.time_ns()
            _touch(fd, mtime)  # the kernel's own time a later file with the same inode may have as well
            if known is not None:
                facts.write(fd, known, mtime // SECOND)  # a lease without them is one that nobody can prove dead
            if is_durable:
                os.fsync(fd)
            status = os.fstat(fd)
            return content, status.st_ino, status.st_mtime_ns
        finally:
            os.close(fd)

    def discard_unfinished(self) -> None:
        """What a crash left, if anything."""
        self.is_changed = True
        try:
            os.unlink(UNFINISHED, dir_fd=self._fd)
        except OSError:
            pass  # there is none, or O_EXCL will tell


def _write_whole(fd: int, content: bytes) -> None:
    if os.write(fd, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _touch(fd: int, mtime: int) -> None:
    try:
        os.utime(fd, ns=(mtime, mtime))
    except OSError:
        pass  # it keeps the kernel's


def make(path: str, mode: int = 0o755) -> None:
    """mkdir -p, every level with that mode; os.makedirs would give parents 0777."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if not parent:
            raise
        make(parent, mode)
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            return  # by another ADD meanwhile


def open_made(path: str) -> int:
    """A directory of ours in /run, made where it is missing; -1 where that cannot be."""
    try:
        make(path, 0o700)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1
