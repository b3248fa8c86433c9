"""Which IPs are taken, asked of the store only as far as somebody wants to know."""

from __future__ import annotations

from ipam.ranges import ip_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SINGLE_LOOKS = 16  # the next IP of the round is nearly always free; a listing costs as much as 60,000 leases are


class Taken:
    """A container of IPs. A file without content is a free IP at first, a taken one once the names were listed.

    While `spares_cooling` is set an IP that cools is taken as well; `has_spared` then tells that there was one.
    """

    __slots__ = ("_is_cooling", "_is_in_use", "_left", "_list", "_names", "has_spared", "spares_cooling")

    def __init__(
        self,
        is_in_use: Callable[[str], bool],
        names: Callable[[], list[str]],
        is_cooling: Callable[[str], bool] | None = None,
    ) -> None:
        self._is_in_use = is_in_use
        self._list = names
        self._is_cooling = is_cooling
        self._left = SINGLE_LOOKS
        self._names: set[str] | None = None
        self.spares_cooling = self.has_spared = False

    def __contains__(self, ip: object) -> bool:
        """Raises what the functions raise."""
        assert isinstance(ip, tuple)
        name = ip_text(ip)
        if self._is_taken(name):
            return True
        if self.spares_cooling and self._is_cooling is not None and self._is_cooling(name):
            self.has_spared = True
            return True
        return False

    def _is_taken(self, name: str) -> bool:
        if self._left:
            self._left -= 1
            return self._is_in_use(name)
        if self._names is None:
            self._names = set(self._list())
        return name in self._names
