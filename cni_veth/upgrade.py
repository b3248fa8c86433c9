"""The server's own program on disk: whether another version has taken its place. dnotify tells (fcntl(2), F_NOTIFY)."""

from __future__ import annotations

import fcntl
import os
import sys

# renamed and new entries of a directory; the kernel tells by SIGIO
CHANGES = fcntl.DN_MULTISHOT | fcntl.DN_CREATE | fcntl.DN_RENAME | fcntl.DN_DELETE


class Program:
    """The executable under the path that it was started by, which may be a link that an upgrade turns."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path if "/" in path else _in_path(path))
        self._identity = _identity("/proc/self/exe")
        self._directories: list[int] = []

    @property
    def build(self) -> str:
        """What a launcher of the same build calls it. Raises OSError."""
        with open(os.path.join(os.path.dirname(sys.executable), "BUILD"), encoding="ascii") as file:
            return file.read().strip()

    def watch(self) -> None:
        """SIGIO whenever something is made, renamed or removed where the path leads through. Raises OSError."""
        program = os.path.dirname(os.path.realpath(self.path))
        for directory in {os.path.dirname(self.path), program, os.path.dirname(program)}:
            self._directories.append(os.open(directory, os.O_RDONLY | os.O_CLOEXEC))
            fcntl.fcntl(self._directories[-1], fcntl.F_NOTIFY, CHANGES)

    def forget(self) -> None:
        """In a child: the server alone is told."""
        for directory in self._directories:
            os.close(directory)

    @property
    def is_gone(self) -> bool:
        return _identity(self.path) is None

    @property
    def is_replaced(self) -> bool:
        return _identity(self.path) not in (None, self._identity)


def _in_path(name: str) -> str:
    """Where the shell found it."""
    paths = (os.path.join(directory, name) for directory in os.get_exec_path())
    return next(filter(os.path.exists, paths), sys.executable)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
