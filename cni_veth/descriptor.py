"""An open file without Python's buffers and warnings, which cost several times what the system calls do."""

from __future__ import annotations

import os


class Descriptor:
    """`fd` is closed by `close`, or when the last reference goes: a lock that it holds goes with it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def open(cls, path: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> Descriptor:
        """Raises OSError, ValueError for a path with NUL."""
        return cls(os.open(path, flags | os.O_CLOEXEC, mode))

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __del__(self) -> None:
        self.close()
