"""Typed reading of a JSON object: small getters whose errors carry the dotted path.

Keys match exactly first and then without regard to case, because Go's decoder does
and users of the reference plugins rely on it (containerd sends `HostPort`). `null`
counts as absent, as in Go. Every key asked for is known; `unknown()` tells the rest.
"""

from __future__ import annotations

from cni.document import kind
from cni.errors import InvalidConfig

_ABSENT = object()


class Section:
    """One JSON object of a configuration. Getters raise InvalidConfig (7) on a wrong type."""

    def __init__(self, data: dict[str, object], path: str = "") -> None:
        self.data = data
        self.path = path
        self._known: set[str] = set()
        self._lowered: dict[str, list[str]] = {}
        self._children: list[Section] = []

    def dotted(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def error(self, key: str, problem: str, details: str = "") -> InvalidConfig:
        return InvalidConfig(f"{self.dotted(key)}: {problem}", details)

    def raw(self, key: str) -> object:
        """The value as decoded, None where absent or null."""
        value = self._find(key)
        return None if value is _ABSENT else value

    def has(self, key: str) -> bool:
        return self.raw(key) is not None

    def string(self, key: str, default: str = "") -> str:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, "a string", value)
        return value

    def required(self, key: str) -> str:
        value = self.string(key)
        if not value:
            raise self.error(key, "is required")
        return value

    def boolean(self, key: str, default: bool = False) -> bool:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def integer(self, key: str, default: int = 0, low: int = 0, high: int = 2**32 - 1) -> int:
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number", value)
        if not low <= value <= high:
            raise self.error(key, f"must lie between {low} and {high}, not {value}")
        return value

    def strings(self, key: str) -> list[str]:
        found = self.items(key)
        for index, value in enumerate(found):
            if not isinstance(value, str):
                raise self._wrong(f"{key}[{index}]", "a string", value)
        return found  # type: ignore[return-value]

    def items(self, key: str) -> list[object]:
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        return value

    def section(self, key: str) -> Section:
        """The object under `key`; an empty one where absent."""
        value = self.raw(key)
        return self.child(key, {} if value is None else value)

    def open_section(self, key: str) -> Section:
        """As `section`, for an object that also holds other plugins' keys: none of them is unknown."""
        section = self.section(key)
        self._children.remove(section)
        return section

    def sections(self, key: str) -> list[Section]:
        return [self.child(f"{key}[{index}]", value) for index, value in enumerate(self.items(key))]

    def child(self, key: str, value: object) -> Section:
        """A section for a nested value already at hand, at `key` below this one."""
        if not isinstance(value, dict):
            raise self._wrong(key, "an object", value)
        self._children.append(Section(value, self.dotted(key)))
        return self._children[-1]

    def unknown(self) -> list[tuple[str, str]]:
        """(dotted path, nearest known key or "") of every key that nobody asked for."""
        found = []
        for key in self.data:
            if key not in self._known and key.lower() not in {known.lower() for known in self._known}:
                found.append((self.dotted(key), nearest(key, self._known)))
        for child in self._children:
            found += [item for item in child.unknown() if item not in found]
        return found

    def _find(self, key: str) -> object:
        self._known.add(key)
        if key in self.data:
            return self.data[key]
        if not self.data:
            return _ABSENT
        if not self._lowered:
            for name in self.data:
                self._lowered.setdefault(name.lower(), []).append(name)
        matches = self._lowered.get(key.lower())
        if matches is None:
            return _ABSENT
        if len(matches) > 1:
            raise self.error(key, f"is given as {' and '.join(matches)}; keep one")
        return self.data[matches[0]]

    def _wrong(self, key: str, wanted: str, value: object) -> InvalidConfig:
        return self.error(key, f"must be {wanted}, not {kind(value)}")


def nearest(key: str, known: set[str]) -> str:
    """The key that was probably meant, "" where none is near."""
    import difflib  # 6 ms that only a misspelt configuration pays

    lowered = {name.lower(): name for name in known}
    match = difflib.get_close_matches(key.lower(), lowered, n=1, cutoff=0.65)
    return lowered[match[0]] if match else ""
