"""Host ports and masquerade as configured: what is read, what is refused, and what becomes of it in nftables."""

from __future__ import annotations

from typing import Any

import pytest

from cni.errors import CNIError, InvalidConfig, UnsupportedField
from cni_veth.conf import VethConf
from cni_veth.nft import masquerade, ports
from cni_veth.nft.ports import Ports
from tests.unit.call import veth_request

MAPPING = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}


def read(*mappings: dict[str, Any], **keys: Any) -> Ports | None:
    request = veth_request(**{"runtimeConfig": {"portMappings": list(mappings)}, **keys})
    return ports.read(request, VethConf(request))


def refused(*mappings: dict[str, Any], **keys: Any) -> CNIError:
    with pytest.raises((InvalidConfig, UnsupportedField)) as caught:
        read(*mappings, **keys)
    return caught.value


def words(found: Ports | None) -> list[str]:
    assert found is not None
    return [mapping.words for mapping in found._mappings]


def test_keys_of_containerd_and_of_podman_are_read() -> None:
    capitals = {"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""}
    assert words(read(capitals)) == words(read(MAPPING)) == ["host port 8080/tcp"]


@pytest.mark.parametrize(
    ("host_ip", "expected"),
    [
        ("192.0.2.1", "host port 192.0.2.1:8080/tcp"),
        ("2001:DB8:0::1", "host port [2001:db8::1]:8080/tcp"),
        ("0.0.0.0", "host port 0.0.0.0:8080/tcp"),
        ("::", "host port [::]:8080/tcp"),
    ],
)
def test_the_nodes_address(host_ip: str, expected: str) -> None:
    assert words(read({**MAPPING, "hostIP": host_ip})) == [expected]


def test_a_port_that_the_node_does_not_offer_is_none() -> None:
    assert read({**MAPPING, "hostPort": 0}) is None
    assert read() is None


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("hostPort", 65536, "must lie between 0 and 65535"),
        ("hostPort", "80", "must be a whole number"),
        ("containerPort", 0, "must lie between 1 and 65535"),
        ("protocol", "icmp", "must be tcp, udp or sctp"),
        ("hostIP", "node", "is not an IP address"),
    ],
)
def test_bad_mappings(key: str, value: object, problem: str) -> None:
    error = refused(MAPPING, {**MAPPING, key: value})
    assert error.code == 7 and error.msg.startswith(f"runtimeConfig.portMappings[1].{key}: ") and problem in error.msg


def test_one_port_of_the_node_cannot_lead_to_two() -> None:
    assert "8080/tcp is mapped to two ports" in refused(MAPPING, {**MAPPING, "containerPort": 81}).msg
    assert words(read(MAPPING, MAPPING, {**MAPPING, "hostIP": "192.0.2.1", "containerPort": 81}))


@pytest.mark.parametrize(
    "condition", [["-s", "10.0.0.0/8"], ["!", "-s", "10.0.0.0/8"], ["ip; flush ruleset"], ["a\nb"]]
)
def test_conditions_are_words_of_nft(condition: list[str]) -> None:
    assert refused(MAPPING, conditionsV4=condition).code == 7


def test_what_belongs_to_iptables() -> None:
    assert refused(MAPPING, externalSetMarkChain="KUBE-MARK-MASQ").code == 2
    assert refused(MAPPING, backend="ebpf").code == 7
    assert words(read(MAPPING, backend="iptables", markMasqBit=14, externalSetMarkChain=""))


def test_networks_of_one_kind_share_their_maps() -> None:
    plain, same = (ports._maps({4: [], 6: []}) for _ in range(2))
    assert plain.name == same.name != ports._maps({4: ["ip", "saddr", "10.0.0.0/8"], 6: []}).name
    assert plain.name != ports._maps({4: [], 6: ["ip6", "saddr", "fd00::/8"]}).name


def test_another_version_s_rules_have_the_same_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that a pod of an earlier version has is taken."""
    conditions: dict[int, list[str]] = {4: [], 6: []}
    maps = ports._maps(conditions)
    rules = ports._text(conditions, maps)
    monkeypatch.setattr(ports, "MASQUERADE", "masquerade random")
    assert ports._maps(conditions).name == maps.name
    assert ports._text(conditions, maps).name != rules.name
    assert all(maps.name in str(rules.chains[chain]) for chain in ("$name-to", "$name-source"))


@pytest.mark.parametrize(
    ("ipam", "expected"),
    [
        ({}, []),
        ({"type": "dhcp", "ranges": "whatever", "subnet": 7}, []),
        ({"subnet": "10.1.2.3/16"}, ["10.1.0.0/16"]),
        ({"ranges": [[{"subnet": "10.1.0.0/16"}, {"subnet": "10.2.0.0/16"}], [{"subnet": "fd00::/64"}], [None], "x"]},
         ["10.1.0.0/16", "10.2.0.0/16", "fd00::/64"]),
        ({"ranges": [[{"subnet": "nonsense"}]]}, []),
    ],
)  # fmt: skip
def test_the_networks_own_ranges(ipam: dict[str, Any], expected: list[str]) -> None:
    assert masquerade.ranges(veth_request(ipam=ipam).conf) == expected


def test_the_runtimes_ranges_are_its_own_too() -> None:
    runtime = {"ipRanges": [[{"subnet": "10.9.0.0/24"}]]}
    assert masquerade.ranges(veth_request(runtimeConfig=runtime).conf) == ["10.9.0.0/24"]
