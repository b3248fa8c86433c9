"""Which IPs were released a moment ago: a hint, ours alone, that a reboot forgets.

    <run dir>/ipam/<st_dev>-<st_ino of the network's directory>.cool/   0700
        10.0.0.0 -> "1790000000 1790000032:2c 1790000036:40"    a symlink: when it was written, and which IPs of this
                                                                block (`ipam.blocks`) cool until when

By blocks, so that an ADD among thousands that cool reads few texts; with ends rounded up, so that these stay short. An
IP that is given while it cools keeps its bit, as nobody asks for that of a used one. Whoever writes last prunes now and
then. Nothing here raises OSError: what cannot be noted does not cool.
"""

from __future__ import annotations

import os
import time

from ipam import blocks, directory
from ipam.lease import is_ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = 8  # of a cool-down: to whole ones its end is rounded up
MOST = 12  # ends of a text: a symlink's target has fewer than 1024 bytes on XFS
PRUNE_ONCE_IN = 64  # releases: a listing then costs each of them little, however many cool
UNFINISHED = ".unfinished"


class Cooldown:
    """Of one network, used under its store's lock. `seconds` 0 switches it off."""

    __slots__ = ("_path", "_seconds")

    def __init__(self, path: str, seconds: int) -> None:
        self._path = path
        self._seconds = seconds

    def bits(self, family: int, block: int) -> int:
        """Of a block's IPs those that cool."""
        return _any(self._ends(blocks.key(family, block), int(time.time()))) if self._seconds > 0 else 0

    def names(self) -> list[str]:
        """All that cool."""
        now = int(time.time())
        listed = self._list() if self._seconds > 0 else []
        return [name for where in listed for name in blocks.names(where, _any(self._ends(where, now)))]

    def begin(self, names: Iterable[str]) -> None:
        if self._seconds <= 0:
            return
        now, step = int(time.time()), -(-self._seconds // STEPS)
        end = -(-(now + 1 + self._seconds) // step) * step  # the second that has begun does not count
        for where, bits in blocks.of(names).items():
            ends = self._ends(where, now)
            ends[end] = ends.get(end, 0) | bits
            if not self._write(where, now, ends):
                return
        if os.urandom(1)[0] % PRUNE_ONCE_IN == 0:
            self.prune()

    def prune(self) -> None:
        now = int(time.time())
        for where in self._list():
            if not self._ends(where, now):
                self._unlink(where)

    def _ends(self, where: str, now: int) -> dict[int, int]:
        """The bits of a block by when they end. What comes from the future was written before a clock was set back."""
        ends: dict[int, int] = {}
        try:
            written, *groups = os.readlink(f"{self._path}/{where}").split()
            if int(written) <= now:
                for group in groups:
                    end, _, bits = group.partition(":")
                    if int(end) > now:
                        ends[int(end)] = int(bits, 16) & blocks.FULL
        except (OSError, ValueError):
            return {}
        return ends

    def _write(self, where: str, now: int, ends: dict[int, int]) -> bool:
        """Replaced whole: a crash in between forgets nothing."""
        latest = sorted(ends)[-MOST:]
        text = " ".join((str(now), *(f"{end}:{ends[end]:x}" for end in latest)))
        unfinished = f"{self._path}/{UNFINISHED}"
        for _ in range(2):
            try:
                os.symlink(text, unfinished)
                os.rename(unfinished, f"{self._path}/{where}")
                return True
            except FileExistsError:
                self._unlink(UNFINISHED)
            except FileNotFoundError:
                try:
                    directory.make(self._path, 0o700)
                except OSError:
                    return False
            except OSError:
                return False
        return False

    def _unlink(self, name: str) -> None:
        try:
            os.unlink(f"{self._path}/{name}")
        except OSError:
            pass

    def _list(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._path) if is_ip(name)]
        except OSError:
            return []


def _any(ends: dict[int, int]) -> int:
    found = 0
    for bits in ends.values():
        found |= bits
    return found
