"""What a network asks for beside links and addresses: by one plugin of ours, by a chain of the reference's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Conf = dict[str, Any]

FIRST_PORT = 20_000
CONTAINER_PORT = 80
MBIT = 1_000_000


@dataclass(frozen=True)
class Network:
    title: str = ""
    main: Conf = field(default_factory=dict)
    """Keys of the first plugin, whoever's."""
    has_ports: bool = False
    others: tuple[Conf, ...] = ()
    """The reference's plugins behind it. Ours has their keys itself."""

    def plugins(self, conf: Conf, is_reference: bool, number: int) -> list[Conf]:
        """The plugins of the list for the pod of that number, each as it reads its stdin."""
        runtime = {"portMappings": [_mapping(number)]} if self.has_ports else {}
        if not is_reference:
            keys = {key: value for other in self.others for key, value in other.items()}
            asked = {key: value for key, value in keys.items() if key not in ("type", "backend", "capabilities")}
            return [{**conf, **self.main, **asked, **({"runtimeConfig": runtime} if runtime else {})}]
        base = {"cniVersion": conf["cniVersion"], "name": conf["name"]}
        chain = [{**conf, **self.main, **({"ipMasqBackend": "iptables"} if "ipMasq" in self.main else {})}]
        for other in self.others:
            is_asked = other.get("capabilities") and runtime
            chain.append({**base, **other, **({"runtimeConfig": runtime} if is_asked else {})})
        return chain


def _mapping(number: int) -> Conf:
    return {"hostPort": FIRST_PORT + number, "containerPort": CONTAINER_PORT, "protocol": "tcp"}


PLAIN = Network()
MASQUERADED = Network("bridge + ipMasq", {"ipMasq": True})
WHOLE = Network(
    "whole conflist",
    {"ipMasq": True},
    has_ports=True,
    others=(
        {"type": "portmap", "backend": "iptables", "capabilities": {"portMappings": True}},
        {
            "type": "bandwidth",
            "ingressRate": 100 * MBIT,
            "ingressBurst": 10 * MBIT,
            "egressRate": 100 * MBIT,
            "egressBurst": 10 * MBIT,
        },
        {"type": "firewall", "backend": "iptables", "ingressPolicy": "same-bridge"},
    ),
)
GUARDED = Network("spoof guard", {"spoofGuard": True})
