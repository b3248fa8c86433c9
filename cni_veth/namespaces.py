"""setns(2) and unshare(2), which Python has since 3.12."""

from __future__ import annotations

import os
import sys

CLONE_NEWNS, CLONE_NEWNET, CLONE_FS = 0x20000, 0x40000000, 0x200

if sys.version_info >= (3, 12):

    def enter(fd: int, kind: int) -> None:
        """The calling thread is in that namespace. Raises OSError."""
        os.setns(fd, kind)

    def unshare_root() -> None:
        """The calling thread shares root, working directory and umask with no other. Raises OSError."""
        os.unshare(CLONE_FS)

else:
    import _ctypes  # `ctypes` itself would cost 3 ms

    class _Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO

    def _call(name: str, *arguments: int) -> None:
        if _Function(_ctypes.dlsym(_libc, name))(*arguments) != 0:
            raise OSError(_ctypes.get_errno(), f"{name}: {os.strerror(_ctypes.get_errno())}")

    _libc = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]

    def enter(fd: int, kind: int) -> None:
        _call("setns", fd, kind)

    def unshare_root() -> None:
        _call("unshare", CLONE_FS)
