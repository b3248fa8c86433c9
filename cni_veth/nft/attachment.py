"""An attachment's elements: in and out by one transaction, and back for all pods where somebody flushed the rules."""

from __future__ import annotations

import errno

from cni.errors import AddressUnavailable, KernelRefused
from cni.stderr import tell
from cni_veth import links, tag
from cni_veth.netlink import NLM_F_CREATE, Answer, Message, Socket
from cni_veth.nft import elements, ruleset
from cni_veth.nft.elements import TABLE, Element
from cni_veth.nft.ruleset import Text
from cni_veth.nft.transaction import Netfilter
from cni_veth.records import Record, Records

TRIES = 6  # the rules were flushed (two), a dead pod had the key (two), and they were flushed again
AT_ONCE = 500  # elements of a transaction that puts back all


def add(netfilter: Netfilter, host: Socket, records: Records, record: Record, environ: dict[str, str]) -> None:
    """Bring a record's elements into the kernel. The records are locked, by `share`.

    Raises AddressUnavailable (102) naming who has a key of ours, KernelRefused (100), and as `ruleset.install`.
    """
    own = elements.comment(record.network, record.owner)
    touched, is_alone = len(record.texts), False
    for _ in range(TRIES):
        answers = netfilter.commit(
            [text.touch() for text in record.texts] + [elements.add(element, own) for element in record.elements]
        )
        failed = [answer for answer in answers if answer.errno]
        if not failed:
            return
        is_missing = any(answer.errno == errno.ENOENT for answer in failed)
        if not is_alone:
            # and look again: others may have found the same, and a DEL may be between its look and its deletion
            records.claim()
            is_alone = True
            continue
        if is_missing:
            for problem in restore(netfilter, host, records, environ, record):
                tell(f"cni-veth: {problem}\n".encode())
            continue
        for answer in failed:
            if answer.errno != errno.EEXIST:
                raise KernelRefused(answer.message.what, answer.errno, answer.text)
        for element, answer in zip(record.elements, answers[touched:], strict=True):
            if answer.errno == errno.EEXIST:
                _evict(netfilter, host, records, element, own)
    raise KernelRefused("add rules to nftables", errno.ENOENT, "another program removes them; nft monitor tells which")


def remove(netfilter: Netfilter, listed: list[Element], text: str) -> None:
    """Those that have the comment `text`: a key may have become another pod's, or never ours. Missing is success.

    Raises KernelRefused (100).
    """
    answers = netfilter.batch(*(elements.get(element) for element in listed))
    mine = []
    for element, answer in zip(listed, answers, strict=True):
        if answer.failure is not None:
            raise answer.failure
        entries = [entry for reply in answer.replies for entry in elements.entries(reply)]
        if entries and elements.comment_of(entries[0]) == text:
            mine.append(elements.delete(element))
    netfilter.remove(mine)


def restore(
    netfilter: Netfilter, host: Socket, records: Records, environ: dict[str, str], new: Record | None = None
) -> list[str]:
    """Put back the texts and elements of every live pod, and the texts of a `new` one; the problems where it could not.

    The records are locked, by `claim`. Raises as `ruleset.install`.
    """
    found = [record for record in living(host, records) if new is None or record.name != new.name]
    found.sort(key=lambda record: not record.is_of_link)
    texts: dict[str, Text] = {}
    for record in found if new is None else [new, *found]:
        for text in record.texts:
            texts.setdefault(text.kind if text.is_frame else text.name, text)  # an older pod's frame may be another
    ruleset.install(netfilter, list(texts.values()), environ)
    pairs = [
        (element, elements.comment(record.network, record.owner)) for record in found for element in record.elements
    ]
    problems: list[str] = []
    for start in range(0, len(pairs), AT_ONCE):
        messages = [_again(*pair) for pair in pairs[start : start + AT_ONCE]]
        while messages:
            refused = [answer for answer in netfilter.commit(messages) if answer.errno]
            problems += [str(KernelRefused(answer.message.what, answer.errno, answer.text)) for answer in refused]
            if not refused:
                break
            out = {id(answer.message) for answer in refused}
            messages = [message for message in messages if id(message) not in out]
    if new is not None:
        from cni_veth.nft import garbage

        garbage.drop_unused(netfilter, records, new)  # or each subnet that a pod ever had keeps its chains at the hooks
    return problems


def living(host: Socket, records: Records) -> list[Record]:
    """The records whose link is there."""
    every = links.every(host)
    alive, names = {name for link in every for name in link.altnames}, {link.name for link in every}
    return [
        record
        for record in records.every()
        if (record.host_link in names if record.is_of_link else record.name in alive)
    ]


def lacking(netfilter: Netfilter, listed: list[Record]) -> list[Record]:
    """Those of which the kernel has not everything: one dump, for all of them."""
    has = {(text, element.family, element.set, element.key) for text, element in dump(netfilter)}
    known = {text.name: text for record in listed for text in record.texts}
    texts = {name for name, text in known.items() if not ruleset.differences(netfilter, [text])}
    found = []
    for record in listed:
        own = elements.comment(record.network, record.owner)
        expected = {(own, element.family, element.set, element.key) for element in record.elements}
        if not expected <= has or not {text.name for text in record.texts} <= texts:
            found.append(record)
    return found


def differences(netfilter: Netfilter, record: Record) -> list[str]:
    """What of it the kernel lacks, in words."""
    found = ruleset.differences(netfilter, record.texts)
    expected = elements.comment(record.network, record.owner)
    for element in record.elements:
        entry = lookup(netfilter, element)
        where = f"{element.family} {TABLE} {element.set}"
        if entry is None:
            found.append(f"{element.what} is missing in nftables ({where})")
        elif not element.holds(entry) or elements.comment_of(entry) != expected:
            found.append(f"{element.what} is {elements.comment_of(entry) or 'somebody'}'s in nftables ({where})")
    return found


def lookup(netfilter: Netfilter, element: Element):  # type: ignore[no-untyped-def]
    """The kernel's entry under the element's key, None where there is none."""
    answer: Answer = netfilter.ask(elements.get(element))[0]
    listed = [entry for reply in answer.replies for entry in elements.entries(reply)]
    return listed[0] if listed else None


def dump(netfilter: Netfilter) -> list[tuple[str, Element]]:
    """(comment, element) of all attachments in our tables."""
    found = []
    for family in elements.FAMILIES:
        for name in sorted(ruleset.present(netfilter, family)):
            for reply in netfilter.dump(elements.every(family, name)):
                for entry in elements.entries(reply):
                    text = elements.comment_of(entry)
                    element = Element((family, name), elements.key_of(entry), f"an element of {name}")
                    if text.count(" ") == 2:
                        found.append((text, element))
    return found


def _owner_is_alive(host: Socket, records: Records, text: str) -> bool:
    """Whether the attachment of that comment has its link; one that holds digests is looked for among the records."""
    network, container_id, ifname = text.split(" ")
    if "#" in text:
        return any(elements.comment(record.network, record.owner) == text for record in living(host, records))
    return links.find(host, altname=tag.altname(network, (container_id, ifname))) is not None


def _evict(netfilter: Netfilter, host: Socket, records: Records, element: Element, own: str) -> None:
    """Take a key from a pod that is gone, or from an earlier ADD of this one. Raises AddressUnavailable (102) where its
    pod lives. The records are locked, by `claim`."""
    entry = lookup(netfilter, element)
    if entry is None:
        return
    text = elements.comment_of(entry)
    if text.count(" ") != 2:
        raise AddressUnavailable(f"{element.what} is taken", f"an element of {element.set} that is not ours has it")
    if text != own and _owner_is_alive(host, records, text):
        network, container_id, ifname = text.split(" ")
        raise AddressUnavailable(
            f"{element.what} is taken", f"by container {container_id}, interface {ifname}, network {network}"
        )
    remove(netfilter, [element], text)


def _again(element: Element, text: str) -> Message:
    message = elements.add(element, text)
    message.flags = NLM_F_CREATE  # what is there already is as well
    return message
