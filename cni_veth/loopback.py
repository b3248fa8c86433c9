"""`loopback`: the pod's `lo`, up. containerd runs it for every pod (reference: plugins/main/loopback)."""

from __future__ import annotations

from cni import address
from cni.errors import CheckFailed, InvalidConfig
from cni.request import Request
from cni.result import Interface, IPConfig, Result
from cni_veth import addresses, links
from cni_veth.netlink import Socket
from cni_veth.netns import Netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def add(request: Request, deliver: Callable[[Result], None]) -> Result:
    """Set lo up; prevResult is passed through, else lo and its addresses are reported."""
    previous = request.prev_result()
    netns = Netns.open(request.netns)
    inner = netns.socket()
    inner.ask(links.up(index=links.LO_INDEX))
    result = previous or _report(inner, request)
    deliver(result)  # not undone: a lo that is up harms nobody
    return result


def _report(inner: Socket, request: Request) -> Result:
    """lo and its addresses."""
    has = addresses.of(inner, links.LO_INDEX)
    strange = [text for text in has if not _is_loopback(text)]
    if strange:
        raise InvalidConfig(f"lo in {request.netns} has an address that is not a loopback address: {strange[0]}")
    return Result([Interface("lo", links.NO_MAC, sandbox=request.netns)], [IPConfig(text, interface=0) for text in has])


def check(request: Request) -> None:
    link = links.find(Netns.open(request.netns).socket(), index=links.LO_INDEX)
    if link is None or not link.is_up:
        raise CheckFailed([f"lo in {request.netns} is down"])


def delete(request: Request) -> None:
    """Set lo down; a namespace that is gone is success."""
    netns = Netns.open_if_any(request.netns)
    if netns is not None:
        netns.socket().ask(links.change("set lo down", [], index=links.LO_INDEX, flags=0, mask=links.IFF_UP))


def _is_loopback(text: str) -> bool:
    packed = address.split(text)[0]
    return packed[0] == 127 if len(packed) == 4 else packed == b"\0" * 15 + b"\1"
