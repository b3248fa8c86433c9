"""A locked directory whose files appear whole or not at all; every method raises OSError.

A file is written under another name, flushed where it matters, then linked or renamed into place. One such
name is enough, as it is only used under the lock; what a crash leaves there, the next one in removes.
"""

from __future__ import annotations

import errno
import os

from ipam import lock

UNFINISHED = ".cni-ipam.unfinished"
LONGEST = 4096  # bytes read of a file; libcni's cache file name alone keeps an owner below 255


class Directory:
    """Open and locked from construction to `close`. Contents come without surrounding white space."""

    __slots__ = ("_fd", "_lock", "_made", "path")

    def __init__(self, path: str, wait: float) -> None:
        """Raises OSError, TryAgainLater (11)."""
        self.path = path
        self._made: dict[str, int] = {}  # name -> inode
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._lock = lock.acquire(self._fd, path, wait)
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        self._discard_unfinished()
        os.close(self._lock)
        os.close(self._fd)

    def names(self) -> list[str]:
        return os.listdir(self._fd)

    def read(self, name: str) -> bytes:
        """b"" where there is no such file."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            return b""
        try:
            return os.read(fd, LONGEST).strip()
        finally:
            os.close(fd)

    def create(self, name: str, content: bytes) -> bool:
        """Make the file, or take over one without content; False where there is one with content."""
        self._made[name] = self._write(content, flush=True)  # noted first: a signal may end us after the link
        try:
            os.link(UNFINISHED, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except FileExistsError:
            if self._is_in_use(name):
                return False
            self._put(name)
        return True

    def replace(self, name: str, content: bytes) -> None:
        """A file that may be lost or stale after a power cut, but never torn before it."""
        self._write(content)
        self._put(name)

    def remove(self, name: str) -> None:
        """A file that is not there is success."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            return

    def undo(self) -> None:
        """Remove what `create` made since the directory was opened, and nothing else of those names."""
        for name, inode in self._made.items():
            try:
                if os.stat(name, dir_fd=self._fd).st_ino == inode:
                    os.unlink(name, dir_fd=self._fd)
            except OSError:
                continue  # the error that led here is the one to tell; DEL will remove the rest

    def sync(self) -> None:
        os.fsync(self._fd)

    def probe(self) -> None:
        """Whether a file could be written now."""
        self._write(b"probe")

    def _is_in_use(self, name: str) -> bool:
        try:
            return self.read(name) != b""
        except IsADirectoryError:
            return True

    def _write(self, content: bytes, flush: bool = False) -> int:
        self._discard_unfinished()  # never overwritten: it may be the second name of a finished file
        fd = os.open(UNFINISHED, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        try:
            if os.write(fd, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if flush:
                os.fsync(fd)
            return os.fstat(fd).st_ino
        finally:
            os.close(fd)

    def _put(self, name: str) -> None:
        os.rename(UNFINISHED, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def _discard_unfinished(self) -> None:
        try:
            os.unlink(UNFINISHED, dir_fd=self._fd)
        except OSError:
            pass  # there is none, or O_EXCL will tell


def make(path: str) -> None:
    """mkdir -p, every level 0755; os.makedirs would give parents 0777."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if not parent:
            raise
        make(parent)
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            return  # by another ADD meanwhile
