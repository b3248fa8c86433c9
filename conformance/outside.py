"""A machine outside of the node, to see a pod's traffic as others see it: a namespace on a wire of its own."""

import socket
from collections.abc import Callable

from conformance import kernel
from conformance.world import World

NODE, ADDRESS = "203.0.113.1", "203.0.113.2"
"""The node's address on the wire, and the machine's."""

_NUMBER = 90
_LIMIT = 5.0


def build(world: World) -> None:
    """The wire, up, and the node forwards; the machine knows no way to the pods."""
    world.pod(_NUMBER)
    with world.link_layer(0) as ipr:
        peer = {"ifname": "wire0", "net_ns_fd": world.space(_NUMBER)}
        ipr.link("add", ifname="confwire", kind="veth", peer=peer)
        index = ipr.link_lookup(ifname="confwire")[0]
        ipr.addr("add", index=index, address=NODE, prefixlen=24)
        ipr.link("set", index=index, state="up")
    with world.link_layer(_NUMBER) as ipr:
        index = ipr.link_lookup(ifname="wire0")[0]
        ipr.addr("add", index=index, address=ADDRESS, prefixlen=24)
        ipr.link("set", index=index, state="up")
    kernel.sysctl("net/ipv4/ip_forward", "1")


def within(world: World, place: int | None, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket of a pod, of the node (0) or of the machine outside (None); it waits no longer than some seconds."""
    with world.inside(_NUMBER if place is None else place):
        made = make()
    made.settimeout(_LIMIT)
    return made


def datagram(port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("", port))
    return made


def listener(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", port))
    made.listen(1)
    return made


def stream() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
