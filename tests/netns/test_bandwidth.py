"""Limits of what a pod receives and sends, on real packets, in the kernel and in every verb."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.netns import earlier as before
from tests.netns.rates import measured
from tests.world import PEERS, Namespace, Node, Plugin, Pod
from tests.world.cnitool import conflist

pytestmark = pytest.mark.needs("CONFIG_IFB", "CONFIG_NET_SCH_TBF")

SUBNET, GATEWAY, IP = "10.1.2.0/24", "10.1.2.1", "10.1.2.2"
MBIT = 1_000_000
BURST = 200_000  # bits: a fiftieth of a second
OFFERED = 30 * MBIT
INGRESS = {"ingressRate": 10 * MBIT, "ingressBurst": BURST}
EGRESS = {"egressRate": 10 * MBIT, "egressBurst": BURST}
BOTH = {"ingressRate": 10 * MBIT, "ingressBurst": BURST, "egressRate": 5 * MBIT, "egressBurst": BURST}


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network(SUBNET, isDefaultGateway=True, **keys)


def by_runtime(**limits: int) -> dict[str, Any]:
    """As containerd sends them: in capitals."""
    asked = {key[0].upper() + key[1:]: value for key, value in limits.items()}
    return {"capabilities": {"bandwidth": True}, "runtimeConfig": {"bandwidth": asked}}


def received(node: Namespace, pod: Namespace, offered: float = OFFERED) -> float:
    return measured(node, pod, IP, offered)


def sent(node: Namespace, pod: Namespace, offered: float = OFFERED) -> float:
    return measured(pod, node, GATEWAY, offered)


def buckets(node: Node) -> dict[str, dict[str, Any]]:
    """link -> tc's words of the token bucket at its root."""
    qdiscs = json.loads(node.run(["tc", "-j", "qdisc", "show"]).stdout)
    return {qdisc["dev"]: qdisc["options"] for qdisc in qdiscs if qdisc["kind"] == "tbf"}


def links_of(result: dict[str, Any]) -> tuple[str, str]:
    """The host's end and the ifb."""
    return result["interfaces"][1]["name"], result["interfaces"][-1]["name"]


# --- on real packets


@pytest.mark.parametrize("keys", [BOTH, by_runtime(**BOTH)], ids=["network", "runtime"])
def test_ten_mbit_are_ten_mbit_both_ways(node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any]) -> None:
    plugin.add(network(node, **keys), pod).succeeded()
    assert received(node, pod) == pytest.approx(10 * MBIT, rel=0.15)
    assert sent(node, pod) == pytest.approx(5 * MBIT, rel=0.15)


@pytest.mark.parametrize(("limits", "limited", "free"), [(INGRESS, received, sent), (EGRESS, sent, received)])
def test_one_way_is_limited_and_the_other_is_not(
    node: Node, pod: Pod, plugin: Plugin, limits: dict[str, int], limited: Any, free: Any
) -> None:
    plugin.add(network(node, **limits), pod).succeeded()
    assert limited(node, pod) == pytest.approx(10 * MBIT, rel=0.15)
    assert free(node, pod) > 20 * MBIT


def test_another_pod_of_the_network_is_not_limited(node: Node, pod: Pod, plugin: Plugin) -> None:
    other = node.pod("other")
    plugin.add(network(node), pod).succeeded()
    plugin.add(network(node, **BOTH), other).succeeded()
    assert received(node, pod) > 20 * MBIT
    assert measured(pod, other, "10.1.2.3", OFFERED) == pytest.approx(10 * MBIT, rel=0.15)


def test_a_burst_below_one_packet_lets_packets_pass(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The kernel would drop each that is longer than the burst, without a word."""
    conf = network(node, ingressRate=8 * MBIT, ingressBurst=8000, egressRate=8 * MBIT, egressBurst=8000)
    result = plugin.add(conf, pod).succeeded()
    assert pod.run(["ping", "-n", "-q", "-c", "1", "-s", "1400", "-W", "2", GATEWAY], check=False).returncode == 0
    plugin.check(conf, pod, result).succeeded()


# --- in the kernel


def test_the_ifb_is_the_last_interface_of_the_result(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(network(node, **BOTH), pod).succeeded()
    host_link, ifb = links_of(result)
    links = node.links()
    assert [each.get("sandbox", "") for each in result["interfaces"]] == ["", "", pod.path, ""]
    assert (links[ifb]["linkinfo"]["info_kind"], links[ifb]["address"]) == ("ifb", result["interfaces"][-1]["mac"])
    assert (links[ifb]["ifalias"], links[ifb]["group"]) == (links[host_link]["ifalias"], links[host_link]["group"])
    assert node.addresses(ifb, link_local=True) == []
    assert result["ips"][0]["interface"] == 2


@pytest.mark.parametrize(
    ("rate", "burst"), [(10 * MBIT, BURST), (1000, 80_000), (20_000 * MBIT, 2**30), (MBIT + 1, 100_001)]
)
@pytest.mark.peers
def test_the_figures_are_the_references(node: Node, plugin: Plugin, rate: int, burst: int) -> None:
    limits = {"ingressRate": rate, "ingressBurst": burst, "egressRate": rate, "egressBurst": burst}
    reference = network(node, name="other", bridge="cni1", type="bridge") | {"ipam": {}}
    node.cnitool(conflist(reference, {"type": "bandwidth", **limits}), PEERS).succeed("add", node.pod())
    expected = buckets(node)
    assert len(expected) == 2
    plugin.add(network(node, **limits), node.pod()).succeeded()
    ours = [options for link, options in buckets(node).items() if link not in expected]
    for figures, theirs in zip(ours, expected.values(), strict=True):  # theirs are rounded to microseconds
        assert figures == pytest.approx(theirs, rel=1e-4)


def test_two_interfaces_of_a_container_have_limits_of_their_own(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The reference's ifb is named by network and container alone, so the second ADD fails."""
    conf = network(node, **BOTH)
    ifbs = {links_of(plugin.add(conf, pod, ifname=name).succeeded())[1] for name in ("eth0", "net1")}
    assert len(ifbs & node.links().keys()) == 2
    plugin.delete(conf, pod, ifname="eth0").succeeded()
    assert len(ifbs & node.links().keys()) == 1


def test_containerds_default_burst_is_taken(node: Node, pod: Pod, plugin: Plugin) -> None:
    """4294967295 bits: at this rate longer than 32 bits of the scheduler's ticks can say."""
    conf = network(node, **by_runtime(ingressRate=8000, ingressBurst=2**32 - 1, egressRate=8000, egressBurst=2**32 - 1))
    result = plugin.add(conf, pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    assert len(buckets(node)) == 2


def test_more_than_32_bits_of_bytes_per_second(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = network(node, ingressRate=80_000 * MBIT, ingressBurst=80_000_000)
    result = plugin.add(conf, pod).succeeded()
    assert [options["rate"] for options in buckets(node).values()] == [10_000 * MBIT]
    plugin.check(conf, pod, result).succeeded()


# --- CHECK


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("qdisc del dev HOST root", "the rate of HOST is not limited, expected 10000000 bit/s"),
        ("qdisc replace dev HOST root tbf rate 9mbit burst 100kb latency 25ms", "is 9000000 bit/s, expected 10000000"),
        ("qdisc replace dev IFB root tbf rate 5mbit burst 50kb latency 25ms", "the burst of IFB is another one"),
        ("qdisc del dev IFB root", "the rate of IFB is not limited, expected 5000000 bit/s"),
        ("qdisc del dev HOST ingress", "what eth0 sends does not go through IFB"),
        ("filter del dev HOST ingress", "what eth0 sends does not go through IFB"),
    ],
)
def test_check_tells_a_lost_limit(node: Node, pod: Pod, plugin: Plugin, change: str, told: str) -> None:
    conf = network(node, **BOTH)
    result = plugin.add(conf, pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    host_link, ifb = links_of(result)

    def named(text: str) -> str:
        return text.replace("HOST", host_link).replace("IFB", ifb)

    node.run(["tc", *named(change).split()])
    assert named(told) in str(plugin.check(conf, pod, result).failed(103))


@pytest.mark.parametrize(("change", "told"), [("del IFB", "is missing"), ("set IFB down", "is down")])
def test_check_tells_what_became_of_the_ifb(node: Node, pod: Pod, plugin: Plugin, change: str, told: str) -> None:
    conf = network(node, **BOTH)
    result = plugin.add(conf, pod).succeeded()
    ifb = links_of(result)[1]
    node.batch(f"link {change.replace('IFB', ifb)}")
    error = plugin.check(conf, pod, result).failed(103)
    assert ifb in str(error) and told in str(error)


def test_check_leaves_a_limit_that_is_not_ours_alone(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = network(node)
    result = plugin.add(conf, pod).succeeded()
    host_link = result["interfaces"][1]["name"]
    node.run(f"tc qdisc add dev {host_link} root tbf rate 9mbit burst 100kb latency 25ms".split())
    plugin.check(conf, pod, result).succeeded()


# --- nothing is left


@pytest.mark.parametrize("is_gone", [False, True], ids=["pod", "pod gone"])
@pytest.mark.parametrize("limits", [BOTH, {}], ids=["asked", "forgotten"])
def test_del_leaves_nothing(node: Node, pod: Pod, plugin: Plugin, is_gone: bool, limits: dict[str, int]) -> None:
    plugin.add(network(node), node.pod("kept")).succeeded()
    before_add = node.state()
    plugin.add(network(node, **BOTH), pod).succeeded()
    if is_gone:
        pod.delete()
    for _ in range(2):
        plugin.delete(network(node, **limits), pod).succeeded()
    assert node.state() == before_add


def test_gc_takes_the_ifb_of_a_pod_that_is_gone_and_no_other(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf, kept = network(node, **BOTH), node.pod("kept")
    ifb = links_of(plugin.add(conf, kept).succeeded())[1]
    before_add = node.state()
    plugin.add(conf, pod).succeeded()
    pod.delete()
    plugin.gc(conf, [(kept.container_id, "eth0")]).succeeded()
    assert node.state() == before_add
    assert ifb in node.links()


def test_a_failed_add_leaves_nothing(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(network(node), node.pod("kept")).succeeded()
    before_add = node.state(), node.leases()
    conf = network(node, **BOTH, sysctl={"net.ipv4.no_such_parameter": "1"})
    assert "no such parameter" in plugin.add(conf, pod).failed(100)["details"]
    assert (node.state(), node.leases()) == before_add


def test_an_ifb_whose_pair_is_gone_is_made_anew(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network(**BOTH)
    host_link, ifb = links_of(plugin.add(conf, pod).succeeded())
    index = node.links()[ifb]["ifindex"]
    node.batch(f"link del {host_link}")
    result = plugin.add(conf, pod).succeeded()
    assert links_of(result)[1] == ifb
    assert node.links()[ifb]["ifindex"] != index
    plugin.check(conf, pod, result).succeeded()


# --- what another plugin limits, or makes


def test_an_adopted_link_is_limited_and_given_back(node: Node, pod: Pod, plugin: Plugin, earlier: before.Conf) -> None:
    """A tap and a pair's end."""
    other = node.pod("other")
    plugin.add(before.network(node), other).succeeded()
    conf, was = before.network(node, **BOTH), before.lasting(node, pod)
    result = plugin.add(conf, pod, earlier).succeeded()
    assert len(buckets(node)) == 2
    plugin.check(conf, pod, result).succeeded()
    plugin.delete(conf, pod, result).succeeded()
    assert buckets(node) == {}
    assert [link for link in node.links() if link.startswith("bwp")] == []
    assert node.leases() == was[2]


@pytest.mark.parametrize("taken", ["root tbf rate 9mbit burst 100kb latency 25ms", "ingress"])
def test_a_link_that_is_limited_already_is_refused_and_left_as_it_is(
    node: Node, pod: Pod, plugin: Plugin, pair: before.Conf, taken: str
) -> None:
    plugin.add(before.network(node), node.pod("other")).succeeded()
    node.run(f"tc qdisc add dev veth7 {taken}".split())
    shown = node.run(["tc", "qdisc", "show", "dev", "veth7"]).stdout
    error = plugin.add(before.network(node, **BOTH), pod, pair).failed(101)
    assert "veth7 has a limit already" in error["msg"]
    assert node.run(["tc", "qdisc", "show", "dev", "veth7"]).stdout == shown
    assert [link for link in node.links() if link.startswith("bwp")] == []
    result = plugin.add(before.network(node), pod, pair).succeeded()
    plugin.delete(before.network(node), pod, result).succeeded()
    assert node.run(["tc", "qdisc", "show", "dev", "veth7"]).stdout == shown


# --- refused


@pytest.mark.parametrize(
    ("keys", "code", "told"),
    [
        ({"ingressRate": MBIT}, 7, "ingressRate: needs ingressBurst beside it"),
        (by_runtime(egressBurst=8000), 7, "runtimeConfig.bandwidth.egressBurst: needs egressRate beside it"),
        ({"egressRate": 7, "egressBurst": 8000}, 7, "egressRate: must be at least 8 bits per second, not 7"),
        ({"egressRate": MBIT, "egressBurst": 2**35}, 7, "egressBurst: must lie between 0 and 34359738359"),
        (by_runtime(ingressRate=-8), 7, "runtimeConfig.bandwidth.ingressRate: must lie between"),
        ({"shapedSubnets": ["10.0.0.0/8"], **BOTH}, 2, "unsupported field shapedSubnets"),
    ],
)
def test_what_cannot_work_is_refused(
    node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any], code: int, told: str
) -> None:
    was = node.state()
    assert told in plugin.add(network(node, **keys), pod).failed(code)["msg"]
    assert node.state() == was


def test_the_networks_limits_win_over_the_runtimes_as_in_the_reference(node: Node, pod: Pod, plugin: Plugin) -> None:
    asked = by_runtime(ingressRate=MBIT, ingressBurst=BURST, egressRate=MBIT, egressBurst=BURST)
    plugin.add(network(node, **asked, **INGRESS), pod).succeeded()
    assert [options["rate"] for options in buckets(node).values()] == [10 * MBIT // 8]
