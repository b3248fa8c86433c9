"""What is said to the kernel, and what a kernel answered: recorded once, replayed without one.

`python -m tests.unit.netlink_scenarios` (as root) records tests/data/netlink.json anew, each scenario in an
empty namespace: {scenario: [["sent", hex] | ["received", hex], ...]}.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

from cni.result import Route
from cni_veth import addresses, links, routes
from cni_veth.netlink import Answer, Message, Socket
from cni_veth.wire import Attrs

DATA = Path(__file__).parents[1] / "data/netlink.json"
MAC = "02:00:00:00:00:01"
Frames = list[tuple[str, str]]


def bridge(name: str = "br0") -> Message:
    kind = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
    attrs: Attrs = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", MAC), ("IFLA_LINKINFO", kind)]
    return links.create(attrs, 0, f"create bridge {name}")


def look_up(kernel: Socket) -> list[Answer]:
    return kernel.batch(links.get("lo"), links.get(index=1), links.get("missing"))


def batch_with_failures(kernel: Socket) -> list[Answer]:
    kernel.ask(bridge())
    return kernel.batch(
        bridge(),
        links.change("set alias of br0", [("IFLA_IFALIAS", "cni-veth net1 c1 eth0")], "br0"),
        links.get("br0"),
        links.delete("br0"),
        links.delete("br0"),
    )


def refused() -> tuple[Message, Message]:
    too_long = addresses.add(1, "10.1.0.1/24", "lo")
    too_long.body.fields["prefixlen"] = 33
    attrs = [("IFLA_IFNAME", "v0"), ("IFLA_MTU", 9), ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth")]})]
    return too_long, links.create(attrs, 0, "create veth v0")


def kernels_own_words(kernel: Socket) -> list[Answer]:
    return kernel.batch(*refused())


def assign(kernel: Socket) -> list[Answer]:
    """Addresses and routes of both families, with every attribute that a route may have."""
    kernel.ask(bridge())
    index = links.Link(kernel.ask(links.get("br0"))[0].replies[0]).index
    wanted = [
        Route("0.0.0.0/0", "10.1.0.1", mtu=1400, advmss=1360, priority=100),
        Route("10.9.0.0/16", "10.1.0.7", table=100),
        Route("10.8.0.0/16", scope=253),
        Route("10.7.0.0/16", "10.1.0.2"),
        Route("10.7.0.0/16", "10.1.0.3"),
        Route("fd09::/16", "fd01::1", table=1000),
    ]
    return kernel.ask(
        addresses.add(index, "10.1.0.5/24", "br0"),
        addresses.add(index, "fd01::5/64", "br0"),
        links.up(index=index),
        *routes.add(index, wanted, "br0"),
    )


def list_everything(kernel: Socket) -> tuple[list[str], list[str], list[routes.KernelRoute]]:
    assign(kernel)
    index = links.Link(kernel.ask(links.get("br0"))[0].replies[0]).index
    return [link.name for link in links.every(kernel)], addresses.of(kernel, index, 4), routes.every(kernel)


SCENARIOS: dict[str, Callable[[Socket], object]] = {
    scenario.__name__: scenario
    for scenario in (look_up, batch_with_failures, kernels_own_words, assign, list_everything)
}


class Replay:
    """A netlink socket whose kernel is a recording: it says what it said, if it is told what it was told."""

    def __init__(self, frames: Frames) -> None:
        self._frames = list(frames)

    def bind(self, address: object) -> None: ...

    def setsockopt(self, level: int, option: int, value: int) -> None: ...

    def send(self, data: bytes) -> int:
        assert self._next("sent").hex() == data.hex(), "meant so? then record it anew, see above"
        return len(data)

    def recvfrom(self, size: int, flags: int) -> tuple[bytes, tuple[int, int]]:
        return self._next("received"), (0, 0)

    @property
    def is_through(self) -> bool:
        return not self._frames

    def _next(self, kind: str) -> bytes:
        assert self._frames, f"{kind} after the end of the recording"
        recorded, data = self._frames.pop(0)
        assert recorded == kind
        return bytes.fromhex(data)


class Recording(socket.socket):
    """A real netlink socket that notes what passes."""

    frames: Frames

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        self.frames.append(("sent", data.hex()))
        return super().send(data, flags)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, tuple[int, int]]:  # type: ignore[override]
        data, sender = super().recvfrom(size, flags)
        self.frames.append(("received", data.hex()))
        return data, sender


def record() -> dict[str, Frames]:
    from tests.world import Namespace, ownership

    found: dict[str, Frames] = {}
    for name, scenario in SCENARIOS.items():
        namespace = Namespace(ownership.new_name())
        namespace.create()
        try:
            with namespace.entered():
                kernel = Socket()
                recording = Recording(fileno=kernel._socket.detach())
                recording.frames = found.setdefault(name, [])
                kernel._socket = recording
                scenario(kernel)
                recording.close()
        finally:
            namespace.delete()
    return found


if __name__ == "__main__":
    recorded = record()
    lines = (f"{json.dumps(name)}: {json.dumps(frames)}" for name, frames in recorded.items())
    DATA.write_text("{\n" + ",\n".join(lines) + "\n}\n")
