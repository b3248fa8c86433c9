"""Feed a program and read what it prints, up to a time and a size."""

import os
import selectors
import time
from typing import Any

CAP = 8 << 20
"""Bytes of stdout that are taken; of stderr the first of them are kept."""

_CHUNK = 512  # what a pipe that is ready takes without blocking (PIPE_BUF)


class Pipes:
    """Those of a subprocess.Popen: stdin (`text`; None: nothing to send), stdout, stderr."""

    def __init__(self, process: Any, text: bytes | None) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self._process, self._text = process, memoryview(text or b"")
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.stdout, selectors.EVENT_READ, self.stdout)
        self._selector.register(process.stderr, selectors.EVENT_READ, self.stderr)
        if text:
            self._selector.register(process.stdin, selectors.EVENT_WRITE)
        elif process.stdin:
            process.stdin.close()

    @property
    def is_flooded(self) -> bool:
        return len(self.stdout) > CAP

    def pump(self, until: float) -> bool:
        """Whether both outputs came to their end before `until` (time.monotonic) and without a flood."""
        while self._selector.get_map():
            left = until - time.monotonic()
            if left <= 0 or self.is_flooded:
                return False
            for key, _ in self._selector.select(left):
                if key.data is None:
                    self._write(key)
                else:
                    self._read(key)
        return True

    def close(self) -> None:
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def _write(self, key: selectors.SelectorKey) -> None:
        try:
            self._text = self._text[os.write(key.fd, self._text[:_CHUNK]) :]
        except BrokenPipeError:
            self._text = self._text[:0]
        if not self._text:
            self._selector.unregister(key.fileobj)
            self._process.stdin.close()

    def _read(self, key: selectors.SelectorKey) -> None:
        part = os.read(key.fd, 1 << 16)
        if not part:
            self._selector.unregister(key.fileobj)
        elif len(key.data) <= CAP:
            key.data.extend(part)
