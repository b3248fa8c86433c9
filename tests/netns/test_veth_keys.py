"""Keys that nobody knows: named on stderr with what was meant, refused where the network is strict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod

NOISE = "cni-veth: network net: unknown keys ignored: "
MISSPELT: dict[str, tuple[dict[str, Any], str]] = {
    "a key of ours": ({"isGatway": True}, "isGatway (did you mean isGateway?)"),
    "a key nothing is like": ({"zzz": 1}, "zzz"),
    "several": ({"mut": 1400, "brdige": "br0"}, "mut (did you mean mtu?), brdige (did you mean bridge?)"),
    "in a trunk": ({"vlanTrunk": [{"id": 5, "maxid2": 7}]}, "vlanTrunk[0].maxid2 (did you mean maxID?)"),
    "in dns": ({"dns": {"nameserver": ["10.1.2.53"]}}, "dns.nameserver (did you mean nameservers?)"),
}


def misspelt_ipam(node: Node) -> dict[str, Any]:
    return node.network("10.1.2.0/24") | {"ipam": node.ipam("10.1.2.0/24", rangs=[])}


@pytest.mark.parametrize("what", [what for what in MISSPELT if what != "in a trunk"])
def test_an_unknown_key_is_named_on_stderr_and_the_add_goes_on(node: Node, pod: Pod, plugin: Plugin, what: str) -> None:
    keys, named = MISSPELT[what]
    reply = plugin.add(node.network("10.1.2.0/24", **keys), pod)
    reply.succeeded()
    assert reply.stderr == f"{NOISE}{named}\n"


def test_an_unknown_key_of_the_ipam_section_is_named_too(node: Node, pod: Pod, plugin: Plugin) -> None:
    reply = plugin.add(misspelt_ipam(node), pod)
    reply.succeeded()
    assert reply.stderr == f"{NOISE}ipam.rangs (did you mean ranges?)\n"


@pytest.mark.parametrize("what", MISSPELT)
def test_an_unknown_key_is_refused_where_the_network_is_strict(node: Node, pod: Pod, plugin: Plugin, what: str) -> None:
    keys, named = MISSPELT[what]
    before = node.state(), pod.state()
    error = plugin.add(node.network("10.1.2.0/24", strict=True, **keys), pod).failed(2)
    first = named.split(" ")[0].rstrip(",")
    assert error["msg"].startswith(f"unsupported field {first} = ")
    if what != "in a trunk" and what != "in dns":
        assert error["msg"] == f"unsupported field {first} = {json.dumps(keys[first])}", "SPEC section 5: key and value"
    assert named in error["details"]
    assert (node.state(), pod.state()) == before


def test_an_unknown_key_of_the_ipam_section_is_refused_too(node: Node, pod: Pod, plugin: Plugin) -> None:
    error = plugin.add(misspelt_ipam(node) | {"strict": True}, pod).failed(2)
    assert "ipam.rangs (did you mean ranges?)" in error["details"]


@pytest.mark.parametrize(
    "keys",
    [
        {"cniVersions": ["1.0.0"], "disableCheck": True, "disableGC": False, "loadOnlyInlinedPlugins": True},
        {"capabilities": {"mac": True, "portMappings": True}, "runtimeConfig": {"portMappings": [], "mac": ""}},
        {"args": {"cni": {"labels": [], "ips": []}, "podman": {}}},
        {"cni.dev/valid-attachments": [], "cni.dev/of-tomorrow": 1},
        {"bridge": "br0", "isGateway": True, "isDefaultGateway": True, "forceAddress": True, "mtu": 1400},
        {"hairpinMode": True, "promiscMode": False, "vlan": 0, "vlanTrunk": [], "preserveDefaultVlan": False},
        {"enabledad": False, "disableContainerInterface": False, "portIsolation": True, "dns": {}},
        {"ipMasq": False, "ipMasqBackend": "nftables", "macspoofchk": False},
        {"spoofGuard": False, "ingressPolicy": "open"},
        {"ISGATEWAY": True, "MTU": 1400, "RuntimeConfig": {"Mac": "02:00:00:00:00:01"}},
    ],
    ids=str,
)
def test_known_keys_pass_a_strict_network_in_silence(
    node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any]
) -> None:
    """Those of the protocol, of the runtime, of other plugins' conventions, and the reference's own in any case."""
    reply = plugin.add(node.network("10.1.2.0/24", strict=True, **keys), pod)
    reply.succeeded()
    assert reply.stderr == ""


def test_a_strict_network_s_pods_can_be_deleted_whatever_its_configuration_says(
    node: Node, pod: Pod, plugin: Plugin
) -> None:
    plugin.add(node.network("10.1.2.0/24"), pod).succeeded()
    plugin.delete(node.network("10.1.2.0/24", strict=True, zzz=1), pod).succeeded()
    assert set(pod.links()) == {"lo"}


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"mtu": "1500"}, "mtu: must be a whole number, not a string"),
        ({"isGateway": "yes"}, "isGateway: must be true or false"),
        ({"bridge": 7}, "bridge: must be a string"),
        ({"bridge": "a-bridge-with-a-name"}, "bridge: 'a-bridge-with-a-name' is not a link name"),
        ({"bridge": "br%d"}, "bridge: 'br%d' is not a link name"),
        ({"vlanTrunk": {}}, "vlanTrunk: must be a list"),
        ({"dns": []}, "dns: must be an object"),
        ({"ipam": {"subnet": "10.1.2.0/24"}}, "ipam.type: is required"),
        ({"runtimeConfig": {"mac": "02:00:00:00:00"}}, "runtimeConfig.mac: "),
        ({"args": {"cni": {"mac": "03:00:00:00:00:00"}}}, "args.cni.mac: "),
    ],
    ids=str,
)
def test_a_wrong_value_is_told_with_its_dotted_path_before_anything_is_touched(
    node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any], path: str
) -> None:
    before = node.state(), pod.state()
    assert plugin.add(node.network("10.1.2.0/24") | keys, pod).failed(7)["msg"].startswith(path)
    assert (node.state(), pod.state()) == before
    assert not node.store.exists()


def test_cni_args_mac_works_with_cni_ipam(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The reference's host-local refuses its neighbour's argument unless IgnoreUnknown=1 is given."""
    conf = node.network("10.1.2.0/24")
    args = "MAC=02:00:00:00:00:01;IP=10.1.2.77;K8S_POD_NAME=red"
    result = plugin.add(conf, pod, args=args).succeeded()
    assert pod.links()["eth0"]["address"] == "02:00:00:00:00:01"
    assert pod.addresses("eth0") == ["10.1.2.77/24"]
    plugin.check(conf, pod, result, args=args).succeeded()


def test_an_ifname_that_the_kernel_would_expand_is_refused(node: Node, pod: Pod, plugin: Plugin) -> None:
    """ "eth%d" would become eth0, which no DEL of "eth%d" finds."""
    before = node.state(), pod.state()
    assert "CNI_IFNAME" in plugin.add(node.network("10.1.2.0/24"), pod, ifname="eth%d").failed(4)["msg"]
    assert (node.state(), pod.state()) == before
