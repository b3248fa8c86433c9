"""Which leases are provably dead: by what this machine shows after they were listed.

A lease is dead if its pod's namespace is no longer where it was and the host's end of its link is gone too. Either of
the two alone proves nothing: a namespace lives on where a process is in it, a runtime may mount it elsewhere, and
whoever asks may see other mounts. A link is looked for only in the namespace that it was made in. A lease without
facts, or with one fact missing, is never dead.

Of an earlier boot is what has another boot's id, is older than this one, and leads to nothing that is here. The id
alone proves nothing: systemd-nspawn gives a container one of its own, and another machine may share the directory.
"""

from __future__ import annotations

import os

from ipam import facts
from ipam.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipam.lease import Record
    from ipam.ranges import IP

EARLIER_BOOT = "of an earlier boot"
GONE = "its namespace and its link are gone"
LINKS = "/proc/thread-self/net/dev"  # by names, and no request_module() for those that are gone, as SIOCGIFINDEX has
MARGIN = 10  # seconds that a lease must be older than the boot: more than any rounding, less than a boot takes


class Liveness:
    """The boot and the links of now. To be made after the leases were listed: what came since is then no garbage."""

    __slots__ = ("_boot", "_booted", "_entries", "_links", "_netns")

    def __init__(self) -> None:
        self._boot = facts.boot()
        self._booted = facts.booted()
        self._entries: dict[str, dict[int, list[str]] | None] = {}  # of the directories asked for
        self._netns = facts.own_netns()
        self._links = _links()

    def death(self, found: Facts) -> str:
        """How it is proven, as text for people; "" where it is not."""
        if not self._boot or not found.boot:
            return ""
        is_earlier = found.boot != self._boot
        if is_earlier and found.time >= self._booted - MARGIN:
            return ""
        if not is_earlier and (not found.netns or not found.link or found.link_netns != self._netns):
            return ""
        if self._may_have_link(found) or self._may_lead_there(found):
            return ""
        return EARLIER_BOOT if is_earlier else GONE

    def _may_have_link(self, found: Facts) -> bool:
        """What was in another namespace is not looked for, and what was in an unknown one everywhere."""
        return found.link_netns in (0, self._netns) and (self._links is None or found.link in self._links)

    def _may_lead_there(self, found: Facts) -> bool:
        if found.directory not in self._entries:
            self._entries[found.directory] = _entries(found.directory)
        entries = self._entries[found.directory]
        if entries is None:
            return True
        return any(_may_be(f"{found.directory}/{name}", found.netns) for name in entries.get(found.entry, ()))


def dead(records: dict[IP, Record], proofs: tuple[str, ...] = (EARLIER_BOOT, GONE)) -> dict[IP, Record]:
    """Those whose death has one of the proofs."""
    known = {ip: record for ip, record in records.items() if record.facts is not None}
    if not known:
        return {}
    now = Liveness()
    return {ip: record for ip, record in known.items() if record.facts and now.death(record.facts) in proofs}


def _links() -> set[str] | None:
    """The names of this namespace's links, None where they cannot be read."""
    once, again = _read_links(), _read_links()  # before Linux 6.9 a reading may miss one while others are removed
    return None if once is None or again is None else once | again


def _read_links() -> set[str] | None:
    try:
        with open(LINKS, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")[2:]
    except OSError:
        return None
    return {line.rpartition(":")[0].strip() for line in lines if line}


def _entries(path: str) -> dict[int, list[str]] | None:
    """The names in a directory by their digests; None where that cannot be known.

    A directory that is not here may be in the mounts of others; a process's is where the process is.
    """
    found: dict[int, list[str]] = {}
    try:
        for name in os.listdir(path):
            found.setdefault(facts.digest(name), []).append(name)
    except FileNotFoundError:
        return {} if path.startswith("/proc/") else None
    except (OSError, ValueError):
        return None
    return found


def _may_be(path: str, netns: int) -> bool:
    try:
        return facts.inode(os.stat(path)) == netns
    except FileNotFoundError:
        return False
    except OSError:
        return True
