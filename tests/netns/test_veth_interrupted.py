"""An ADD signalled before each of its netlink calls leaves all or nothing; one too large for a socket buffer ends."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.world import Node, Plugin, Pod

NETLINK_CALL = re.compile(r"^(?:\d+ +)?(sendto|recvfrom)\(", re.MULTILINE)


def traced(node: Node, plugin: Plugin, pod: Pod, *options: str) -> tuple[int, str, str]:
    """ADD under strace: (exit code, stdout, strace's log)."""
    log = node.dir / "strace"
    wrap = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=sendto,recvfrom", *options]
    process = plugin.start("ADD", pod, wrap=wrap)
    stdout, stderr = process.communicate(json.dumps(node.network("10.1.2.0/24", isDefaultGateway=True)), 60)
    assert "Traceback" not in stderr
    return process.returncode, stdout, log.read_text()


@pytest.mark.standalone
@pytest.mark.parametrize("has_bridge", [False, True], ids=["fresh node", "existing bridge"])
def test_an_add_interrupted_at_any_netlink_call_leaves_all_or_nothing(
    node: Node, pod: Pod, plugin: Plugin, has_bridge: bool
) -> None:
    if has_bridge:
        node.batch("link add cni0 address 02:00:00:00:00:01 type bridge", "link set cni0 up")
    conf = node.network("10.1.2.0/24")
    probe = node.pod("probe")
    code, _, log = traced(node, plugin, probe)
    assert code == 0
    calls = NETLINK_CALL.findall(log)
    plugin.delete(conf, probe).succeeded()
    node.ip("link", "del", "cni0") if not has_bridge else node.batch("addr flush dev cni0")
    before = set(node.links()), set(node.addresses("cni0")) if has_bridge else set(), set(pod.links())
    outcomes = set()
    for number, call in enumerate(calls):
        nth = calls[: number + 1].count(call)
        code, stdout, _ = traced(node, plugin, pod, "-e", f"inject={call}:signal=TERM:when={nth}")
        document = json.loads(stdout)
        outcomes.add(code)
        assert code == (1 if "code" in document else 0), (call, nth)
        if code == 0:
            plugin.delete(conf, pod).succeeded()
            node.ip("link", "del", "cni0") if not has_bridge else node.batch("addr flush dev cni0")
        after = set(node.links()), set(node.addresses("cni0")) if has_bridge else set(), set(pod.links())
        assert after == before, (call, nth, document)
        assert node.leases() == {}, (call, nth)
    assert 1 in outcomes


def test_more_routes_than_acks_fit_into_a_socket_buffer(node: Node, pod: Pod, plugin: Plugin) -> None:
    routes = [{"dst": f"10.{200 + number // 250}.{number % 250}.0/24"} for number in range(1000)]
    conf = node.network("10.1.2.0/24", isGateway=True)
    conf["ipam"]["routes"] = routes
    result = plugin.add(conf, pod).succeeded()
    assert sum(route.get("gateway") == "10.1.2.1" for route in pod.routes()) == len(routes)
    plugin.check(conf, pod, result).succeeded()


def test_an_unprivileged_process_cannot_hold_up_an_add(node: Node, pod: Pod, plugin: Plugin) -> None:
    """Whatever it may open of the node's namespace, it locks."""
    hold = "import fcntl; f = open('/proc/self/ns/net'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    holder = node.start(
        ["setpriv", "--reuid=65534", "--clear-groups", "python3", "-c", hold], {"PATH": "/usr/bin:/bin"}
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "1\n"
        plugin.add(node.network("10.1.2.0/24"), pod).succeeded()
    finally:
        holder.send_signal(signal.SIGTERM)
        holder.communicate()
