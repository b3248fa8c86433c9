"""Results converted between any two versions as the reference's library converts them (R: pkg/types/{020,040,100}).

tests/data/conversion/results.jsonl was written by that library itself (main.go beside it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cni.conf import Section
from cni.document import encode
from cni.errors import IncompatibleVersion, InvalidConfig
from cni.result import DNS, Interface, IPConfig, Result, Route
from tests.unit.call import VERSIONS

GOLDEN = [
    json.loads(line) for line in (Path(__file__).parents[1] / "data/conversion/results.jsonl").read_text().splitlines()
]
SHAPES = (("0.1.0", "0.2.0"), ("0.3.0", "0.3.1", "0.4.0"), ("1.0.0", "1.1.0"))


def read(document: dict[str, Any], version: str) -> Result:
    return Result.from_conf(Section(document), version)


@pytest.mark.parametrize("to", VERSIONS)
@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden['case']} {golden['version']}")
def test_conversion_is_the_references(golden: dict[str, Any], to: str) -> None:
    expected = golden["converted"][to]
    result = read(golden["result"], golden["version"])
    if isinstance(expected, dict):
        assert result.to_json(to) == expected
        return
    assert expected == "cannot convert: no valid IP addresses"
    with pytest.raises(InvalidConfig, match=f"^{expected}$") as caught:
        result.to_json(to)
    assert caught.value.code == 7


def test_the_golden_documents_hold_every_pair_of_versions() -> None:
    pairs = {(golden["version"], to) for golden in GOLDEN for to in golden["converted"]}
    assert pairs == {(one, other) for one in VERSIONS for other in VERSIONS}


def test_printed_with_sorted_keys_four_spaces_and_no_final_newline() -> None:
    """What the reference's bridge of 1.x wrote to stdout, byte for byte but for what it does not know (mtu)."""
    result = Result(
        [Interface("cni0", "5e:cd:0f:54:03:52"), Interface("eth0", "c2:37:31:16:bc:e8", sandbox="/run/netns/pod")],
        [IPConfig("10.1.0.2/24", "10.1.0.1", 1)],
        [Route("0.0.0.0/0")],
    )
    assert (
        encode(result.to_json("1.0.0"))
        == """{
    "cniVersion": "1.0.0",
    "interfaces": [
        {
            "mac": "5e:cd:0f:54:03:52",
            "name": "cni0"
        },
        {
            "mac": "c2:37:31:16:bc:e8",
            "name": "eth0",
            "sandbox": "/run/netns/pod"
        }
    ],
    "ips": [
        {
            "address": "10.1.0.2/24",
            "gateway": "10.1.0.1",
            "interface": 1
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0"
        }
    ]
}"""
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_empty_dns_is_printed_up_to_0_4_0_and_no_empty_list_ever(version: str) -> None:
    printed = Result(ips=[IPConfig("10.1.0.2/24")]).to_json(version)
    assert printed.get("dns") == ({} if version in (*SHAPES[0], *SHAPES[1]) else None)
    assert not {"interfaces", "routes"} & printed.keys()


@pytest.mark.parametrize("version", SHAPES[1] + SHAPES[2])
def test_interface_index_0_is_printed_and_a_missing_one_is_not(version: str) -> None:
    printed = Result(ips=[IPConfig("10.1.0.2/24", interface=0), IPConfig("10.1.0.3/24")]).to_json(version)
    ips = printed["ips"]
    assert isinstance(ips, list)
    assert [ip.get("interface") for ip in ips] == [0, None]
    assert "interface" not in ips[1]


def test_the_l3_loopback_of_the_reference_lacks_the_family_and_is_read() -> None:
    """Captured from containerd: reference loopback prints the shape of 1.x under the number 0.3.1."""
    captured = {
        "cniVersion": "0.3.1",
        "interfaces": [{"mac": "00:00:00:00:00:00", "name": "lo", "sandbox": "/run/netns/pod"}],
        "ips": [{"address": "127.0.0.1/8", "interface": 0}, {"address": "::1/128", "interface": 0}],
    }
    ips = read(captured, "0.3.1").to_json("0.3.1")["ips"]
    assert isinstance(ips, list)
    assert [ip["version"] for ip in ips] == ["4", "6"]


@pytest.mark.parametrize("version", SHAPES[1] + SHAPES[2])
def test_the_interface_index_minus_1_of_old_plugins_is_none(version: str) -> None:
    assert read({"ips": [{"address": "10.1.0.2/24", "interface": -1}]}, version).ips[0].interface is None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("claimed", [*VERSIONS, "0.5.0", "1.2.0", "junk"])
def test_a_result_must_be_of_a_version_that_the_configuration_can_read(version: str, claimed: str) -> None:
    """The configuration's version chooses the decoder; cniVersion in the result must be one of that decoder's."""
    document = {"cniVersion": claimed, "ip4": {"ip": "10.1.0.2/24"}}
    if any(version in shape and claimed in shape for shape in SHAPES):
        read(document, version)
        return
    with pytest.raises(IncompatibleVersion) as caught:
        read(document, version)
    assert claimed in caught.value.msg
    assert version in caught.value.msg


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("missing", [{}, {"cniVersion": ""}, {"cniVersion": None}])
def test_a_result_without_cniversion_is_of_the_configurations(version: str, missing: dict[str, Any]) -> None:
    assert read({**missing, "ip4": {"ip": "10.1.0.2/24"}, "dns": {"domain": "a"}}, version).dns.domain == "a"


@pytest.mark.parametrize(
    ("version", "document", "message"),
    [
        ("1.1.0", {"ips": [{"address": "10.1.0.2"}]}, "ips[0].address: '10.1.0.2' is not an address with a prefix"),
        ("1.1.0", {"ips": [{}]}, "ips[0].address: is required"),
        ("1.1.0", {"ips": [{"address": "10.1.0.2/33"}]}, "ips[0].address: '10.1.0.2/33' is not an address with a"),
        ("1.1.0", {"ips": [{"address": "10.1.0.2/24", "gateway": "x"}]}, "ips[0].gateway: 'x' is not an IP address"),
        ("1.1.0", {"ips": {"address": "10.1.0.2/24"}}, "ips: must be a list, not an object"),
        ("1.1.0", {"ips": ["10.1.0.2/24"]}, "ips[0]: must be an object, not a string"),
        ("0.4.0", {"interfaces": [{"name": 5}]}, "interfaces[0].name: must be a string, not a number"),
        ("1.0.0", {"interfaces": [{"name": "a", "mtu": "1"}]}, "interfaces[0].mtu: must be a whole number, not a str"),
        ("1.0.0", {"routes": [{"dst": "::/0", "scope": 256}]}, "routes[0].scope: must lie between 0 and 255, not 256"),
        ("1.0.0", {"routes": [{"dst": "::/0", "mtu": -1}]}, "routes[0].mtu: must lie between 0 and 4294967295, not"),
        ("0.2.0", {"ip4": {"gateway": "10.1.0.1"}}, "ip4.ip: is required"),
        ("0.2.0", {"ip6": {"ip": "::1/64", "routes": [{"dst": "x"}]}}, "ip6.routes[0].dst: 'x' is not an IP address"),
        ("0.1.0", {"dns": {"search": [1]}}, "dns.search[0]: must be a string, not a number"),
    ],
)
def test_what_is_no_result_is_refused_with_its_path(version: str, document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read(document, version)
    assert caught.value.msg.startswith(message)


def test_keys_of_a_result_are_matched_without_case_as_in_go() -> None:
    assert read({"IPs": [{"Address": "10.1.0.2/24"}]}, "1.0.0").ips[0].address == "10.1.0.2/24"


def test_addresses_are_read_into_their_canonical_text() -> None:
    result = read(
        {
            "ips": [{"address": "FD00:0:0::5/64", "gateway": "fd00::0:1"}, {"address": "::ffff:10.0.0.5/24"}],
            "routes": [{"dst": "0::/0", "gw": "FD00::1"}],
        },
        "1.1.0",
    )
    assert [(ip.address, ip.gateway) for ip in result.ips] == [("fd00::5/64", "fd00::1"), ("10.0.0.5/24", "")]
    assert [(route.dst, route.gw) for route in result.routes] == [("::/0", "fd00::1")]
    assert result.ips[0].ip == "fd00::5"
    assert [ip.family for ip in result.ips] == [6, 4]


def test_dns_of_each_kind_is_kept() -> None:
    dns = DNS(["10.1.0.53"], "example", ["a.example"], ["ndots:5"])
    printed = Result(ips=[IPConfig("10.1.0.2/24")], dns=dns).to_json("0.2.0")
    assert read(printed, "0.2.0").dns.to_json() == dns.to_json() == printed["dns"]
