"""The configuration of cni-veth: names, types and defaults of the reference's bridge (R: plugins/main/bridge)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import CNIError, InvalidConfig, UnsupportedField
from cni_veth.conf import VethConf, report_unknown
from tests.captures.capture import CLIENTS, calls
from tests.unit.call import veth_request
from tests.unit.test_document import objects, values


def parse(**conf: Any) -> VethConf:
    return VethConf(veth_request(**conf))


def refused(message: str, **conf: Any) -> CNIError:
    with pytest.raises(InvalidConfig) as caught:
        parse(**conf)
    assert caught.value.code == 7
    assert caught.value.msg.startswith(message), caught.value.msg
    return caught.value


def test_defaults() -> None:
    conf = parse()
    assert (conf.bridge, conf.mtu, conf.vlan, conf.trunk, conf.mac, conf.ipam_type) == ("cni0", 0, 0, [], "", "")
    assert conf.dns is None
    assert not any(
        (
            conf.is_gateway,
            conf.is_default_gateway,
            conf.force_address,
            conf.hairpin,
            conf.promisc,
            conf.keeps_default_vlan,
            conf.enable_dad,
            conf.is_link_down,
            conf.is_isolated,
            conf.is_strict,
            conf.is_filtering,
        )
    )


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        ("isGateway", "is_gateway"),
        ("isDefaultGateway", "is_default_gateway"),
        ("isDefaultGateway", "is_gateway"),  # implied
        ("forceAddress", "force_address"),
        ("hairpinMode", "hairpin"),
        ("promiscMode", "promisc"),
        ("preserveDefaultVlan", "keeps_default_vlan"),
        ("enabledad", "enable_dad"),
        ("disableContainerInterface", "is_link_down"),
        ("portIsolation", "is_isolated"),
        ("strict", "is_strict"),
    ],
)
def test_booleans(key: str, attribute: str) -> None:
    assert getattr(parse(**{key: True}), attribute) is True
    assert getattr(parse(**{key.upper(): True}), attribute) is True
    assert getattr(parse(**{key: False}), attribute) is False
    assert getattr(parse(**{key: None}), attribute) is False
    refused(f"{key}: must be true or false, not a string", **{key: "true"})


@pytest.mark.parametrize("mtu", [0, 68, 1500, 65535])
def test_mtu(mtu: int) -> None:
    assert parse(mtu=mtu).mtu == mtu


@pytest.mark.parametrize("mtu", [-1, 1, 67, 65536, "1500", 1500.0, True])
def test_bad_mtu(mtu: object) -> None:
    refused("mtu: must ", mtu=mtu)


@pytest.mark.parametrize("name", ["", None, "br-0", "123456789012345"])
def test_bridge(name: str | None) -> None:
    assert parse(bridge=name).bridge == (name or "cni0")


@pytest.mark.parametrize("name", ["a/b", "a:b", "a b", ".", "..", "1234567890123456", "\u00e9" * 8])
def test_bad_bridge(name: str) -> None:
    refused(f"bridge: {name!r} is not a link name: interface name ", bridge=name)


def test_vlan_id_validation() -> None:
    """Reference: bridge_test.go, "vlan id validation" (-100, 5000)."""
    for vlan in (-100, -1, 4095, 5000):
        refused(f"vlan: must lie between 0 and 4094, not {vlan}", vlan=vlan)
    for vlan in (0, 1, 4094):
        assert parse(vlan=vlan).vlan == vlan
        assert parse(vlan=vlan).is_filtering is bool(vlan)


def test_keys_that_contradict_each_other() -> None:
    refused("hairpinMode: cannot be used together with promiscMode", hairpinMode=True, promiscMode=True)
    with_ipam = {"disableContainerInterface": True, "ipam": {"type": "cni-ipam"}}
    refused("disableContainerInterface: cannot be used together with ipam", **with_ipam)
    assert parse(disableContainerInterface=True, ipam={}).is_link_down


@pytest.mark.parametrize("ipam", [None, {}])
def test_an_empty_ipam_section_is_an_l2_network(ipam: dict[str, Any] | None) -> None:
    assert parse(ipam=ipam).ipam_type == ""


@pytest.mark.parametrize("ipam", [{"ranges": []}, {"type": ""}, {"type": None}])
def test_an_ipam_section_needs_a_type(ipam: dict[str, Any]) -> None:
    refused("ipam.type: is required", ipam=ipam)


def test_the_vlans_gateway_link_needs_a_name_that_fits() -> None:
    long = {"bridge": "123456789012", "vlan": 100, "ipam": {"type": "cni-ipam"}}
    refused("bridge: '123456789012.100', the VLAN's gateway link, is longer than 15 bytes", **long, isGateway=True)
    assert parse(**long).vlan_gateway == ""
    assert parse(**long | {"bridge": "br", "isGateway": True}).vlan_gateway == "br.100"


def test_dns_replaces_the_delegates_where_any_key_is_given() -> None:
    assert parse(dns={}).dns is None
    assert parse(dns={"search": None}).dns is None
    empty = parse(dns={"nameservers": []}).dns
    assert empty is not None
    assert empty.to_json() == {}
    full = {"nameservers": ["10.1.0.53"], "domain": "a", "search": ["b"], "options": ["c"]}
    given = parse(DNS=full).dns
    assert given is not None
    assert given.to_json() == full
    refused("dns.search: must be a list, not a string", dns={"search": "a"})


# --- refused, reserved, unknown


@pytest.mark.parametrize("policy", ["", None, "open", "same-bridge", "isolated"])
def test_ingress_policies(policy: str | None) -> None:
    assert parse(ingressPolicy=policy).is_isolated is (policy == "isolated")
    refused('ingressPolicy: must be "open", "same-bridge" or "isolated", not \'closed\'', ingressPolicy="closed")
    refused("bridge: '*' cannot stand in a rule of nftables", bridge="*", ingressPolicy="same-bridge")


def test_a_guard_for_addresses_needs_some() -> None:
    refused("spoofGuard: needs the pod's addresses", spoofGuard=True)
    refused("spoofGuard: cannot be used together with vlanTrunk", spoofGuard=True, vlanTrunk=[{"id": 5}])
    for keys in ({"spoofGuard": True, "ipam": {"type": "x"}}, {"macspoofchk": True, "vlanTrunk": [{"id": 5}]}):
        assert parse(**keys).features is not None
    assert parse(spoofGuard=False, macspoofchk=False).features is None


@pytest.mark.parametrize("backend", ["", None, "iptables", "nftables"])
def test_masquerading_backends(backend: str | None) -> None:
    parse(ipMasqBackend=backend)


def test_bad_masquerading_backend() -> None:
    refused('ipMasqBackend: must be "iptables" or "nftables", not \'ebpf\'', ipMasqBackend="ebpf")


def test_keys_of_the_protocol_are_not_unknown(capfd: pytest.CaptureFixture[str]) -> None:
    conf = {
        "cniVersions": ["1.1.0"],
        "capabilities": {"ips": True},
        "disableCheck": True,
        "disableGC": True,
        "loadOnlyInlinedPlugins": True,
        "prevResult": {"ips": [], "extra": 1},
        "runtimeConfig": {"portMappings": [{"HostPort": 80, "ContainerPort": 80}]},
        "args": {"cni": {"labels": []}, "other": 1},
        "cni.dev/valid-attachments": [],
        "cni.dev/whatever": 1,
        "ipam": {"type": "foreign", "x": 1},
    }
    request = veth_request(**conf)
    VethConf(request)
    report_unknown(request, is_strict=True)
    assert capfd.readouterr().err == ""


def test_unknown_keys_are_named_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    request = veth_request(isGatway=True, quite="x", dns={"nameserver": []})
    VethConf(request)
    report_unknown(request, is_strict=False)
    expected = "isGatway (did you mean isGateway?), quite, dns.nameserver (did you mean nameservers?)"
    assert capfd.readouterr().err == f"cni-veth: network net1: unknown keys ignored: {expected}\n"


def test_unknown_keys_of_a_strict_network_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    request = veth_request(isGatway=True, strict=True)
    with pytest.raises(UnsupportedField) as caught:
        report_unknown(request, VethConf(request).is_strict)
    assert (caught.value.code, caught.value.msg) == (2, "unsupported field isGatway = true")
    assert "did you mean isGateway?" in caught.value.details
    assert capfd.readouterr().err == ""


# --- what is really sent, and what is not


@pytest.mark.parametrize("client", CLIENTS)
def test_every_captured_bridge_configuration_is_read_and_nothing_in_it_is_unknown(client: str) -> None:
    captured = [call for call in calls(client) if call.plugin == "bridge" and call.verb != "VERSION"]
    assert captured
    for call in captured:
        conf = {key: value for key, value in call.conf.items() if key != "ipMasq"}
        request = veth_request("ADD", {"ARGS": call.env["CNI_ARGS"]}, **conf)
        read = VethConf(request)
        assert (read.bridge, read.is_gateway) == (conf["bridge"], conf["isGateway"])
        assert read.ipam_type == conf["ipam"]["type"]
        report_unknown(request, is_strict=True)


KEYS = [
    "bridge", "isGateway", "isDefaultGateway", "forceAddress", "mtu", "hairpinMode", "promiscMode", "vlan", "vlanTrunk",
    "preserveDefaultVlan", "enabledad", "disableContainerInterface", "portIsolation", "ipam", "dns", "args",
    "runtimeConfig", "strict", "ipMasq", "ipMasqBackend", "macspoofchk",
    "spoofGuard", "ingressPolicy", "prevResult", "capabilities",
]  # fmt: skip
guided = st.dictionaries(
    st.sampled_from([*KEYS, *(key.upper() for key in KEYS)]),
    values | st.fixed_dictionaries({}, optional={"type": values, "mac": values, "cni": values, "search": values}),
    max_size=5,
)


@given(guided | objects)
def test_no_configuration_raises_anything_but_a_cni_error(document: dict[str, Any]) -> None:
    conf = {key: value for key, value in document.items() if key.lower() not in ("name", "cniversion")}
    try:
        request = veth_request(**json.loads(json.dumps(conf)))
        read = VethConf(request)
        report_unknown(request, read.is_strict)
    except CNIError as error:
        assert error.code in (2, 7)
        assert error.msg
