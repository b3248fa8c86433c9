"""The calls that the reference's bridge made to host-local: cni-veth makes the same ones, cni-ipam answers them so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.captures.capture import CLIENTS, calls, living
from tests.captures.replay import OURS, Replay
from tests.world import Node

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("built")]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_delegate_is_called_as_the_reference_calls_it(client: str, node: Node) -> None:
    """Same verbs in the same order with the same variables and stdin; and GC (SPEC section 4), which it forgets."""
    recorder = node.dir / "recorder"
    recorder.write_text(f"#!{sys.executable} -IS\n{Path(__file__).with_name('recorder.py').read_text()}")
    recorder.chmod(0o755)
    replay = Replay(node, calls(client), {"host-local": recorder, "host-local.real": OURS["host-local"]})
    expected = []
    for call in calls(client):
        if call.is_delegated or (call.plugin == "bridge" and call.verb == "GC"):
            variables, stdin = replay.message(call)
            expected.append([variables | node.environment, stdin])
        if call.plugin == "bridge" and call.verb != "VERSION":
            replay.send(call).succeeded()
    recorded = replay.directory / "host-local.jsonl"
    assert [json.loads(line) for line in recorded.read_text().splitlines()] == expected


@pytest.mark.parametrize("client", CLIENTS)
def test_cni_ipam_answers_each_delegated_call_as_host_local_did(client: str, node: Node) -> None:
    """The same addresses in the same order, ipMasq and captured prevResult included, and the same leases in the end."""
    sequence = [call for call in calls(client) if call.is_delegated]
    replay = Replay(node, sequence)
    for call in sequence:
        reply = replay.send(call)
        assert (call, reply.code, replay.comparable(call, reply.stdout)) == (call, call.code, replay.expected(call))
    networks = {call.conf["name"] for call in sequence}
    left = {(network, *owner) for network in networks for owner in node.leases(network).values()}
    assert left == living(sequence, "host-local")
