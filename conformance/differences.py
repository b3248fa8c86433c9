"""Two snapshots compared, and what a plugin may leave."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from conformance.kernel import Entry, Snapshot

_KINDS = {
    "link": ("link", "address", "route"),
    "sysctl": ("sysctl",),
    "table": ("nft", "iptables"),
    "file": ("file",),
}


def between(before: Snapshot, after: Snapshot, stays: Sequence[str] = ()) -> list[str]:
    """What differs, a line each, but for what may stay: "link:NAME" and the like, with * and ? as in file names."""
    lines = []
    ended = _pods(before) ^ _pods(after)  # pods that the case made or ended itself
    for entry in sorted(before.keys() | after.keys()):
        if entry[0] in ended:
            continue
        if before.get(entry) == after.get(entry) or any(_covers(pattern, entry, after.get(entry)) for pattern in stays):
            continue
        lines.append(_line(entry, before.get(entry), after.get(entry)))
    return lines


def _pods(snapshot: Snapshot) -> set[str]:
    return {place for place, *_ in snapshot if place.startswith("pod ")}


def _covers(pattern: str, entry: Entry, left: str | None) -> bool:
    """An "empty" set of nftables may stay, one with elements may not."""
    kind, _, name = pattern.partition(":")
    if kind == "empty":
        return entry[1] == "nft" and fnmatchcase(entry[2], name) and left is not None and "elements = " not in left
    return entry[1] in _KINDS.get(kind, ()) and fnmatchcase(entry[2], name)


def _line(entry: Entry, before: str | None, after: str | None) -> str:
    name = " ".join(word for word in entry if word)
    if before is None:
        return f"{name}: new" + (f" ({after.strip()})" if after else "")
    if after is None:
        return f"{name}: gone"
    return f"{name}: was {before.strip()}; is {after.strip()}"
