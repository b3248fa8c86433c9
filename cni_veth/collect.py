"""Garbage: the links of a network whose attachment the runtime no longer knows.

Twenty links deleted by group cost what one costs (one RCU grace period): garbage is moved to a group of
its own and the group is deleted.
"""

from __future__ import annotations

import errno
import os

from cni_veth import links, tag
from cni_veth.netlink import Message, Socket
from cni_veth.undo import Errors


def links_not_in(host: Socket, network: str, keep: set[tuple[str, str]], errors: Errors) -> None:
    """Delete this network's tagged links whose owner is not in `keep`; a foreign link is never touched."""
    wanted = {tag.alias(network, owner) for owner in keep}
    garbage: list[links.Link] = []
    with errors:
        garbage = [
            link
            for link in links.every(host)
            if tag.is_of_network(link.alias, network) and link.alias not in wanted and link.kind == "veth"
        ]
    if not garbage:
        return
    group = 0x80000000 | int.from_bytes(os.urandom(4), "big") >> 2
    with errors:
        answers = host.batch(*(_move(link, group) for link in garbage))
        errors.found += [answer.failure for answer in answers if answer.failure is not None]
        host.ask(links.delete(group=group))


def _move(link: links.Link, group: int) -> Message:
    message = links.change(f"collect link {link.name}", [("IFLA_GROUP", group)], index=link.index)
    message.tolerated = (errno.ENODEV,)  # its pod went at the same moment
    return message
