"""What is made once and for many pods: sets, maps and chains, as a text for nft(8).

Each text has a set of its own whose name is a digest of it. A transaction touches that set: where the text is missing,
or another version of it is there, the kernel says ENOENT and nobody had to ask. No map holds verdicts: with each new
element the kernel would walk through all chains and elements of the table again.
"""

from __future__ import annotations

import errno
import os
import sys
from _blake2 import blake2b

from cni import delegate
from cni.errors import CNIError, KernelRefused
from cni_veth.netlink import NLM_F_CREATE, Message
from cni_veth.nft import elements
from cni_veth.nft.attributes import RULE_LAYOUT, SET_LAYOUT
from cni_veth.nft.elements import FAMILIES, TABLE, Element
from cni_veth.nft.transaction import Netfilter
from cni_veth.wire import Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NFT_MSG_GETRULE, NFT_MSG_GETSET = 0xA07, 0xA0A
MARK = (1).to_bytes(4, sys.byteorder)
OWN = "$name"
DELETE = "delete "
DIGEST = 13  # "-" and six bytes in hexadecimal end a text's name
NFT_SECONDS = 8.0  # others wait for the records' lock meanwhile, for little more
SYSTEM_PATH = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin")


class Text:
    """`kind` is a word; `sets` are "set NAME { ... }", "map NAME { ... }", "element SET { ... }" and
    "delete element SET { ... }"; `chains` have their lines; a base chain's
    begin with "type ... hook ...;". OWN stands for the name that the digest makes.

    A frame is the only one of its kind on a node: another version of it is replaced by the next ADD, and serves until
    then. Other texts exist side by side. A text of a `link`, the bridge's name, is a frame of that bridge.
    Whoever changes the type of a set or the hook of a base chain gives it another name: the old one may be in use.
    """

    __slots__ = ("chains", "family", "is_frame", "kind", "link", "name", "sets")

    def __init__(
        self,
        kind: str,
        family: str,
        sets: list[str],
        chains: dict[str, list[str]],
        is_frame: bool = False,
        link: str = "",
    ) -> None:
        seed = repr((kind, family, sets, sorted(chains.items())))
        self.kind = kind
        self.name = f"{kind}-{blake2b(seed.encode(), digest_size=6).hexdigest()}"
        self.family = family
        self.sets = sets
        self.chains = chains
        self.is_frame = is_frame
        self.link = link

    def to_json(self) -> list[object]:
        return [self.kind, self.family, self.sets, self.chains, self.is_frame, self.link]

    @classmethod
    def from_json(cls, value: Any) -> Text:
        kind, family, sets, chains, is_frame, link = value
        return cls(kind, family, sets, chains, is_frame, link)

    def touch(self) -> Message:
        """Part of every transaction that relies on it."""
        message = elements.add(Element((self.family, self.name), MARK, self.kind), "")
        message.flags = NLM_F_CREATE
        return message

    def script(self, present: set[str]) -> str:
        """For `nft -f -`; `present` are the names of the family's sets."""
        table = f"{self.family} {TABLE}"
        lines = [f"add table {table}"]
        lines += [f"delete set {table} {name}" for name in self.others(present)]
        lines.append(f"add set {table} {self.name} {{ type mark; elements = {{ 1 }}; }}")
        for each in self.sets:
            verb, each = ("delete", each[len(DELETE) :]) if each.startswith(DELETE) else ("add", each)
            word, _, rest = each.partition(" ")
            lines.append(f"{verb} {word} {table} {rest}")
        for chain, content in sorted(self.chains.items()):
            head = f" {{ {content[0]} }}" if content and content[0].startswith("type ") else ""
            lines += [f"add chain {table} {chain}{head}", f"flush chain {table} {chain}"]
        for chain in sorted(self.chains):
            lines += [f"add rule {table} {chain} {rule}" for rule in self.rules(chain)]
        return "".join(f"{line}\n" for line in lines).replace(OWN, self.name)

    def others(self, present: set[str]) -> list[str]:
        """Of a frame, what other versions of it are there."""
        return sorted(name for name in present if self.is_frame and kind_of(name) == self.kind and name != self.name)

    def rules(self, chain: str) -> list[str]:
        return [line for line in self.chains[chain] if not line.startswith("type ")]


def kind_for(word: str, whose: str) -> str:
    """The kind of a text that a bridge, or who else, has of its own: names may hold what nft(8) does not read."""
    return f"{word}-{blake2b(whose.encode(), digest_size=4).hexdigest()}"


def kind_of(name: str) -> str:
    """The kind of the text of that name, "" where it is no text's."""
    return name[:-DIGEST] if name[-DIGEST : -DIGEST + 1] == "-" else ""


def present(netfilter: Netfilter, family: str) -> set[str]:
    """The names of the sets and maps of our table in that family."""
    body = Body(SET_LAYOUT, [("NFTA_SET_TABLE", TABLE)], family=FAMILIES[family])
    try:
        replies = netfilter.dump(Message(body, NFT_MSG_GETSET, 0, f"list the sets of table {family} {TABLE}"))
    except KernelRefused as error:
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
            return set()
        raise
    return {reply.get("NFTA_SET_NAME") for reply in replies}


def install(netfilter: Netfilter, texts: list[Text], environ: dict[str, str]) -> None:
    """Make what is missing or was emptied, by one nft(8): all or nothing. Raises as `run`."""
    script, kinds = "", []
    for text in texts:
        names = present(netfilter, text.family)
        if text.name not in names or differences(netfilter, [text]):
            script += text.script(names)
            kinds.append(text.kind)
    if kinds:
        run(script, environ, f"make the rules of {', '.join(kinds)}")


def differences(netfilter: Netfilter, texts: list[Text]) -> list[str]:
    """What somebody removed or emptied."""
    found = []
    for text in texts:
        names = present(netfilter, text.family)
        if text.name not in names:
            if not text.others(names):
                found.append(f"nftables: {text.name} is missing in table {text.family} {TABLE}")
            continue
        for chain in text.chains:
            name = chain.replace(OWN, text.name)
            has, expected = _count(netfilter, text.family, name), len(text.rules(chain))
            if has != expected:
                found.append(f"nftables: chain {text.family} {TABLE} {name} has {has} rules, expected {expected}")
    return found


def program(environ: dict[str, str]) -> str:
    """Where nft(8) is. Raises KernelRefused (100)."""
    for directory in (*environ.get("PATH", "").split(":"), *SYSTEM_PATH):
        path = f"{directory}/nft"
        if directory and os.access(path, os.X_OK):
            return path
    raise KernelRefused(
        "run nft",
        errno.ENOENT,
        "masquerade, host ports and guards need the program nft (Debian's package nftables); iptables is not used",
    )


def run(script: str, environ: dict[str, str], what: str) -> None:
    """One transaction. Raises CNIError: KernelRefused (100) without nft, IOFailure (5), TryAgainLater (11) where nft
    takes too long, 999 with nft's own words."""
    status, _, noise = delegate.run([program(environ), "-f", "-"], environ, script.encode(), NFT_SECONDS)
    if status != 0:
        words = noise.decode("utf-8", "replace").strip()
        raise CNIError(f"nft could not {what} (exit {status})", f"{words[:2000]}\nis it older than 0.9.6?".strip())


def _count(netfilter: Netfilter, family: str, chain: str) -> int:
    body = Body(RULE_LAYOUT, [("NFTA_RULE_TABLE", TABLE), ("NFTA_RULE_CHAIN", chain)], family=FAMILIES[family])
    try:
        return len(netfilter.dump(Message(body, NFT_MSG_GETRULE, 0, f"list the rules of chain {chain}")))
    except KernelRefused as error:
        if error.errno == errno.ENOENT:
            return 0
        raise
