"""The built executables as a node has them, and who handled each call: the warm server, or the program itself."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_IN_OPEN, _IN_CLOSE_NOWRITE = 0x20, 0x10
_EVENT = struct.Struct("iIII")  # of a watched file, without a name

NAMES = {"cni-veth": "launcher", "cni-ipam": "launcher", "cni-vethd": "cni-veth"}


class Installation:
    """A copy below `directory` of the built `program` directory. Nobody else runs it, so the kernel tells for each
    call, one at a time, which of its files were executed (inotify(7)). The watch ends with the process."""

    def __init__(self, program: Path, directory: Path) -> None:
        own = directory / program.name
        shutil.copytree(program, own)
        self.bin = directory / "bin"
        self.bin.mkdir()
        for name, target in NAMES.items():
            (self.bin / name).symlink_to(Path("..", program.name, target))
        self.made = self.served = 0
        self._inotify = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        # The end as well: of two equal events in a row the kernel reports one.
        self._launcher = self._watch(own / "launcher", _IN_OPEN | _IN_CLOSE_NOWRITE)
        self._standalone = self._watch(own / "cni-veth", _IN_OPEN)

    def how(self) -> str:
        """Who handled the calls since this was last asked, of which cnitool may make several."""
        calls = self._calls()
        self.made += len(calls)
        self.served += sum(calls)
        by = "served by cni-vethd" if calls and all(calls) else "by the standalone"
        return by if len(calls) == 1 else f"{len(calls)} calls {by}"

    def _calls(self) -> list[bool]:
        """For each call in order whether nothing but the launcher was executed."""
        found: list[bool] = []
        for watch, mask in self._events():
            if watch == self._launcher and mask & _IN_OPEN:
                found.append(True)
            elif watch == self._standalone and found:
                found[-1] = False
        return found

    def _watch(self, path: Path, mask: int) -> int:
        watch: int = _libc.inotify_add_watch(self._inotify, os.fsencode(path), mask)
        if watch < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {path}: {os.strerror(ctypes.get_errno())}")
        return watch

    def _events(self) -> list[tuple[int, int]]:
        try:
            data = os.read(self._inotify, 1 << 16)
        except BlockingIOError:
            return []
        return [(watch, mask) for watch, mask, _, _ in _EVENT.iter_unpack(data)]
