"""Five hundred pods at once from one directory, half of them by host-local: no address twice, and nothing left.

Every call is a process of its own; in the server's mode ours are answered by its workers.
"""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.world import PEERS, Node, Plugin, Pod

COUNT, AT_ONCE = 500, 32


@pytest.mark.peers
def test_five_hundred_adds_of_both_share_no_address_and_leave_nothing(node: Node, ipam: Plugin) -> None:
    plugins = itertools.cycle([ipam, node.plugin("host-local", PEERS)])
    conf = node.network("10.8.0.0/22", "fd00:8::/64")
    calls = [(plugin, Pod(f"c{number}")) for number, plugin in zip(range(COUNT), plugins, strict=False)]

    def call(verb: str, plugin: Plugin, pod: Pod) -> str:
        stdout, _ = plugin.begin(verb, conf, pod).communicate(timeout=60)
        return stdout

    others = [(plugin, pod) for (plugin, _), (_, pod) in zip(calls[1:] + calls[:1], calls, strict=True)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda one: json.loads(call("ADD", *one)), calls))
        addresses = [ip["address"] for result in results for ip in result["ips"]]
        assert len(addresses) == len(set(addresses)) == 2 * COUNT
        assert len(node.leases()) == 2 * COUNT
        assert set(pool.map(lambda one: call("DEL", *one), others)) == {""}, "each deletes what the other one gave"
    assert node.leases() == {}
    ipam.add(conf, Pod("late")).succeeded()
    assert set(node.leases().values()) == {("late", "eth0")}
