"""The node: a network namespace with pods, an outside network, and a directory for all state."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.world import ownership
from tests.world.cnitool import CNITool
from tests.world.namespace import Namespace
from tests.world.places import BIN
from tests.world.plugin import Plugin

OUTSIDE_IPS = ("192.0.2.1", "2001:db8::1")
NODE_IPS = ("192.0.2.2", "2001:db8::2")


class Pod(Namespace):
    """A pod's network namespace as a runtime hands it over: `lo` down and nothing else."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.container_id = name


class Node(Namespace):
    """A machine of its own, as far as the network goes. Use it in `with`; what it made goes with it."""

    dir: Path
    """For everything on disk: the IPAM store, confs, caches."""

    server: str
    """CNI_VETH_SOCKET of what is started here: cni-vethd's socket, or the path of none."""

    def __init__(self, server: str = "/nonexistent") -> None:
        name = ownership.new_name()
        super().__init__(f"{name}-node")
        self.server = server
        self._stem = name
        self._members: list[Namespace] = [self]

    def __enter__(self) -> Self:
        try:
            self.dir = ownership.make_directory(self._stem)
            self.create()
            self.run(["ip", "link", "set", "lo", "up"])
            # A new namespace inherits the machine's IPv4 setting; what a plugin does must show.
            self.sysctl("net.ipv4.ip_forward", 0)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Everything below this node is gone afterwards; repeatable."""
        with ownership.undisturbed():
            ownership.remove([self._stem, *(member.name for member in self._members)])
            for member in self._members:
                member.reap()

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return super().start(argv, {**self.environment, **({"LC_ALL": "C"} if env is None else env)})

    @property
    def environment(self) -> dict[str, str]:
        """Where the plugins find a server, and keep what they would keep below /run."""
        return {"CNI_VETH_SOCKET": self.server, "CNI_VETH_RUN_DIR": str(self.dir / "run")}

    @property
    def store(self) -> Path:
        """`dataDir` of this node's IPAM: one directory per network in it."""
        return self.dir / "networks"

    def pod(self, name: str | None = None) -> Pod:
        """A new pod; `name` tells it apart in messages."""
        pod = Pod(f"{self._stem}-{name or f'pod{len(self._members)}'}")
        self._members.append(pod)
        pod.create()
        return pod

    def outside(self, *pod_networks: str, mtu: int = 1500) -> Namespace:
        """A namespace beyond the node's uplink `eth0`: the node's default router, at OUTSIDE_IPS.

        It knows a way back to `pod_networks` only: to any other it replies to nobody, as the
        Internet does, unless the node masquerades.
        """
        outside = Namespace(f"{self._stem}-outside")
        self._members.append(outside)
        outside.create()
        # A router asks for neighbours from its link-local address, which DAD would withhold for 2 s.
        for namespace in (self, outside):
            namespace.run(["sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"])
        # If both ends had the same index, the kernel would announce carriers but once a second (linkwatch).
        self.batch(
            f"link add eth0 index 1000 mtu {mtu} type veth peer name eth0 index 2000 mtu {mtu} netns {outside.name}",
            *_addressed(NODE_IPS),
            *(f"route add default via {ip}" for ip in OUTSIDE_IPS),
        )
        vias = {6 if ":" in ip else 4: ip for ip in NODE_IPS}
        outside.batch(
            "link set lo up",
            *_addressed(OUTSIDE_IPS),
            *(f"route add {network} via {vias[6 if ':' in network else 4]}" for network in pod_networks),
        )
        # Even so it is some ms late, and a ping lost before that costs a second.
        while outside.links()["eth0"]["operstate"] != "UP":
            time.sleep(0.001)
        return outside

    def network(self, *subnets: str, **keys: Any) -> dict[str, Any]:
        """The configuration of one network as `cni-veth` reads it on stdin; `keys` add or replace."""
        conf = {"cniVersion": "1.1.0", "name": "net", "type": "cni-veth", "bridge": "cni0", "ipam": self.ipam(*subnets)}
        return {**conf, **keys}

    def ipam(self, *subnets: str, **keys: Any) -> dict[str, Any]:
        """An `ipam` section: one address per subnet, leases in this node's store. {} without arguments."""
        if not subnets and not keys:
            return {}
        ranges = [[{"subnet": subnet}] for subnet in subnets]
        return {"type": "cni-ipam", "dataDir": str(self.store), "ranges": ranges, **keys}

    def leases(self, network: str = "net") -> dict[str, tuple[str, str]]:
        """IP -> (container_id, ifname) of every reservation in the store (format: host-local's)."""
        found = {}
        for path in sorted((self.store / network).glob("*")):
            if path.name != "lock" and not path.name.startswith("last_reserved_ip."):
                container_id, _, ifname = path.read_bytes().decode().partition("\r\n")
                found[path.name] = (container_id, ifname)
        return found

    def plugin(self, name: str = "cni-veth", directory: Path = BIN) -> Plugin:
        """An executable run by this node's runtime."""
        return Plugin(self, directory, name)

    def cnitool(self, conflist: dict[str, Any], *path: Path) -> CNITool:
        """The reference's command-line runtime, with one network and plugins from the directories `path`."""
        return CNITool(self, conflist, path or (BIN,))


def _addressed(ips: tuple[str, ...]) -> list[str]:
    return [*(f"addr add {ip}/{64 if ':' in ip else 24} dev eth0 nodad" for ip in ips), "link set eth0 up"]
