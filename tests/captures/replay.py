"""A captured client's calls made again on a node of ours.

What is sent is what the client sent, but for these differences and no other:
- its namespaces, plugin directory and dataDir are ours: the paths are exchanged wherever they stand;
- `prevResult` is what the chain answered here, as libcni would have kept it;
- between two calls lies more time than a released address cools, which host-local knows nothing of.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.captures.capture import Attachment, Call
from tests.world import BIN, PEERS, Node, Pod, Reply
from tests.world.cnitool import isolated

OURS = {"bridge": BIN / "cni-veth", "host-local": BIN / "cni-ipam", "loopback": BIN / "loopback"}
OTHERS = ("bandwidth", "firewall", "portmap", "tuning")
_PROC = re.compile(r"/proc/\d+/(?:ns/net|fd/(\d+))")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_NO_MAC = "00:00:00:00:00:00"


class Replay:
    """The world as that client saw it: its pods under its kinds of paths, its plugin directory, its store."""

    def __init__(self, node: Node, calls: Sequence[Call], plugins: dict[str, Path] | None = None) -> None:
        self.node = node
        self.pods: dict[str, Pod] = {}  # by container id
        self._results: dict[Attachment, dict[str, Any]] = {}
        self.directory = node.dir / "bin"
        self.directory.mkdir()
        for name, target in {**{name: PEERS / name for name in OTHERS}, **OURS, **(plugins or {})}.items():
            (self.directory / name).symlink_to(target)
        self._paths = {"/opt/cni/bin": str(self.directory)}
        for call in calls:
            self._prepare(call)

    def send(self, call: Call) -> Reply:
        """The same call."""
        if not call.netns and call.container_id in self.pods:
            # A runtime has no path to give any more once the namespace is gone.
            self.pods.pop(call.container_id).delete()
        for cooling in (self.node.dir / "run/ipam").glob("*.cool"):
            shutil.rmtree(cooling)
        env, stdin = self.message(call)
        command = [*isolated(self.node.dir), str(self.directory / call.plugin)]
        done = self.node.run(command, stdin, env, check=False)
        reply = Reply(repr(call), done.returncode, done.stdout, done.stderr)
        if call.verb == "ADD" and reply.code == 0 and not call.is_delegated:
            self._results[call.attachment] = reply.json
        return reply

    def message(self, call: Call) -> tuple[dict[str, str], str]:
        """Environment and stdin as they go to the plugin here."""
        conf = dict(call.conf)
        if "prevResult" in conf and call.attachment in self._results:
            conf["prevResult"] = self._results[call.attachment]
        stdin = call.stdin if conf == call.conf else json.dumps(conf, separators=(",", ":"))
        return {name: self._here(value) for name, value in call.env.items()}, self._here(stdin)

    def expected(self, call: Call) -> dict[str, Any]:
        """The reference's answer, as far as ours can be equal to it (`comparable`)."""
        answer = self.comparable(call, self._here(call.stdout))
        return _as_specified(call, answer) if call.plugin in OURS else answer

    def attachments(self) -> list[Attachment]:
        """Whose host links are on the node, by the aliases that cni-veth gave them."""
        aliases = [link["ifalias"] for link in self.node.links().values() if "ifalias" in link]
        return [(network, container_id, ifname) for _, network, container_id, ifname in map(str.split, aliases)]

    def comparable(self, call: Call, stdout: str) -> dict[str, Any]:
        """A result without what chance decides: host names, and MACs that nobody asked for; nor our MTUs."""
        result: dict[str, Any] = json.loads(stdout) if stdout else {}
        for interface in result.get("interfaces", []):
            interface.pop("mtu", None)
            interface["name"] = re.sub(r"^veth[0-9a-f]{8,11}$", "veth...", interface["name"])
            if interface["mac"] != _NO_MAC and f"MAC={interface['mac']}" not in call.env["CNI_ARGS"].split(";"):
                interface["mac"] = _MAC.sub("any", interface["mac"])
        return result

    def _prepare(self, call: Call) -> None:
        if call.netns and call.netns != "dummy" and call.netns not in self._paths:
            pod = self.pods[call.container_id] = self.node.pod()
            self._paths[call.netns] = self._path_like(call.netns, pod)
        for data_dir in re.findall(r'"dataDir":"([^"]+)"', call.stdin):
            self._paths[data_dir] = str(self.node.store)
            self._continue_store(call)

    def _path_like(self, captured: str, pod: Pod) -> str:
        """The pod's path in the form that the client used."""
        form = _PROC.fullmatch(captured)
        if form is None:
            return pod.path
        if form[1] is None:
            return f"/proc/{pod.start(['cat']).pid}/ns/net"
        # The runtime itself holds the namespace open, and is not in it.
        holder = self.node.start(["sh", "-c", f'exec {form[1]}<"$0"; echo; exec cat', pod.path])
        assert holder.stdout
        holder.stdout.readline()
        return f"/proc/{holder.pid}/fd/{form[1]}"

    def _continue_store(self, call: Call) -> None:
        """The recorded store was not new to every client: its cursor tells which address comes next."""
        directory = self.node.store / call.conf["name"]
        if call.verb == "ADD" and call.plugin == "host-local" and not directory.exists():
            address, _, _ = json.loads(call.stdout)["ips"][0]["address"].partition("/")
            head, _, last = address.rpartition(".")
            directory.mkdir(parents=True)
            (directory / "last_reserved_ip.0").write_text(f"{head}.{int(last) - 1}")

    def _here(self, text: str) -> str:
        for captured, ours in self._paths.items():
            text = text.replace(captured, ours)
        return text


def _as_specified(call: Call, answer: dict[str, Any]) -> dict[str, Any]:
    """Where the reference departs from the specification and ours does not."""
    if call.verb == "VERSION":
        return answer | {"cniVersion": call.conf["cniVersion"]}  # the input's; the reference says its newest
    if call.plugin == "loopback" and call.verb == "ADD":  # prints the shape of 1.0.0 as version 0.3.1
        ips = [ip | {"version": "6" if ":" in ip["address"] else "4"} for ip in answer["ips"]]
        return answer | {"ips": ips, "dns": {}}
    return answer
