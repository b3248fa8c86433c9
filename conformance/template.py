"""What cases and profiles are made of: `${name}` in texts, and RFC 7396 merge patches."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_PLACE = re.compile(r"\$\{([^}]*)\}")


class Unknown(KeyError):
    """A `${name}` that nothing stands for."""

    def __str__(self) -> str:
        return f"${{{self.args[0]}}} stands for nothing"


def fill(value: Any, names: Mapping[str, str]) -> Any:
    """`value` with each `${name}` in its texts and keys replaced. Raises Unknown."""
    if isinstance(value, str):
        return _PLACE.sub(lambda place: _named(place[1], names), value)
    if isinstance(value, Mapping):
        return {fill(key, names): fill(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, names) for item in value]
    return value


def places(value: Any) -> Iterator[str]:
    """The names between `${` and `}` in the texts and keys of `value`."""
    if isinstance(value, str):
        yield from _PLACE.findall(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from places(key)
            yield from places(item)
    elif isinstance(value, list):
        for item in value:
            yield from places(item)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged, null removes, everything else replaces. Neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def merge_all(target: Any, patches: Iterable[Any]) -> Any:
    """`target` with one patch after the other."""
    for patch in patches:
        target = merge(target, patch)
    return target


def at_path(path: str, value: Any) -> dict[str, Any]:
    """The merge patch that puts `value` at a dotted path."""
    first, _, rest = path.partition(".")
    return {first: at_path(rest, value) if rest else value}


def _named(name: str, names: Mapping[str, str]) -> str:
    if name not in names:
        raise Unknown(name)
    return names[name]
