"""What a call of cni-ipam may find: stores in every state, each made anew by calls of the real plugins."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ipam import facts, index
from ipam.cooldown import Cooldown
from ipam.store import Store
from tests.torture.victims import Verb, args
from tests.world import Node, Pod
from tests.world.plugin import Reply

POD, NEXT = Pod("victim"), Pod("next")
BYSTANDERS = [Pod(f"by{number}") for number in range(4)]
EARLIER = facts.digest("a boot before this one")
RANGES = [[{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00::/125"}]]
EXHAUSTED = [RANGES[0], [{"subnet": "fd00::/125", "rangeStart": "fd00::2", "rangeEnd": "fd00::3"}]]
FOREIGN = {"10.1.0.6": b"foreign\r\neth0"}


class State(NamedTuple):
    content: bytes
    facts: bytes
    """Encoded, b"" where there are none."""


class Stage:
    """A node with one network; what is called here is answered by the node's server."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.store = node.store / "net"
        self.conf: dict[str, Any] = {}

    def clear(self, ranges: list[Any] = RANGES) -> None:
        shutil.rmtree(self.node.store, ignore_errors=True)
        shutil.rmtree(self.node.dir / "run", ignore_errors=True)
        section = self.node.ipam(sticky=True, cooldown=3600) | {"ranges": ranges}
        self.conf = self.node.network(ipam=section)

    def run(self, verb: Verb) -> Reply:
        return self.node.plugin("cni-ipam").cni(verb.name, verb.conf, verb.pod, args=args(verb.pod))

    def call(self, name: str, pod: Pod | None = None) -> Reply:
        return self.run(Verb(name, self.conf, pod))

    def write(self, **files: bytes) -> None:
        """As host-local would, under the lock: a result comes before its caller's lock is free."""
        with (self.store / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name, content in files.items():
                (self.store / name).write_bytes(content)

    def collect(self, *valid: Pod) -> None:
        listed = [{"containerID": pod.container_id, "ifname": "eth0"} for pod in valid]
        self.run(Verb("GC", self.conf | {"cni.dev/valid-attachments": listed})).succeeded()

    def add(self, pod: Pod) -> list[str]:
        return [ip["address"].split("/")[0] for ip in self.call("ADD", pod).succeeded()["ips"]]

    def age(self, *pods: Pod) -> None:
        """As if the node had booted since these were added."""
        for name, state in self.leases().items():
            if state.content.decode().split("\r\n")[0] in {pod.container_id for pod in pods}:
                age(self.store / name)

    def leases(self) -> dict[str, State]:
        return leases(self.store)

    def others(self) -> set[str]:
        """What lies in the store and is no lease."""
        names = {path.name for path in self.store.iterdir()} if self.store.exists() else set()
        return {name for name in names if name[0] not in "1f" and not name.startswith("last_reserved_ip.")} - {"lock"}

    def drift(self) -> list[str]:
        """What the index says wrongly though it passes for current."""
        store = Store.find(str(self.node.store), "net", index.place(str(self.node.dir / "run")))
        if store is None:
            return []
        with store:
            return store.drift()

    def is_indexed(self) -> bool:
        status = self.store.stat()
        found = self.node.dir / f"run/ipam/{status.st_dev}-{status.st_ino}"
        return found.exists() and found.stat().st_mtime_ns == status.st_mtime_ns

    def cooling(self) -> set[str]:
        return {name for path in (self.node.dir / "run").glob("ipam/*.cool") for name in Cooldown(str(path), 1).names()}


def leases(store: Path) -> dict[str, State]:
    if not store.exists():
        return {}
    found = {}
    for path in store.iterdir():
        if path.name.startswith(("10.", "fd")):
            with path.open("rb") as file:
                known = facts.read(file.fileno())
                found[path.name] = State(file.read(), facts.encode(known) if known else b"")
    return found


def age(path: Path) -> None:
    with path.open() as file:
        known = facts.read(file.fileno())
        if known is not None:
            known.boot = EARLIER
            seconds = int(facts.booted()) - 60
            os.utime(path, (seconds, seconds))
            assert facts.write(file.fileno(), known, seconds)


def fresh(stage: Stage) -> Verb:
    return Verb("ADD", stage.conf, POD)


def beside_others(stage: Stage) -> Verb:
    """The next IP cools, an unfinished file lies there."""
    for pod in BYSTANDERS[:3]:
        stage.add(pod)
    stage.call("DEL", BYSTANDERS[2])
    stage.write(**{"last_reserved_ip.0": b"10.1.0.3", ".cni-ipam.unfinished": b"x"})
    return Verb("ADD", stage.conf, POD)


def repeated(stage: Stage) -> Verb:
    stage.add(BYSTANDERS[0])
    stage.add(POD)
    return Verb("ADD", stage.conf, POD)


def after_host_local(stage: Stage) -> Verb:
    """The index is out of date, and a file is what a host-local left that died."""
    stage.add(BYSTANDERS[0])
    stage.write(**FOREIGN, **{"10.1.0.3": b""})
    return Verb("ADD", stage.conf, POD)


def full_of_the_dead(stage: Stage) -> Verb:
    for number in range(5):
        stage.add(Pod(f"dead{number}") if number % 2 else BYSTANDERS[number // 2])
    stage.age(Pod("dead1"), Pod("dead3"))
    return Verb("ADD", stage.conf, POD)


def second_set_exhausted(stage: Stage) -> Verb:
    stage.conf["ipam"]["ranges"] = EXHAUSTED
    for pod in BYSTANDERS[:2]:
        stage.add(pod)
    return Verb("ADD", stage.conf, POD)


def removed(stage: Stage) -> Verb:
    for pod in (BYSTANDERS[0], POD, BYSTANDERS[1]):
        stage.add(pod)
    return Verb("DEL", stage.conf, POD)


def removed_after_host_local(stage: Stage) -> Verb:
    removed(stage)
    stage.write(**FOREIGN)
    return Verb("DEL", stage.conf, POD)


def collected(stage: Stage) -> Verb:
    """Two live, one is not listed."""
    for pod in (*BYSTANDERS[:2], POD):
        stage.add(pod)
    listed = [{"containerID": pod.container_id, "ifname": "eth0"} for pod in BYSTANDERS[:2]]
    return Verb("GC", stage.conf | {"cni.dev/valid-attachments": listed})


def collected_without_a_list(stage: Stage) -> Verb:
    for pod in (BYSTANDERS[0], Pod("dead1"), Pod("dead2")):
        stage.add(pod)
    stage.age(Pod("dead1"), Pod("dead2"))
    return Verb("GC", stage.conf)


Scene = Callable[[Stage], Verb]
SCENES: dict[str, Scene] = {
    one.__name__.replace("_", " "): one
    for one in (
        fresh, beside_others, repeated, after_host_local, full_of_the_dead, second_set_exhausted,
        removed, removed_after_host_local, collected, collected_without_a_list,
    )
}  # fmt: skip


def may_go(content: bytes, verb: Verb) -> bool:
    """Whether the call may remove such a lease: the victim's own by DEL and GC, and what is dead or empty."""
    container_id = content.decode().split("\r\n")[0]
    own = container_id == POD.container_id and verb.name != "ADD"
    return own or not content or container_id.startswith("dead")
