"""The lock between ADDs that are about to attach to a bridge and a failed ADD that takes one back.

flock(2) on a file below /run that only root can open: an unprivileged process must not be able to hold up
pods. Where it cannot be made (a read-only /run) ADD goes on without, and no bridge is ever taken back.
"""

from __future__ import annotations

import fcntl
import os
import time

from cni.errors import TryAgainLater
from cni_veth.descriptor import Descriptor

SHARE_SECONDS = 10.0  # a failed ADD holds it for some milliseconds
CLAIM_SECONDS = 1.0  # an ADD holds it for about one


def make_run_dir(path: str) -> None:
    """Mode 0700, or cni-vethd would not listen there: os.makedirs gives it to the last level alone. Raises OSError."""
    if not os.path.isdir(path):
        os.makedirs(path, 0o700, exist_ok=True)


class BridgeLock:
    """Shared by ADDs from their first look at the bridge to "attached", claimed alone to take one back."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "bridge.lock")
        self._file: Descriptor | None = None
        try:
            self._file = _opened(self._path)
        except OSError:
            pass

    def share(self) -> None:
        """Raises TryAgainLater (11) when somebody holds it alone for too long."""
        if self._file is not None and not self._lock(fcntl.LOCK_SH, SHARE_SECONDS):
            raise TryAgainLater(f"{self._path} is held by another process", "lslocks names it")

    def claim(self) -> bool:
        """False while ADDs come all the time: they use the bridge, so it stays."""
        return self._file is not None and self._lock(fcntl.LOCK_EX, CLAIM_SECONDS)

    def release(self) -> None:
        if self._file is not None:
            fcntl.flock(self._file.fd, fcntl.LOCK_UN)

    def _lock(self, kind: int, seconds: float) -> bool:
        assert self._file is not None
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._file.fd, kind | fcntl.LOCK_NB)
                return True
            except OSError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.002)


def _opened(path: str) -> Descriptor:
    try:
        return Descriptor.open(path)
    except FileNotFoundError:
        make_run_dir(os.path.dirname(path))
        return Descriptor.open(path, os.O_RDONLY | os.O_CREAT)
