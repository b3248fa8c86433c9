"""What cnitool, containerd, podman and buildah sent to the reference plugins, sent to ours.

Behind ours stand the reference's portmap, firewall, bandwidth and tuning, so that each chain is whole.
"""

from __future__ import annotations

import pytest

from tests.captures.capture import CLIENTS, calls, living
from tests.captures.replay import Replay
from tests.world import Node

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("built")]


@pytest.mark.peers
@pytest.mark.parametrize("client", CLIENTS)
def test_every_call_is_answered_as_the_reference_did(client: str, node: Node) -> None:
    """Exit code, interfaces, ips, routes and dns of each call; what is left at the end is what the client left."""
    sequence = [call for call in calls(client) if not call.is_delegated]
    replay = Replay(node, calls(client))
    for call in sequence:
        reply = replay.send(call)
        assert (call, reply.code, replay.comparable(call, reply.stdout)) == (call, call.code, replay.expected(call))

    left = living(sequence, "bridge")
    bridges = {call.conf["bridge"] for call in sequence if call.plugin == "bridge" and "bridge" in call.conf}
    assert {(network, *owner) for network in ("mynet", "net2") for owner in node.leases(network).values()} == left
    assert set(replay.attachments()) == left
    assert {name for name, link in node.links().items() if "ifalias" not in link} == {"lo", *bridges}
    for container_id, pod in replay.pods.items():
        assert set(pod.links()) == {"lo", *(ifname for _, owner, ifname in left if owner == container_id)}


def test_only_ctr_left_anything_behind() -> None:
    """`ctr run -d` never calls DEL; so a replay that leaves something for another client is a fault of ours."""
    assert {client: len(living(calls(client), "bridge")) for client in CLIENTS if living(calls(client), "bridge")} == {
        "ctr": 2
    }


def test_runtime_config_in_capitals_is_read(node: Node) -> None:
    """containerd prints its Go structs without JSON names; keys of other plugins, which stand there too, do no harm."""
    captured = [call.conf["runtimeConfig"] for call in calls("cri") if "runtimeConfig" in call.conf]
    others = {key: value for runtime_config in captured for key, value in runtime_config.items()}
    assert others["bandwidth"]["IngressRate"] and others["portMappings"][0]["HostPort"]
    ranges = [[{"Subnet": "10.23.0.0/24", "RangeStart": "10.23.0.7", "RangeEnd": "10.23.0.9", "Gateway": "10.23.0.5"}]]
    ours = {"Mac": "02:11:22:33:44:55", "IPs": ["10.22.0.9"], "IPRanges": ranges}
    pod = node.pod()
    conf = node.network("10.22.0.0/24", runtimeConfig=others | ours)
    result = node.plugin().add(conf, pod).succeeded()
    assert result["interfaces"][2]["mac"] == pod.links()["eth0"]["address"] == "02:11:22:33:44:55"
    assert [(ip["address"], ip["gateway"]) for ip in result["ips"]] == [
        ("10.23.0.7/24", "10.23.0.5"),
        ("10.22.0.9/24", "10.22.0.1"),
    ]
