"""Which IPs are taken, asked of the store only as far as somebody wants to know."""

from __future__ import annotations

from ipam import blocks
from ipam.ranges import IP, ip_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Taken:
    """A container of IPs: what is in it cannot be given now. `first_left` passes over used ones without a look.

    While `spares_cooling` is set an IP that cools is taken as well; `has_spared` then tells that there was one.
    """

    __slots__ = ("_is_cooling", "_is_in_use", "_used", "has_spared", "spares_cooling")

    def __init__(
        self,
        is_in_use: Callable[[str], bool],
        used: Callable[[int, int], int],
        is_cooling: Callable[[str], bool],
    ) -> None:
        self._is_in_use = is_in_use
        self._used = used
        self._is_cooling = is_cooling
        self.spares_cooling = self.has_spared = False

    def __contains__(self, ip: object) -> bool:
        """Raises what the functions raise."""
        assert isinstance(ip, tuple)
        name = ip_text(ip)
        if self.spares_cooling and self._is_cooling(name):  # first, as thousands may cool and a look costs more
            self.has_spared = True
            return True
        return self._is_in_use(name)

    def first_left(self, ip: IP, end: int) -> int:
        """The first number from the IP's on that seems to be free, or one beyond `end`."""
        return blocks.next_clear(self._used, ip, end)
