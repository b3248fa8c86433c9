"""What an attachment has beside its link and its address: a small JSON file each, for DEL, GC and reconcile.

    <run dir>/attachments/<inode of the node's network namespace>/<alternative name of the link>     0600

A record is written before its effects and removed after them. It is a hint: the kernel's state decides, and a record
whose link is gone is a dead pod's. Its directory is locked, by many while they change what is theirs, by one while it
puts back everybody's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from io import FileIO

from cni import document
from cni.errors import CNIError, IOFailure, TryAgainLater
from cni.stderr import tell
from cni_veth import features, tag
from cni_veth.descriptor import Descriptor
from cni_veth.lock import make_run_dir
from cni_veth.nft.elements import Element
from cni_veth.nft.ruleset import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNFINISHED = ".new"
LOCK_SECONDS = 10.0  # to put back five thousand pods' rules takes about one


class Record:
    """One attachment's. `parts` are the modules of its features, with what they need to take theirs away."""

    def __init__(self, network: str, owner: tuple[str, str]) -> None:
        self.network = network
        self.owner = owner
        self.host_link = ""
        self.ips: list[str] = []
        self.mac = ""
        self.texts: list[Text] = []
        self.elements: list[Element] = []
        self.parts: dict[str, Any] = {}

    @classmethod
    def of_link(cls, text: Text) -> Record:
        """A bridge's own text: in force though no pod that asked for it is left, until GC."""
        record = cls("", ("", ""))
        record.host_link, record.texts = text.link, [text]
        return record

    @property
    def is_of_link(self) -> bool:
        return not self.network

    @property
    def name(self) -> str:
        return f"{tag.PREFIX}-{self.texts[0].kind}" if self.is_of_link else tag.altname(self.network, self.owner)

    def to_json(self) -> dict[str, object]:
        return {
            "network": self.network,
            "containerID": self.owner[0],
            "ifname": self.owner[1],
            "hostLink": self.host_link,
            "ips": self.ips,
            "mac": self.mac,
            "texts": [text.to_json() for text in self.texts],
            "elements": [element.to_json() for element in self.elements],
            "parts": self.parts,
        }

    @classmethod
    def from_json(cls, data: Any) -> Record:
        """Raises KeyError, TypeError, ValueError for what no `to_json` wrote."""
        record = cls(data["network"], (data["containerID"], data["ifname"]))
        record.host_link, record.ips, record.mac = data["hostLink"], data["ips"], data["mac"]
        record.texts = [_current(Text.from_json(text)) for text in data["texts"]]
        record.elements = [Element.from_json(element) for element in data["elements"]]
        record.parts = data["parts"]
        return record


class Records:
    """Those of the node in whose network namespace this is made."""

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self.directory = features.records_directory(run_dir)
        self._lock: Descriptor | None = None

    def read(self, name: str) -> Record | None:
        """None where there is none, or nothing that can be read: then the kernel is asked."""
        try:
            with FileIO(f"{self.directory}/{name}") as file:
                return Record.from_json(document.decode(file.readall(), name))
        except (OSError, CNIError, LookupError, TypeError, ValueError):
            return None

    def every(self) -> list[Record]:
        found = (self.read(name) for name in self._names() if not name.endswith(UNFINISHED))
        return [record for record in found if record is not None]

    def write(self, record: Record) -> None:
        """Where it cannot be written, DEL asks the kernel, and after a flush nobody puts these rules back."""
        self._write(record, record.name)

    def write_links(self, record: Record) -> None:
        """What it made its bridge's."""
        for own in (Record.of_link(text) for text in record.texts if text.link):
            there = self.read(own.name)
            if there is None or there.texts[0].name != own.texts[0].name:
                self._write(own, f"{record.name}-{own.name}")  # several may write it at once

    def _write(self, record: Record, unfinished: str) -> None:
        path = f"{self.directory}/{record.name}"
        try:
            file = Descriptor.open(f"{self.directory}/{unfinished}{UNFINISHED}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                os.write(file.fd, document.compact(record.to_json()).encode())
            finally:
                file.close()
            os.rename(f"{self.directory}/{unfinished}{UNFINISHED}", path)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            tell(f"cni-veth: {path}: {why}; `cni-veth reconcile` will not know of this pod\n".encode())

    def remove(self, name: str) -> None:
        """Raises IOFailure (5)."""
        try:
            os.unlink(f"{self.directory}/{name}")
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EROFS):
                raise IOFailure(f"cannot remove {self.directory}/{name}", os.strerror(error.errno or 0)) from None

    def sweep(self) -> None:
        """Away with what an ADD that was killed left unfinished. All are locked, by `claim`. Raises IOFailure (5)."""
        for name in self._names():
            if name.endswith(UNFINISHED):
                self.remove(name)

    def share(self) -> None:
        """While this one attachment's rules change. Raises TryAgainLater (11)."""
        self._acquire(fcntl.LOCK_SH)

    def claim(self, seconds: float = LOCK_SECONDS) -> None:
        """While all attachments' rules are put back; instead of a shared lock where one is held. Raises TryAgainLater
        (11)."""
        self._acquire(fcntl.LOCK_EX, seconds)

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.directory) if name.startswith(f"{tag.PREFIX}-")]
        except OSError:
            return []

    def _open_lock(self) -> Descriptor:
        path = f"{self.directory}/lock"
        try:
            return Descriptor.open(path)
        except FileNotFoundError:
            make_run_dir(self._run_dir)
            os.makedirs(self.directory, 0o700, exist_ok=True)
            return Descriptor.open(path, os.O_RDONLY | os.O_CREAT)

    def _acquire(self, kind: int, seconds: float = LOCK_SECONDS) -> None:
        if self._lock is None:
            try:
                self._lock = self._open_lock()
            except OSError:
                return  # a read-only /run: nobody has records to put anything back from
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._lock.fd, kind | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise TryAgainLater(
                        f"{self.directory}/lock is held by another process", "lslocks names it"
                    ) from None
                time.sleep(0.002)


def words(listed: list[Record]) -> str:
    """Whose they are, for people: "2 pods (first: NETWORK CONTAINERID IFNAME)"."""
    pods = [record for record in listed if not record.is_of_link]
    if not pods:
        return f"bridge {listed[0].host_link}"
    return f"{len(pods)} pods (first: {' '.join((pods[0].network, *pods[0].owner))})"


def _current(text: Text) -> Text:
    """Another version of the program may have written it; a frame is the one of this program."""
    if text.kind == "guard":
        from cni_veth.nft import guard

        return guard.TEXT
    return text
