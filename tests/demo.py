"""`make demo`: two pods on one bridge, step by step, with everything that is made and every result.

Plays the container runtime: it makes the namespaces, starts the warm server, writes a conflist and calls the built
executables. Nothing outside its own namespaces and temporary directory is touched. With CNI_VETH_SOCKET set it starts
no server: whoever listens there serves the calls, and where nobody does the standalone handles them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.installation import NAMES, Installation
from tests.page import Page
from tests.service import Service
from tests.world import BIN, CNITool, Namespace, Node, Pod, Reply, ownership
from tests.world.node import NODE_IPS, OUTSIDE_IPS

SUBNETS = ("10.22.0.0/24", "fd00:22::/64")
GATEWAYS = ("10.22.0.1", "fd00:22::1")


class Stop(Exception):
    """The story cannot go on."""


class Demo:
    """One story told on a page; each step is a method, in the order of `tell`."""

    def __init__(self, page: Page, node: Node, program: Path, socket: str | None) -> None:
        self.page = page
        self.node = node
        self.program = program
        self.socket = socket
        self.results: dict[str, dict[str, Any]] = {}

    def tell(self) -> None:
        self.make_the_world()
        self.install()
        self.service.start()
        self.write_the_network()
        self.status()
        for pod in self.pods:
            self.add(pod)
        self.look_at_the_node()
        self.ping()
        self.check()
        self.collect_garbage()
        self.delete()
        self.look_at_what_is_left()
        self.drive_by_cnitool()
        self.service.stop()

    def make_the_world(self) -> None:
        self.page.step("Make a node, a network outside of it and two pods, each a network namespace")
        self.outside = self.node.outside(*SUBNETS)
        self.pods = [self.node.pod("red"), self.node.pod("blue")]
        self.page.tell("node", f"{self.node.path}, uplink eth0 {' and '.join(NODE_IPS)}")
        self.page.tell("outside", f"{self.outside.path}, {' and '.join(OUTSIDE_IPS)}, routes back to the pods")
        for pod in self.pods:
            self.page.tell(f"pod {_name(pod)}", pod.path)
        self.before = self.node.links().keys()

    def install(self) -> None:
        self.page.step("Install the plugins: a launcher under each name, beside it the program that it executes")
        self.installed = Installation(self.program, self.node.dir / "opt/cni")
        for name in NAMES:
            path = self.installed.bin / name
            self.page.tell(name, f"{path} -> {path.readlink()}")
        self.plugin = self.node.plugin("cni-veth", self.installed.bin)
        self.service = Service(self.page, self.node, self.installed, self.socket)

    def write_the_network(self) -> None:
        self.page.step("Write the network configuration: a bridge, dual stack, addresses from cni-ipam")
        network = self.node.network(*SUBNETS, isGateway=True, isDefaultGateway=True)
        name, version = network.pop("name"), network.pop("cniVersion")
        self.conflist = {"cniVersion": version, "name": name, "plugins": [network]}
        self.conf = {**network, "name": name, "cniVersion": version}
        path = self.node.dir / "10-net.conflist"
        path.write_text(json.dumps(self.conflist, indent=2))
        self.page.tell("conflist", str(path))
        self.page.show(self.conflist)

    def status(self) -> None:
        self.page.step("STATUS: is the network ready for pods?")
        self._succeeded("STATUS", self.plugin.status(self.conf))

    def add(self, pod: Pod) -> None:
        self.page.step(f"ADD pod {_name(pod)}")
        reply = self.plugin.add(self.conf, pod)
        if not self._succeeded(f"ADD {_name(pod)}", reply):
            raise Stop
        self.results[pod.name] = reply.json
        self.page.show(reply.json)

    def look_at_the_node(self) -> None:
        self.page.step("What stands there now")
        for name, link in self.node.links().items():
            if name not in self.before:
                kind = link["linkinfo"]["info_kind"]
                at = f"port of {link['master']}" if "master" in link else " ".join(self.node.addresses(name))
                self.page.tell(f"node: {name}", f"{kind}, mtu {link['mtu']}, {link['operstate'].lower()}, {at}")
        for pod in self.pods:
            self.page.tell(f"pod {_name(pod)}: eth0", " ".join(pod.addresses()))
            for route in pod.routes():
                if route["dst"] == "default":
                    self.page.tell("", f"default via {route['gateway']}")
        for ip, (container_id, ifname) in self.node.leases().items():
            self.page.tell("lease", f"{ip:<12} {container_id} {ifname}")

    def ping(self) -> None:
        self.page.step("Ping over IPv4 and IPv6")
        red, blue = self.pods
        self._reach(f"{_name(red)} -> {_name(blue)}", red, self._ips(blue))
        self._reach(f"{_name(blue)} -> {_name(red)}", blue, self._ips(red))
        for pod in self.pods:
            self._reach(f"{_name(pod)} -> gateway", pod, GATEWAYS)
            self._reach(f"{_name(pod)} -> outside", pod, OUTSIDE_IPS)
        self._reach(f"outside -> {_name(red)}", self.outside, self._ips(red))

    def check(self) -> None:
        self.page.step("CHECK: is everything still as ADD left it?")
        red = self.pods[0]
        for pod in self.pods:
            self._succeeded(f"CHECK {_name(pod)}", self.plugin.check(self.conf, pod, self.results[pod.name]))
        red.batch("link set eth0 down")
        reply = self.plugin.check(self.conf, red, self.results[red.name])
        text = f'CHECK says "{reply.json.get("msg", "nothing")}" {self._after(reply.seconds)}'
        self.page.claim("with eth0 down", text, reply.code == 1, "success")

    def collect_garbage(self) -> None:
        red, blue = self.pods
        self.page.step(f"GC: the runtime forgot pod {_name(blue)} without a DEL; only {_name(red)} is still valid")
        self._succeeded("GC", self.plugin.gc(self.conf, valid=[(red.container_id, "eth0")]))
        owners = {container_id for container_id, _ in self.node.leases().values()}
        self.page.claim("leases", f"only pod {_name(red)}'s are left", owners == {red.container_id}, owners)
        ports = list(self.node.ports())
        self.page.claim("bridge ports", f"only pod {_name(red)}'s is left", len(ports) == 1, ports)
        self._has_only_lo(blue)

    def delete(self) -> None:
        self.page.step("DEL both; a repeated DEL, or one for a pod whose namespace is gone, is no error")
        red, blue = self.pods
        self._succeeded(f"DEL {_name(red)}", self.plugin.delete(self.conf, red, self.results[red.name]))
        self._succeeded(f"DEL {_name(red)} again", self.plugin.delete(self.conf, red))
        blue.delete()
        self._succeeded(f"DEL {_name(blue)}", self.plugin.delete(self.conf, blue))

    def look_at_what_is_left(self) -> None:
        self.page.step("What is left: the bridge, which is the node's, and nothing of any pod")
        self._is_empty(self.pods[0])

    def drive_by_cnitool(self) -> None:
        self.page.step("The same by the real cnitool")
        if not CNITool.executable.exists():
            self.page.tell("left out", f"there is no {CNITool.executable}; packaging/peers.sh puts it there")
            return
        green, grey = self.node.pod("green"), self.node.pod("grey")
        tool = self.node.cnitool(self.conflist, self.plugin.executable.parent)
        for verb, pod in (("status", green), ("add", green), ("add", grey), ("check", green), ("check", grey)):
            self._cnitool(tool, verb, pod)
        self._reach(f"{_name(green)} -> {_name(grey)}", green, self._ips(grey))
        for verb, pod in (("del", green), ("gc", grey), ("del", grey)):
            self._cnitool(tool, verb, pod)
        self._is_empty(green, grey)

    def _cnitool(self, tool: CNITool, verb: str, pod: Pod) -> None:
        begun = time.perf_counter()
        done = tool.call(verb, pod)
        text = f"exit {done.returncode} {self._after(time.perf_counter() - begun)}"
        ok = self.page.claim(f"{verb} net {_name(pod)}", text, done.returncode == 0, done.stdout + done.stderr)
        if verb == "add":
            if not ok:
                raise Stop
            self.results[pod.name] = json.loads(done.stdout)

    def _after(self, seconds: float) -> str:
        return f"after {seconds * 1000:.0f} ms, {self.installed.how()}"

    def _is_empty(self, *pods: Pod) -> None:
        leases = self.node.leases()
        self.page.claim("store", "no reservation", not leases, leases)
        links = sorted(self.node.links().keys() - self.before)
        self.page.claim("node", "no link but the bridge was added", links == ["cni0"], links)
        for pod in pods:
            self._has_only_lo(pod)

    def _has_only_lo(self, pod: Pod) -> None:
        links = list(pod.links())
        self.page.claim(f"pod {_name(pod)}", "no link but lo", links == ["lo"], links)

    def _succeeded(self, subject: str, reply: Reply) -> bool:
        text = f"{self.plugin.executable.name}: exit {reply.code} {self._after(reply.seconds)}"
        return self.page.claim(subject, text, reply.code == 0, reply.stdout + reply.stderr)

    def _reach(self, subject: str, source: Namespace, ips: Iterable[str]) -> None:
        for ip in ips:
            self.page.claim(subject, ip, source.reaches(ip), "no answer")

    def _ips(self, pod: Pod) -> list[str]:
        return [ip["address"].partition("/")[0] for ip in self.results[pod.name]["ips"]]


def _name(pod: Pod) -> str:
    return pod.name.rpartition("-")[2]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--bin", type=Path, default=BIN, metavar="DIR", help="the executables (default: %(default)s)")
    directory: Path = parser.parse_args(arguments).bin.absolute()
    if not (directory / "cni-veth").exists():
        parser.error(f"there is no {directory / 'cni-veth'}: run `make build` first")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    page = Page()
    with suppress(Stop), Node() as node:
        program = (directory / "cni-veth").resolve().parent
        Demo(page, node, program, os.environ.get("CNI_VETH_SOCKET")).tell()
    page.step("Remove the namespaces")
    page.claim("machine", "no namespace or directory of the demo is left", not ownership.own_names())
    return page.end()


if __name__ == "__main__":
    sys.exit(main())
