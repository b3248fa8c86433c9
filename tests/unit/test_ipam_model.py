"""The store against a plain dictionary, whatever comes in whatever order: a hypothesis state machine.

CNI_VETH_MODEL_RUNS is the number of runs, 200 unless it is set; each has up to 40 steps.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cni.errors import AddressUnavailable, CheckFailed
from cni.result import Result
from ipam import facts, plugin
from ipam.cooldown import Cooldown
from tests.unit import ipam_call
from tests.unit.ipam_world import HostLocal, World

PODS = st.sampled_from([f"c{number}" for number in range(8)])
V4 = [f"10.1.2.{number}" for number in range(2, 7)]
V6 = [f"fd00::{number}" for number in range(2, 8)]
RANGES = [[{"subnet": "10.1.2.0/29"}], [{"subnet": "fd00::/125"}]]
SMALLER = [[{"subnet": "10.1.2.0/29", "exclude": ["10.1.2.4-10.1.2.5"]}], RANGES[1]]

KEYS = [("reclaim", "never", "dead"), ("cooldown", 0, 30), ("sticky", True, False), ("strictAdd", True, False)]


class Lease:
    """`boot` and `link` are "" where host-local wrote it."""

    def __init__(self, pod: str, boot: str = "", link: str = "") -> None:
        self.pod, self.boot, self.link = pod, boot, link


class Model(RuleBasedStateMachine):
    operations = 0
    """How many all runs together have made."""

    @initialize(v6=st.booleans())
    def begin(self, v6: bool) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.world = World(self.directory)
        self.network = self.directory / "state/net1"
        self.host_local = HostLocal(self.network)
        self.conf: dict[str, Any] = {"type": "cni-ipam", "dataDir": f"{self.directory}/state"}
        self.sets = [V4, V6] if v6 else [V4]
        self.conf["ranges"] = RANGES[: len(self.sets)]
        self.leases: dict[str, Lease] = {}

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            shutil.rmtree(self.directory)

    # What the dictionary says

    def is_dead(self, ip: str) -> bool:
        lease = self.leases[ip]
        return bool(lease.boot) and (lease.boot != self.world.boot or not self.world.has(lease.link))

    def of(self, pod: str) -> list[str]:
        return [ip for ip, lease in self.leases.items() if lease.pod == pod]

    def release(self, pod: str) -> None:
        self.leases = {ip: lease for ip, lease in self.leases.items() if lease.pod != pod}

    def reclaim(self, ips: list[str]) -> list[str]:
        dead = [ip for ip in ips if ip in self.leases and self.is_dead(ip)]
        for ip in dead if self.reclaims else ():
            del self.leases[ip]
        return dead if self.reclaims else []

    @property
    def reclaims(self) -> bool:
        return bool(self.conf.get("reclaim") != "never")

    def on_disk(self) -> dict[str, bytes]:
        if not self.network.exists():
            return {}
        paths = [path for path in self.network.iterdir() if path.name.startswith(("10.", "fd"))]
        return {path.name: path.read_bytes() for path in paths if path.read_bytes()}

    def cooling(self) -> set[str]:
        if not self.conf.get("cooldown", 30):
            return set()
        return {
            name for path in (self.directory / "run").glob("ipam/*.cool") for name in Cooldown(str(path), 1).names()
        }

    # What happens

    @rule(pod=PODS)
    def add(self, pod: str) -> None:
        had, cooling = self.of(pod), self.cooling()
        netns, link = self.world.begin(pod)
        try:
            call = {"netns": netns, "host_link": link, "cni_args": f"K8S_POD_NAMESPACE=d;K8S_POD_NAME={pod}"}
            given = [ip.split("/")[0] for ip in ipam_call.add(self.conf, pod, **call)]
        except AddressUnavailable:
            given = []
            self.world.end(pod)
        if len(had) == len(self.sets) or not had:
            self.expect(pod, link, given, had, cooling)
        else:
            assert given == [], "half an attachment is refused"

    def expect(self, pod: str, link: str, given: list[str], had: list[str], cooling: set[str]) -> None:
        if had:
            wanted = [] if self.conf.get("strictAdd") else sorted(had)
            assert sorted(given) == wanted, "the leases that it has"
        else:
            for number, ips in enumerate(self.sets):
                free = [ip for ip in ips if ip not in self.leases]
                if not free:
                    free = self.reclaim(ips)
                elif given and not self.conf.get("sticky") and set(free) - cooling:
                    free = [ip for ip in free if ip not in cooling]
                if not free:
                    assert given == [], f"set {number} has nothing left"
                    return
                assert given, f"set {number} has {free}"
                assert given[number] in free
        for ip in given:
            if ip not in had or self.leases[ip].boot:  # a lease of host-local stays without facts
                self.leases[ip] = Lease(pod, self.world.boot, link)

    @rule(pod=PODS, ip=st.sampled_from(V4))
    def add_requested(self, pod: str, ip: str) -> None:
        if self.of(pod) or len(self.sets) > 1 or ip not in self.sets[0]:
            return
        netns, link = self.world.begin(pod)
        call = {"netns": netns, "host_link": link, "cni_args": f"IP={ip}"}
        self.reclaim([ip])
        if ip in self.leases:
            with pytest.raises(AddressUnavailable):
                ipam_call.add(self.conf, pod, **call)
            self.world.end(pod)
        else:
            assert ipam_call.add(self.conf, pod, **call) == [f"{ip}/29"]
            self.leases[ip] = Lease(pod, self.world.boot, link)

    @rule(pod=PODS, at=st.integers(1, 40))
    def add_killed(self, pod: str, at: int) -> None:
        had = self.of(pod)
        netns, link = self.world.begin(pod)
        try:
            with self.world.killed_at(at):
                ipam_call.add(self.conf, pod, netns=netns, host_link=link)
        except AddressUnavailable:
            pass
        self.accept_what_is_left(pod, link, had)

    @rule(pod=PODS)
    def add_whose_result_nobody_takes(self, pod: str) -> None:
        had = self.of(pod)
        netns, link = self.world.begin(pod)

        def refuse(result: Result) -> None:
            raise BrokenPipeError

        with pytest.raises((AddressUnavailable, BrokenPipeError)):
            request = ipam_call.ipam_request("ADD", self.conf, container_id=pod, netns=netns, host_link=link)
            plugin.add(request, refuse)
        self.accept_what_is_left(pod, link, had)
        assert set(self.of(pod)) <= set(had), "it was not undone"

    def accept_what_is_left(self, pod: str, link: str, had: list[str]) -> None:
        """Of an ADD without a result, by what its pod had before: no lease is lost, and what is new is its own."""
        after = self.on_disk()
        for ip in [ip for ip, lease in self.leases.items() if after.get(ip) != f"{lease.pod}\r\neth0".encode()]:
            assert self.is_dead(ip) and self.reclaims, f"{ip} was lost"
            del self.leases[ip]
        for ip in after.keys() - self.leases.keys():
            assert after[ip] == f"{pod}\r\neth0".encode()
            self.leases[ip] = Lease(pod, self.world.boot, link)
        assert not had or self.of(pod) in (had, []), "half of what it had"
        for ip in had:
            if ip in self.leases:
                self.leases[ip] = self.described(ip, pod, link)
        self.world.end(pod)

    def described(self, ip: str, pod: str, link: str) -> Lease:
        """Killed in a repeated ADD: the old facts, or the new ones."""
        with (self.network / ip).open() as file:
            known = facts.read(file.fileno())
        if known is None:
            return Lease(pod)
        assert known.link in (link, self.leases[ip].link)
        boots = {facts.digest(boot): boot for boot in (self.world.boot, self.leases[ip].boot)}
        return Lease(pod, boots[known.boot], known.link)

    @rule(pod=PODS)
    def delete(self, pod: str) -> None:
        self.world.end(pod)
        ipam_call.delete(self.conf, pod)
        self.release(pod)

    @rule(pod=PODS, at=st.integers(1, 20))
    def delete_killed(self, pod: str, at: int) -> None:
        self.world.end(pod)
        with self.world.killed_at(at):
            ipam_call.delete(self.conf, pod)
        after = self.on_disk()
        for ip in self.leases.keys() - after.keys():
            assert self.leases[ip].pod == pod, f"{ip} was lost"
            del self.leases[ip]

    @rule(pod=PODS)
    def die(self, pod: str) -> None:
        """Without a DEL: the runtime has crashed."""
        self.world.end(pod)

    @rule()
    def reboot(self) -> None:
        self.world.reboot()

    @rule()
    def lose_the_hints(self) -> None:
        self.world.forget()

    @rule(keep=st.sets(PODS))
    def gc(self, keep: set[str]) -> None:
        ipam_call.gc(self.conf, *((pod, "eth0") for pod in keep))
        self.leases = {ip: lease for ip, lease in self.leases.items() if lease.pod in keep}

    @rule()
    def gc_without_a_list(self) -> None:
        plugin.gc(ipam_call.ipam_request("GC", self.conf))
        self.reclaim([ip for ip, lease in self.leases.items() if lease.boot != self.world.boot])

    @rule(pod=PODS)
    def host_local_adds(self, pod: str) -> None:
        for ip in self.host_local.add(f"{pod}\r\neth0".encode(), self.sets):
            assert ip not in self.leases
            self.leases[ip] = Lease(pod)

    @rule(pod=PODS)
    def host_local_deletes(self, pod: str) -> None:
        self.world.end(pod)
        self.host_local.delete(f"{pod}\r\neth0".encode())
        self.release(pod)

    @rule(ip=st.sampled_from(V4))
    def host_local_dies_between_create_and_write(self, ip: str) -> None:
        if self.network.exists() and ip not in self.leases:
            (self.network / ip).write_bytes(b"")

    @rule(pod=PODS)
    def check(self, pod: str) -> None:
        had = self.of(pod)
        prev = ipam_call.prev(*(f"{ip}/24" for ip in had))
        if had:
            ipam_call.check(self.conf, pod, prevResult=prev)
        else:
            with pytest.raises(CheckFailed):
                ipam_call.check(self.conf, pod)

    @rule(key=st.sampled_from(KEYS), is_first=st.booleans())
    def configure(self, key: tuple[str, object, object], is_first: bool) -> None:
        self.conf[key[0]] = key[1] if is_first else key[2]

    @rule(is_smaller=st.booleans())
    def exclude(self, is_smaller: bool) -> None:
        self.conf["ranges"] = (SMALLER if is_smaller else RANGES)[: len(self.sets)]
        self.sets[0] = [ip for ip in V4 if not is_smaller or ip not in ("10.1.2.4", "10.1.2.5")]

    @invariant()
    def the_store_is_the_dictionary(self) -> None:
        if hasattr(self, "world"):
            Model.operations += 1
            expected = {ip: f"{lease.pod}\r\neth0".encode() for ip, lease in self.leases.items()}
            assert self.on_disk() == expected
            assert self.world.drift() == []


Model.TestCase.settings = settings(
    max_examples=int(os.environ.get("CNI_VETH_MODEL_RUNS", "200")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestModel = Model.TestCase
