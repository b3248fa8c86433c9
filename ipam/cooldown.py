"""Which IPs were released a moment ago: a hint, ours alone, that a reboot forgets.

    <run dir>/ipam/<st_dev>-<st_ino of the network's directory>.cool/   0700
        10.0.0.5 -> "1790000000 1790000030"                             a symlink; from when until when

One readlink tells of one IP. Whoever writes last prunes now and then, so there are never many more than are cooling.
Nothing here raises OSError: what cannot be noted does not cool.
"""

from __future__ import annotations

import os
import time

from ipam import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PRUNE_ONCE_IN = 64  # releases: a listing then costs each of them little, however many cool


class Cooldown:
    """Of one network, used under its store's lock. `seconds` 0 switches it off."""

    __slots__ = ("_path", "_seconds")

    def __init__(self, path: str, seconds: int) -> None:
        self._path = path
        self._seconds = seconds

    def holds(self, name: str) -> bool:
        return self._seconds > 0 and self._is_cooling(name, int(time.time()))

    def names(self) -> list[str]:
        """All that cool."""
        now = int(time.time())
        return [name for name in self._list() if self._seconds > 0 and self._is_cooling(name, now)]

    def begin(self, names: Iterable[str]) -> None:
        if self._seconds <= 0:
            return
        now = int(time.time())
        target = f"{now} {now + self._seconds}"
        for name in names:
            if not self._note(name, target):
                return
        if os.urandom(1)[0] % PRUNE_ONCE_IN == 0:
            self.prune()

    def end(self, name: str) -> bool:
        """It is given again; whether it was noted."""
        try:
            os.unlink(f"{self._path}/{name}")
        except OSError:
            return False
        return True

    def prune(self) -> None:
        now = int(time.time())
        for name in self._list():
            if not self._is_cooling(name, now):
                self.end(name)

    def _is_cooling(self, name: str, now: int) -> bool:
        """What seems to come from the future was noted before somebody set the clock back."""
        try:
            begin, end = os.readlink(f"{self._path}/{name}").split()
            return int(begin) <= now < int(end)
        except (OSError, ValueError):
            return False

    def _note(self, name: str, target: str) -> bool:
        path = f"{self._path}/{name}"
        for _ in range(2):
            try:
                os.symlink(target, path)
                return True
            except FileExistsError:
                self.end(name)
            except FileNotFoundError:
                try:
                    directory.make(self._path, 0o700)
                except OSError:
                    return False
            except OSError:
                return False
        return False

    def _list(self) -> list[str]:
        try:
            return os.listdir(self._path)
        except OSError:
            return []
