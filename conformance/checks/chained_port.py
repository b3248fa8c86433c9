"""A plugin of bridges attaches an interface of the node that an earlier plugin made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player

_LINK = "conftap0"


def check(player: "Player", pod: int = 1) -> Iterator[Complaint]:
    """From 1.0.0 on: the form of the prevResult is that of then. The profile has a var `bridge`."""
    bridge = player.names["bridge"]
    with player.world.link_layer(0) as ipr:
        ipr.link("add", ifname=_LINK, kind="tuntap", mode="tap")
        mac = ipr.get_links(ifname=_LINK)[0].get_attr("IFLA_ADDRESS")
    previous = {"cniVersion": player.version, "interfaces": [{"name": _LINK, "mac": mac}]}
    outcome = player.call({"call": "ADD", "pod": pod, "prevResult": previous})
    if outcome.exit != 0:
        yield Complaint("an ADD after a plugin that made an interface of the node succeeds", outcome.as_text())
        return
    master = player.world.look(0).links.get(_LINK, {}).get("master")
    if master != bridge:
        yield Complaint(f"{_LINK}, which prevResult names, is a port of {bridge}", f"its master is {master}")
