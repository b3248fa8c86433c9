"""What a result says of interfaces and addresses is what the kernel has, and it says all of the interfaces."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from conformance import state
from conformance.expect import Complaint
from conformance.kernel import Picture

if TYPE_CHECKING:
    from conformance.steps import Player


def check(player: "Player", pod: int = 1) -> Iterator[Complaint]:
    """Makes the ADD itself; from 0.3.0 on."""
    before = {place: set(player.world.look(place).links) for place in (0, pod)}
    outcome = player.call({"call": "ADD", "pod": pod})
    result = outcome.document()
    if outcome.exit != 0 or result is None:
        yield Complaint("an ADD that succeeds", outcome.as_text())
        return
    interfaces = result.get("interfaces") or []
    for place in (0, pod):
        picture = player.world.look(place)
        own = [one for one in interfaces if bool(one.get("sandbox")) == bool(place)]
        where = f"pod {pod}" if place else "the node"
        for name in sorted(set(picture.links) - before[place] - {one.get("name") for one in own}):
            yield Complaint(f"a result that names {name}, which was made in {where}", str(own), ("RES-6",))
        for one in own:
            yield from _link(one, picture, where)
            if place:
                yield from _addresses(result, str(one.get("name")), picture)
    for ip in result.get("ips") or []:
        index = ip.get("interface")
        if not isinstance(index, int) or not 0 <= index < len(interfaces):
            yield Complaint(f"interface of {ip.get('address')} is an index of interfaces", str(index), ("RES-12",))


def _link(one: Mapping[str, Any], picture: Picture, where: str) -> Iterator[Complaint]:
    name = str(one.get("name"))
    link = picture.links.get(name)
    if link is None:
        yield Complaint(f"{name}, which the result names, in {where}", "no such link", ("RES-8",))
        return
    mac, mtu = str(one.get("mac", "")), one.get("mtu", link["mtu"])
    if mac.lower() != str(link["mac"]).lower():
        yield Complaint(f"the result tells the MAC of {name} in {where}, {link['mac']}", mac, ("RES-7",))
    if mtu != link["mtu"]:
        yield Complaint(f"an mtu that the result tells of {name} is {link['mtu']}", str(mtu), ("RES-19",))


def _addresses(result: Any, name: str, picture: Picture) -> Iterator[Complaint]:
    told, has = state.addresses_of(result, name), sorted(picture.addresses.get(name, []))
    if told != has:
        yield Complaint(f"the result tells the addresses of {name}, {has}", str(told), ("RES-11", "RES-12"))
