"""What is left in our tables without anybody needing it: elements of pods that are gone, texts that no pod uses."""

from __future__ import annotations

import errno

from cni_veth import links, tag
from cni_veth.netlink import Message, Socket
from cni_veth.nft import attachment, elements, guard, policy, ports, ruleset
from cni_veth.nft.attributes import CHAIN_LAYOUT, RULE_LAYOUT, SET_LAYOUT
from cni_veth.nft.elements import FAMILIES, TABLE, Element
from cni_veth.nft.ruleset import Text
from cni_veth.nft.transaction import Netfilter
from cni_veth.records import Record, Records
from cni_veth.wire import Body, Layout

NFT_MSG_GETCHAIN, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET = 0xA04, 0xA05, 0xA08, 0xA0B
CLOSING = {"loopback": ports.close, "policy": policy.close}  # before the text of a bridge goes


def collect(network: str, keep: set[tuple[str, str]], kept: list[Record] | None, records: Records) -> None:
    """The network's elements whose owner is not in `keep`; `kept` are the records of all networks that stay; None
    where none were made.

    Texts go only while every element's owner has a record: a record tells which texts its pod needs.
    """
    netfilter = Netfilter()
    wanted = {elements.comment(network, owner) for owner in keep}
    noted = {elements.comment(record.network, record.owner) for record in kept or []}
    is_all_noted, gone = kept is not None, []
    for text, element in attachment.dump(netfilter):
        if elements.is_of_network(text, network) and text not in wanted:
            gone.append(elements.delete(element))
        elif text not in noted:
            is_all_noted = False
    netfilter.remove(gone)
    if is_all_noted:
        _drop(netfilter, records, kept or [])
    netfilter.leave()


def drop_unused(netfilter: Netfilter, records: Records, new: Record) -> None:
    """The texts that neither a noted attachment needs nor the `new` one. The records are locked, by `claim`."""
    kept = [new, *records.every()]
    noted = {elements.comment(record.network, record.owner) for record in kept}
    if all(text in noted for text, _ in attachment.dump(netfilter)):
        _drop(netfilter, records, kept)


def orphans(netfilter: Netfilter, host: Socket, records: Records) -> list[Element]:
    """The elements of attachments that have neither a record nor a link. A comment that is a digest tells nobody whose.

    Elements first: an ADD has made its link before them, and a DEL takes it after them.
    """
    found = [(text, element) for text, element in attachment.dump(netfilter) if "#" not in text]
    noted = {elements.comment(record.network, record.owner) for record in records.every()}
    found = [(text, element) for text, element in found if text not in noted]
    alive = {name for link in links.every(host) for name in link.altnames} if found else set()
    return [element for text, element in found if _altname(text) not in alive]


def _altname(text: str) -> str:
    network, container_id, ifname = text.split(" ")
    return tag.altname(network, (container_id, ifname))


def _drop(netfilter: Netfilter, records: Records, kept: list[Record]) -> None:
    used = [text for record in kept if not record.is_of_link for text in record.texts]
    _close_links(netfilter, records, kept, {text.kind for text in used})
    for family in FAMILIES:
        _drop_texts(netfilter, family, used)


def _close_links(netfilter: Netfilter, records: Records, kept: list[Record], used: set[str]) -> None:
    for record in kept:
        word = record.texts[0].kind.partition("-")[0] if record.is_of_link else ""
        if word in CLOSING and record.texts[0].kind not in used:
            CLOSING[word](netfilter, record.host_link)
            records.remove(record.name)


def _drop_texts(netfilter: Netfilter, family: str, used: list[Text]) -> None:
    """All rules first, because they name sets and chains. A frame of all pods stays, and harms nobody."""
    sets = ruleset.present(netfilter, family)
    names = {text.name for text in used}
    kinds = {text.kind for text in used if text.is_frame} | {guard.TEXT.kind, ""}
    unused = {name for name in sets if name not in names and ruleset.kind_of(name) not in kinds}
    if not unused:
        return
    chains = [name for name in _chains(netfilter, family) if _is_of(name, unused)]
    messages = [_delete(NFT_MSG_DELRULE, RULE_LAYOUT, "NFTA_RULE", "CHAIN", family, name) for name in chains]
    messages += [_delete(NFT_MSG_DELCHAIN, CHAIN_LAYOUT, "NFTA_CHAIN", "NAME", family, name) for name in chains]
    messages += [
        _delete(NFT_MSG_DELSET, SET_LAYOUT, "NFTA_SET", "NAME", family, name)
        for name in sorted(sets)
        if _is_of(name, unused)
    ]
    netfilter.remove(messages)


def _is_of(name: str, texts: set[str]) -> bool:
    """A text's sets and chains begin with its name; the chain of a bridge's text has its kind."""
    return any(name in (text, ruleset.kind_of(text)) or name.startswith(f"{text}-") for text in texts)


def _chains(netfilter: Netfilter, family: str) -> list[str]:
    message = Message(Body(CHAIN_LAYOUT, [], family=FAMILIES[family]), NFT_MSG_GETCHAIN, 0, "list chains")
    replies = netfilter.dump(message)
    return [reply.get("NFTA_CHAIN_NAME") for reply in replies if reply.get("NFTA_CHAIN_TABLE") == TABLE]


def _delete(kind: int, layout: Layout, prefix: str, key: str, family: str, name: str) -> Message:
    body = Body(layout, [(f"{prefix}_TABLE", TABLE), (f"{prefix}_{key}", name)], family=FAMILIES[family])
    return Message(body, kind, 0, f"remove {name}, which no pod needs", (errno.ENOENT, errno.EBUSY))
