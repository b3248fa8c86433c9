"""Whether a JSON document holds what a case asks of it."""

from collections.abc import Mapping
from typing import Any

_NOTHING = object()

OPERATORS = ("$len", "$absent", "$same")


def mismatches(wanted: Any, found: Any, results: Mapping[int, Any], path: str = "") -> list[str]:
    """What is not so, each with its dotted path. Objects may have more keys, and each element of a list must match one.

    {"$len": n}, {"$absent": true}, {"$same": "POD.path"}: as long, not there, equal to that of the pod's last result.
    """
    where = path or "the document"
    if isinstance(wanted, Mapping) and len(wanted) == 1 and next(iter(wanted)).startswith("$"):
        return _operator(*next(iter(wanted.items())), found, results, where)
    if found is _NOTHING:
        return [f"{where} is missing"]
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return [f"{where} is {_short(found)}, no object"]
        return [
            text
            for key, value in wanted.items()
            for text in mismatches(value, found.get(key, _NOTHING), results, f"{path}.{key}" if path else key)
        ]
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return [f"{where} is {_short(found)}, no list"]
        return [
            f"{where} has nothing like {_short(item)}: {_short(found)}"
            for item in wanted
            if all(mismatches(item, candidate, results) for candidate in found)
        ]
    return [] if _same(wanted, found) else [f"{where} is {_short(found)}, not {_short(wanted)}"]


def at(document: Any, path: str) -> Any:
    """The part of a document at a dotted path; list positions are numbers. None where there is nothing."""
    for part in filter(None, path.split(".")):
        if isinstance(document, list) and part.isdigit():
            document = document[int(part)] if int(part) < len(document) else None
        else:
            document = document.get(part) if isinstance(document, Mapping) else None
    return document


def _operator(name: str, value: Any, found: Any, results: Mapping[int, Any], where: str) -> list[str]:
    if name == "$absent":
        return [] if (found is _NOTHING) is bool(value) else [f"{where} is {_short(found)}"]
    if found is _NOTHING:
        return [f"{where} is missing"]
    if name == "$len":
        length = len(found) if isinstance(found, list | dict | str) else None
        return [] if length == value else [f"{where} has length {length}, not {value}: {_short(found)}"]
    if name == "$same":
        pod, _, path = str(value).partition(".")
        other = at(results.get(int(pod)), path)
        return (
            [] if _same(other, found) else [f"{where} is {_short(found)}, not {_short(other)} as in pod {pod}'s result"]
        )
    raise ValueError(f"no operator {name}")


def _same(one: Any, other: Any) -> bool:
    """JSON equality: true is not 1."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _short(value: Any) -> str:
    text = "nothing" if value is _NOTHING else repr(value)
    return text if len(text) <= 200 else text[:197] + "…"
