"""The closed list of what no plugin may mind, and of what prepares a case. Names in cases have `-` for `_`."""

import os
import socket
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.change import Change, attached_link, host_end
from conformance.world import DELEGATE

if TYPE_CHECKING:
    from conformance.steps import Player

_open: list[socket.socket] = []  # until the run's end

_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 263, 1, 1
_ETH_P_ALL = 3


def packet_socket(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """As tcpdump does: a socket that sees all packets, on the pod's link and on the node's end."""
    for place, name in ((pod, ifname), (0, host_end(player, pod, ifname))):
        with player.world.inside(place):
            sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            index = socket.if_nametoindex(name)
        request = struct.pack("iHH8s", index, _PACKET_MR_PROMISC, 0, b"")
        sniffer.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        _open.append(sniffer)


def promiscuous(player: "Player", pod: int = 1, ifname: str = "eth0", on: str = "bridge") -> None:
    """The flag set by hand, `on`: bridge, or host (the node's end)."""
    host = host_end(player, pod, ifname)
    name = player.world.look(0).links[host]["master"] if on == "bridge" else host
    with attached_link(player, 0, name) as (ipr, index):
        ipr.link("set", index=index, flags=0x100, change=0x100)


def route_added(player: "Player", pod: int = 1, ifname: str = "eth0", dst: str = "203.0.113.0/24") -> None:
    with attached_link(player, pod, ifname) as (ipr, index):
        ipr.route("add", dst=dst, oif=index)


def address_added(
    player: "Player", pod: int = 1, ifname: str = "eth0", address: str = "203.0.113.9", prefix: int = 32
) -> None:
    with attached_link(player, pod, ifname) as (ipr, index):
        ipr.addr("add", index=index, address=address, prefixlen=prefix)


def host_mac_changed(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """As udev's MACAddressPolicy does on the node's end, shortly after it came up."""
    with attached_link(player, 0, host_end(player, pod, ifname)) as (ipr, index):
        ipr.link("set", index=index, address="02:77:77:77:77:77")


def foreign_table(player: "Player") -> None:
    """Somebody else's nftables, or iptables chain."""
    rules = "add table inet somebody; add chain inet somebody c; add rule inet somebody c counter"
    try:
        subprocess.run(["nft", rules], check=True, capture_output=True, timeout=20)
    except FileNotFoundError:
        subprocess.run(["iptables", "-w", "-N", "SOMEBODY"], check=True, capture_output=True, timeout=20)


def foreign_link(player: "Player", pod: int = 0, name: str = "somebody0") -> None:
    """A link that is nobody's business: on the node, or in a pod."""
    with player.world.link_layer(pod) as ipr:
        ipr.link("add", ifname=name, kind="bridge", address="02:66:66:66:66:66")


def neighbour_added(player: "Player", pod: int = 1, ifname: str = "eth0", ip: str = "10.88.0.1") -> None:
    with attached_link(player, pod, ifname) as (ipr, index):
        ipr.neigh("replace", dst=ip, lladdr="02:55:55:55:55:55", ifindex=index, state=0x80)


def alias_set(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """ifalias, as monitoring agents set it."""
    with attached_link(player, 0, host_end(player, pod, ifname)) as (ipr, index):
        ipr.link("set", index=index, ifalias="somebody's note")


def queue_length(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    with attached_link(player, 0, host_end(player, pod, ifname)) as (ipr, index):
        ipr.link("set", index=index, txqlen=777)


def pod_gone(player: "Player", pod: int = 1) -> None:
    """The namespace and its path are gone before DEL."""
    player.world.remove_pod(pod)


def pod_file(player: "Player", pod: int = 1) -> None:
    """The namespace is gone, and an empty file is left at its path."""
    player.world.detach_pod(pod)


def name_taken(player: "Player", pod: int = 1, ifname: str = "eth0") -> None:
    """A link of that name, somebody else's, in the pod."""
    player.pod(pod)
    foreign_link(player, pod, ifname)


def delegate_missing(player: "Player", type: str = "") -> None:
    """The executable of the delegate is no longer there: of this type, or of the one that the profile names."""
    directory = player.world.dir / "bin"
    wanted = type or str(player.config({"call": "ADD"}).get("ipam", {}).get("type", DELEGATE))
    (directory / wanted).unlink()


def foreign_reservation(
    player: "Player", ip: str = "10.88.0.200", container: str = "somebody", ifname: str = "eth0"
) -> None:
    """An address held by an attachment that the case does not make."""
    store = Path(player.names["store"])
    store.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(store / ip, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.write(descriptor, f"{container}\r\n{ifname}".encode())
    os.close(descriptor)


CATALOGUE: dict[str, Change] = {
    function.__name__.replace("_", "-"): function
    for function in (
        packet_socket,
        promiscuous,
        route_added,
        address_added,
        host_mac_changed,
        foreign_table,
        foreign_link,
        neighbour_added,
        alias_set,
        queue_length,
        pod_gone,
        pod_file,
        name_taken,
        delegate_missing,
        foreign_reservation,
    )
}
