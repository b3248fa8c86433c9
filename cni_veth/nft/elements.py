"""One entry of a set or map of our tables: what the kernel keeps for a pod, and whose it is.

Its comment says `NETWORK CONTAINERID IFNAME`, so that `nft list table inet cni-veth` tells whose each is, and a dump
finds what a lost record named. Keys and data are as the kernel has them: big-endian, each part of a concatenation
padded to four bytes.
"""

from __future__ import annotations

import errno
from _blake2 import blake2b

from cni import address
from cni_veth.netlink import NLM_F_CREATE, NLM_F_EXCL, Message
from cni_veth.nft.attributes import ELEMENTS_LAYOUT
from cni_veth.wire import Attributes, Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TABLE = "cni-veth"
FAMILIES = {"inet": 1, "bridge": 7}  # NFPROTO_
NFT_MSG_NEWSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_DELSETELEM = (
    0xA0C,
    0xA0D,
    0xA0E,
)  # NFNL_SUBSYS_NFTABLES in the high byte
COMMENT = 0  # NFTNL_UDATA_SET_ELEM_COMMENT
LONGEST = 127  # nft(8): a comment has at most 128 bytes, its NUL among them
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


class Element:
    """`where` is the family and the set's name; `what` says what it is for, as in "host port 8080/tcp". A map's has
    `data`."""

    __slots__ = ("data", "family", "key", "set", "what")

    def __init__(self, where: tuple[str, str], key: bytes, what: str, data: bytes = b"") -> None:
        self.family, self.set = where
        self.key = key
        self.data = data
        self.what = what

    def to_json(self) -> list[str]:
        return [self.family, self.set, self.key.hex(), self.what, self.data.hex()]

    @classmethod
    def from_json(cls, value: Any) -> Element:
        """Raises ValueError, TypeError for what no `to_json` wrote."""
        family, name, key, what, data = value
        return cls((family, name), bytes.fromhex(key), what, bytes.fromhex(data))

    def holds(self, other: Attributes) -> bool:
        """Whether the kernel's entry under this key has our data."""
        found = other.get("NFTA_SET_ELEM_DATA")
        return self.data == (found.get("NFTA_DATA_VALUE") if found is not None else b"")


def add(element: Element, comment: str) -> Message:
    """EEXIST where the key is taken, ENOENT where table, set or chain is missing."""
    flags = NLM_F_CREATE | NLM_F_EXCL
    return _message(element, NFT_MSG_NEWSETELEM, flags, f"add {element.what} to nftables", comment)


def delete(element: Element) -> Message:
    """A missing one is no failure, though it fails the transaction (transaction.py tries again without)."""
    return _message(element, NFT_MSG_DELSETELEM, 0, f"remove {element.what} from nftables", tolerated=(errno.ENOENT,))


def get(element: Element) -> Message:
    what = f"look up {element.what} in nftables"
    return _message(element, NFT_MSG_GETSETELEM, 0, what, tolerated=(errno.ENOENT,))


def every(family: str, name: str) -> Message:
    """To be dumped; ENOENT where there is no such set."""
    where = Body(ELEMENTS_LAYOUT, _where(name), family=FAMILIES[family])
    return Message(where, NFT_MSG_GETSETELEM, 0, f"list {family} {TABLE} {name}")


def entries(reply: Attributes) -> list[Attributes]:
    """The elements that a reply holds."""
    listed = reply.get("NFTA_SET_ELEM_LIST_ELEMENTS")
    return [] if listed is None else listed.every("NFTA_LIST_ELEM")


def key_of(entry: Attributes) -> bytes:
    found: bytes = entry.get("NFTA_SET_ELEM_KEY").get("NFTA_DATA_VALUE")
    return found


def comment_of(entry: Attributes) -> str:
    """Type, length and value, one after the other (libnftnl's udata)."""
    data: bytes = entry.get("NFTA_SET_ELEM_USERDATA") or b""
    while len(data) >= 2:
        kind, length = data[0], data[1]
        if kind == COMMENT:
            return data[2 : 2 + length].rstrip(b"\0").decode("utf-8", "replace")
        data = data[2 + length :]
    return ""


def comment(network: str, owner: tuple[str, str]) -> str:
    """Whose an element is; names that are too long for a comment stand as their digest."""
    text = " ".join((network, *owner))
    if len(text) > LONGEST:
        text = " ".join((short(network), *owner))
    return text if len(text) <= LONGEST else " ".join((short(network), short(owner[0]), owner[1]))


def is_of_network(text: str, network: str) -> bool:
    return text.partition(" ")[0] in (network, short(network))


def short(text: str) -> str:
    return f"#{blake2b(text.encode(), digest_size=8).hexdigest()}"


def ip(text: str) -> bytes:
    return address.pack(text)


def protocol(name: str) -> bytes:
    return bytes((PROTOCOLS[name], 0, 0, 0))


def port(number: int) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", "")) + b"\0\0"


def link(name: str) -> bytes:
    """An `ifname`: IFNAMSIZ bytes."""
    return name.encode().ljust(16, b"\0")


def _message(
    element: Element, kind: int, flags: int, what: str, text: str = "", tolerated: tuple[int, ...] = ()
) -> Message:
    attrs: list[tuple[str, object]] = [("NFTA_SET_ELEM_KEY", {"attrs": [("NFTA_DATA_VALUE", element.key)]})]
    if kind == NFT_MSG_NEWSETELEM:
        if element.data:
            attrs.append(("NFTA_SET_ELEM_DATA", {"attrs": [("NFTA_DATA_VALUE", element.data)]}))
        if text:
            userdata = text.encode() + b"\0"
            attrs.append(("NFTA_SET_ELEM_USERDATA", bytes((COMMENT, len(userdata))) + userdata))
    listed = {"attrs": [("NFTA_LIST_ELEM", {"attrs": attrs})]}
    body = Body(
        ELEMENTS_LAYOUT,
        [*_where(element.set), ("NFTA_SET_ELEM_LIST_ELEMENTS", listed)],
        family=FAMILIES[element.family],
    )
    return Message(body, kind, flags, what, tolerated)


def _where(name: str) -> list[tuple[str, object]]:
    return [("NFTA_SET_ELEM_LIST_TABLE", TABLE), ("NFTA_SET_ELEM_LIST_SET", name)]
