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
from cni_veth.nft.elements import Element
from cni_veth.nft.ruleset import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

    @property
    def name(self) -> str:
        return tag.altname(self.network, self.owner)

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
        record.texts = [Text.from_json(text) for text in data["texts"]]
        record.elements = [Element.from_json(element) for element in data["elements"]]
        record.parts = data["parts"]
        return record


class Records:
    """Those of the node in whose network namespace this is made."""

    def __init__(self, run_dir: str) -> None:
        self.directory = features.records_directory(run_dir)
        self._lock: FileIO | None = None  # unlocked when the last reference goes

    def read(self, name: str) -> Record | None:
        """None where there is none, or nothing that can be read: then the kernel is asked."""
        try:
            with FileIO(f"{self.directory}/{name}") as file:
                return Record.from_json(document.decode(file.readall(), name))
        except (OSError, CNIError, LookupError, TypeError, ValueError):
            return None

    def every(self) -> list[Record]:
        try:
            names = os.listdir(self.directory)
        except OSError:
            return []
        found = (self.read(name) for name in names if name.startswith(f"{tag.PREFIX}-"))
        return [record for record in found if record is not None]

    def write(self, record: Record) -> None:
        """Where it cannot be written, DEL asks the kernel, and after a flush nobody puts these rules back."""
        path = f"{self.directory}/{record.name}"
        try:
            with FileIO(f"{path}.new", "w") as file:
                file.write(document.encode(record.to_json()).encode())
            os.rename(f"{path}.new", path)
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

    def share(self) -> None:
        """While this one attachment's rules change. Raises TryAgainLater (11)."""
        self._acquire(fcntl.LOCK_SH)

    def claim(self) -> None:
        """While all attachments' rules are put back; instead of a shared lock where one is held."""
        self._acquire(fcntl.LOCK_EX)

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _acquire(self, kind: int) -> None:
        if self._lock is None:
            try:
                os.makedirs(self.directory, 0o700, exist_ok=True)
                self._lock = FileIO(f"{self.directory}/lock", "a")
            except OSError:
                return  # a read-only /run: nobody has records to put anything back from
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, kind | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise TryAgainLater(
                        f"{self.directory}/lock is held by another process", "lslocks names it"
                    ) from None
                time.sleep(0.002)
