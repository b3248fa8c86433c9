"""Garbage: the links of a network whose attachment the runtime no longer knows."""

from __future__ import annotations

from cni_veth import links, removal, tag
from cni_veth.netlink import Socket
from cni_veth.undo import Errors

KINDS = ("veth", "ifb")  # what ADD makes for an attachment


def links_not_in(host: Socket, network: str, keep: set[tuple[str, str]], errors: Errors) -> None:
    """Delete this network's tagged links whose owner is not in `keep`; a foreign link is never touched."""
    wanted = {tag.alias(network, owner) for owner in keep}
    garbage: list[links.Link] = []
    with errors:
        garbage = [
            link
            for link in links.every(host)
            if tag.is_of_network(link.alias, network) and link.alias not in wanted and link.kind in KINDS
        ]
    if not garbage:
        return
    moves, deletion = removal.together(garbage)
    with errors:
        answers = host.batch(*moves)
        errors.found += [answer.failure for answer in answers if answer.failure is not None]
        host.ask(deletion)
