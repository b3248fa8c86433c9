"""The closed list of things that break what a plugin has made behind its back. Names in cases have `-` for `_`.

What only disturbs, or prepares, is in disturb.py. `pod` and `ifname` tell the attachment; what it has is read from the
kernel, so that a change fits any plugin.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2 import IPRoute

from conformance import kernel

if TYPE_CHECKING:
    from conformance.steps import Player

Change = Callable[..., None]

OTHER_MAC = "02:99:99:99:99:99"


class CannotChange(RuntimeError):
    """What was to be changed is not there: the case does not fit the plugin, or an ADD did not do what it said."""


def link_down(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    with attached_link(player, pod, ifname) as (ipr, index):
        ipr.link("set", index=index, state="down")


def link_removed(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    with attached_link(player, pod, ifname) as (ipr, index):
        ipr.link("del", index=index)


def mac_changed(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    with attached_link(player, pod, ifname) as (ipr, index):
        ipr.link("set", index=index, address=OTHER_MAC)


def mtu_changed(player: "Player", pod: int = 1, ifname: str = "eth0", mtu: int = 1300) -> None:
    with attached_link(player, pod, ifname) as (ipr, index):
        ipr.link("set", index=index, mtu=mtu)


def address_removed(player: "Player", pod: int = 1, ifname: str = "eth0", family: int = 4) -> None:
    """The first address of that family."""
    with attached_link(player, pod, ifname) as (ipr, index):
        _remove_address(ipr, index, family)


def gateway_removed(player: "Player", pod: int = 1, ifname: str = "eth0", family: int = 4) -> None:
    """The node's address on the bridge, or on the node's end of the pair where there is no bridge."""
    host = host_end(player, pod, ifname)
    with attached_link(player, 0, _master(player, host) or host) as (ipr, index):
        _remove_address(ipr, index, family)


def route_removed(player: "Player", pod: int = 1, dst: str = "") -> None:
    """The routes to `dst`, or the default routes."""
    wanted = (dst,) if dst else ("0.0.0.0/0", "::/0")
    with player.world.link_layer(pod) as ipr:
        found = [one for one in ipr.get_routes() if one["table"] != 255 and _dst(one) in wanted]
        for message in found:
            ipr.route("del", **_route(message))
    if not found:
        raise CannotChange(f"no route to {' or '.join(wanted)} in pod {pod}")


def host_link_down(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    with attached_link(player, 0, host_end(player, pod, ifname)) as (ipr, index):
        ipr.link("set", index=index, state="down")


def host_link_up(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """The repair of host-link-down; returns when the pod's link has its carrier again."""
    with attached_link(player, 0, host_end(player, pod, ifname)) as (ipr, index):
        ipr.link("set", index=index, state="up")
    _until(lambda: _operstate(player, pod, ifname) == "UP")


def port_detached(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """The node's end leaves the bridge."""
    host = host_end(player, pod, ifname)
    _bridge(player, host)
    with attached_link(player, 0, host) as (ipr, index):
        ipr.link("set", index=index, master=0)


def bridge_down(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    with attached_link(player, 0, _bridge(player, host_end(player, pod, ifname))) as (ipr, index):
        ipr.link("set", index=index, state="down")


def bridge_gone(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    with attached_link(player, 0, _bridge(player, host_end(player, pod, ifname))) as (ipr, index):
        ipr.link("del", index=index)


def forwarding_off(player: "Player") -> None:
    kernel.sysctl("net/ipv4/ip_forward", "0")


def rules_flushed(player: "Player") -> None:
    """All rules of the node, of nftables and iptables."""
    for command in (["nft", "flush", "ruleset"], *_flushes("nat"), *_flushes("filter"), *_flushes("mangle")):
        if shutil.which(command[0]):
            subprocess.run(command, capture_output=True, timeout=20)


def masquerade_flushed(player: "Player") -> None:
    """The rules in every chain that hooks source NAT, and in those that these lead to: simply all of NAT."""
    rules_flushed(player)


def shaping_removed(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """The queueing disciplines of the node's end and of the pod's link."""
    for place, name in ((0, host_end(player, pod, ifname)), (pod, ifname)):
        with player.world.inside(place):
            for parent in ("root", "ingress"):
                subprocess.run(["tc", "qdisc", "del", "dev", name, parent], capture_output=True, timeout=20)


def reservation_removed(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """All that the store has for the attachment."""
    store = Path(player.names["store"])
    owner = player.names[f"pod.{pod}.container"]
    for path in _reservations(store, owner, ifname):
        path.unlink()


def reservation_passed_on(player: "Player", pod: int = 1, ifname: str = "eth0", to: str = "somebody") -> None:
    """What the attachment reserved is another container's."""
    store = Path(player.names["store"])
    owner = player.names[f"pod.{pod}.container"]
    for path in _reservations(store, owner, ifname):
        path.write_bytes(f"{to}\r\n{ifname}".encode())


def store_lost(player: "Player") -> None:
    shutil.rmtree(player.names["store"], ignore_errors=True)


@contextmanager
def attached_link(player: "Player", pod: int, name: str) -> Iterator[tuple[IPRoute, int]]:
    with player.world.link_layer(pod) as ipr:
        if not (found := ipr.link_lookup(ifname=name)):
            raise CannotChange(f"no link {name} in {f'pod {pod}' if pod else 'the node'}")
        yield ipr, found[0]


def host_end(player: "Player", pod: int, ifname: str) -> str:
    """The node's end of the pod's veth pair."""
    with attached_link(player, pod, ifname) as (ipr, index):
        (message,) = ipr.get_links(index)
        peer = message.get_attr("IFLA_LINK")
    found = [name for name, link in player.world.look(0).links.items() if link["index"] == peer]
    if not found or peer is None:
        raise CannotChange(f"{ifname} of pod {pod} has no other end on the node")
    return found[0]


def _reservations(store: Path, owner: str, ifname: str) -> list[Path]:
    wanted = [owner.encode(), ifname.encode()]
    mine = [path for path in store.iterdir() if path.is_file() and path.read_bytes().split() == wanted]
    if not mine:
        raise CannotChange(f"no reservation of {owner} {ifname} in {store}")
    return mine


def _operstate(player: "Player", pod: int, ifname: str) -> str:
    with attached_link(player, pod, ifname) as (ipr, index):
        return str(ipr.get_links(index)[0].get_attr("IFLA_OPERSTATE"))


def _until(is_so: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)


def _master(player: "Player", link: str) -> str | None:
    master = player.world.look(0).links[link]["master"]
    return None if master is None else str(master)


def _bridge(player: "Player", link: str) -> str:
    if (master := _master(player, link)) is None:
        raise CannotChange(f"{link} is no port of a bridge")
    return master


def _remove_address(ipr: IPRoute, index: int, family: int) -> None:
    wanted = {4: 2, 6: 10}[family]
    for message in ipr.get_addr(index=index):
        if message["family"] == wanted and message["scope"] != 253:
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            ipr.addr("del", index=index, address=text, prefixlen=message["prefixlen"])
            return
    raise CannotChange(f"no IPv{family} address on link {index}")


def _dst(message: Any) -> str:
    default = "::" if message["family"] == 10 else "0.0.0.0"
    return f"{message.get_attr('RTA_DST') or default}/{message['dst_len']}"


def _route(message: Any) -> dict[str, Any]:
    named = {"oif": "RTA_OIF", "gateway": "RTA_GATEWAY", "priority": "RTA_PRIORITY", "table": "RTA_TABLE"}
    found = {key: message.get_attr(attribute) for key, attribute in named.items()}
    known = {key: value for key, value in found.items() if value is not None}
    return {"dst": _dst(message), "family": message["family"], **known}


def _flushes(table: str) -> list[list[str]]:
    return [[program, "-w", "-t", table, flag] for program in ("iptables", "ip6tables") for flag in ("-F", "-X")]


CATALOGUE: dict[str, Change] = {
    function.__name__.replace("_", "-"): function
    for function in (
        link_down,
        link_removed,
        mac_changed,
        mtu_changed,
        address_removed,
        gateway_removed,
        route_removed,
        host_link_down,
        host_link_up,
        port_detached,
        bridge_down,
        bridge_gone,
        forwarding_off,
        rules_flushed,
        masquerade_flushed,
        shaping_removed,
        reservation_removed,
        reservation_passed_on,
        store_lost,
    )
}
