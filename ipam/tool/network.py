"""A network's directory as a person looks at it: without the lock, so that no pod waits for a listing.

What is to be changed is looked at again under the lock.
"""

from __future__ import annotations

import os

from cni.errors import InvalidConfig
from cni.request import is_identifier
from ipam import facts, index
from ipam.conf import COOLDOWN, DATA_DIR
from ipam.failure import failure
from ipam.lease import LONGEST, RESERVED
from ipam.liveness import Liveness
from ipam.ranges import IP, ip_text, parse_ip
from ipam.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipam.facts import Facts

SHORTEST_PREFIX = 12  # letters of a container id, as runtimes print them


class Lease:
    """A file named by an IP. `content` is b"" where there is none, `facts` None where nothing is known.

    `death`: why what it was given to is provably gone, "" where that is not proven. `since`: unix seconds.
    """

    __slots__ = ("content", "death", "facts", "ip", "name", "since")

    def __init__(self, name: str, content: bytes, known: Facts | None, since: int) -> None:
        self.name = name
        self.ip: IP = parse_ip(name)
        self.content = content
        self.facts = known
        self.death = ""
        self.since = known.time if known else since

    @property
    def owner(self) -> tuple[str, str]:
        """(container id, ifname); the second is "" where older versions wrote the id alone."""
        container, _, ifname = self.content.decode("utf-8", "surrogateescape").partition("\r\n")
        return container, ifname

    @property
    def pod(self) -> str:
        return self.facts.pod if self.facts else ""

    @property
    def state(self) -> str:
        if not self.content:
            return "empty"
        if self.is_reserved:
            return "reserved"
        if self.death:
            return "dead"
        return "kept" if self.facts else "unknown"

    @property
    def is_reserved(self) -> bool:
        """By `reserve` of this tool."""
        return self.content.startswith(RESERVED)

    def remove_from(self, store: Store) -> bool:
        """Whether it was still what it is, facts and all, and is removed. Raises IOFailure (5)."""
        return store.remove_if(self.name, self.content, self.facts)

    def is_meant(self, text: str) -> bool:
        """By its IP, its container id or the beginning of it, or the pod's "namespace/name"; by "" none is."""
        container = self.owner[0]
        is_prefix = len(text) >= SHORTEST_PREFIX and container.startswith(text)
        return bool(text) and (text in (self.name, container, self.pod) or is_prefix or _ip(text) == self.ip)


class Network:
    """One network of a data directory. Every method raises IOFailure (5)."""

    __slots__ = ("_indexes", "data_dir", "name", "path")

    def __init__(self, data_dir: str, name: str, run_dir: str) -> None:
        if not is_identifier(name):
            raise InvalidConfig("invalid characters found in network name", name)
        self.data_dir = data_dir
        self.name = name
        self.path = os.path.join(data_dir, name)
        self._indexes = index.place(run_dir)

    def command(self, *words: str) -> str:
        """What to type for this network: `cni-ipam show 10.22.0.5 --network net1`."""
        import shlex

        place = [] if self.data_dir == DATA_DIR else ["--data-dir", self.data_dir]
        return shlex.join(["cni-ipam", *words, *place, "--network", self.name])

    def names(self) -> list[str]:
        """Of its files; none where there is no directory."""
        try:
            return os.listdir(self.path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failure("list", self.path, error) from None

    def leases(self) -> list[Lease]:
        """In the order of the IPs. Liveness is looked at when all are read: what is younger is not dead."""
        found = [lease for name in self.names() if _ip(name) and (lease := self._read(name))]
        now = Liveness()
        for lease in found:
            lease.death = now.death(lease.facts) if lease.facts and not lease.is_reserved else ""
        return sorted(found, key=lambda lease: lease.ip)

    def find(self) -> Store | None:
        """Locked; None where there is no directory. Raises TryAgainLater (11) as well."""
        return Store.find(self.data_dir, self.name, self._indexes, cooldown=COOLDOWN)

    def as_it_is(self) -> Store | None:
        """As `find`; mends nothing."""
        return Store.find(self.data_dir, self.name, self._indexes, cooldown=COOLDOWN, is_indexed=False)

    def make(self) -> Store:
        """As `find`; makes the directory."""
        return Store.make(self.data_dir, self.name, self._indexes, cooldown=COOLDOWN)

    def _read(self, name: str) -> Lease | None:
        """None for what went away meanwhile, and for a directory."""
        path = os.path.join(self.path, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure("read", path, error) from None
        try:
            return Lease(name, os.read(fd, LONGEST).strip(), facts.read(fd), int(os.fstat(fd).st_mtime))
        except IsADirectoryError:
            return None
        except OSError as error:
            raise failure("read", path, error) from None
        finally:
            os.close(fd)


def names(data_dir: str) -> list[str]:
    """The networks that have a directory. Raises IOFailure (5)."""
    try:
        found = os.listdir(data_dir)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise failure("list", data_dir, error) from None
    return sorted(name for name in found if is_identifier(name) and os.path.isdir(os.path.join(data_dir, name)))


def is_canonical(name: str) -> bool:
    """Whether an IP's name is the one that the plugins look for."""
    ip = _ip(name)
    return ip is not None and ip_text(ip) == name


def _ip(text: str) -> IP | None:
    try:
        return parse_ip(text)
    except ValueError:
        return None
