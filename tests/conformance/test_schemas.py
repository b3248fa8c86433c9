"""The schemas of plugins' documents: real documents pass, and one changed place makes them fail."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import data, template

TESTS = Path(__file__).parents[1]
CAPTURES = [
    json.loads(line)
    for path in sorted((TESTS / "captures" / "data").glob("*.jsonl"))
    for line in path.read_text().splitlines()
]
CONVERTED = [
    (version, document)
    for line in (TESTS / "data" / "conversion" / "results.jsonl").read_text().splitlines()
    for version, document in json.loads(line)["converted"].items()
    if isinstance(document, dict) and "error" not in document
]
FORMS = {"0.1.0": "0.2.0", "0.3.0": "0.4.0", "0.3.1": "0.4.0"}

RESULTS: dict[str, dict[str, Any]] = {
    "0.2.0": {
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.1.0.5/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
        "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1", "routes": [{"dst": "::/0"}]},
        "dns": {},
    },
    "0.4.0": {
        "cniVersion": "0.4.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:05", "sandbox": "/run/netns/a"}],
        "ips": [{"version": "4", "address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}],
        "dns": {"nameservers": ["10.1.0.53", "fe80::1%eth0"], "domain": "d", "search": ["s"], "options": ["o"]},
    },
    "1.0.0": {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:05", "sandbox": "/run/netns/a"}],
        "ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 0}],
        "routes": [{"dst": "::/0", "gw": "fd00::1"}],
        "dns": {"nameservers": ["fd00::53"]},
    },
    "1.1.0": {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "eth0", "mac": "02:00:00:00:00:05", "mtu": 1500, "sandbox": "", "socketPath": "/s", "pciID": "0"}
        ],
        "ips": [{"address": "fd00::5/64", "gateway": "fd00::1", "interface": 0}],
        "routes": [{"dst": "::/0", "mtu": 1400, "advmss": 1360, "priority": 10, "table": 100, "scope": 253}],
        "dns": {"nameservers": ["fd00::53"]},
    },
}

BAD: list[tuple[str, dict[str, Any]]] = [
    *((version, {"cniVersion": wrong}) for version in RESULTS for wrong in (None, "9.9.9", 1)),
    *((version, {"dns": wrong}) for version in RESULTS for wrong in ([], {"search": "s"}, {"nameservers": ["none"]})),
    ("0.2.0", {"ip4": None, "ip6": None}),
    ("0.2.0", {"ips": []}),
    ("0.2.0", {"interfaces": []}),
    ("0.2.0", {"ip4": {"ip": "10.1.0.5"}}),
    ("0.2.0", {"ip4": {"ip": "fd00::5/64"}}),
    ("0.2.0", {"ip6": {"ip": "10.1.0.5/24"}}),
    ("0.2.0", {"ip4": {"routes": [{"gw": "10.1.0.1"}]}}),
    *((version, {"ip4": {"ip": "10.1.0.5/24"}}) for version in ("0.4.0", "1.0.0", "1.1.0")),
    *((version, {"interfaces": [{"mac": "02:00:00:00:00:05"}]}) for version in ("0.4.0", "1.0.0", "1.1.0")),
    *((version, {"interfaces": [{"name": "e", "mac": "02:00"}]}) for version in ("0.4.0", "1.0.0", "1.1.0")),
    *((version, {"interfaces": [{"name": "e", "sandbox": None}]}) for version in ("1.0.0", "1.1.0")),
    *((version, {"interfaces": None}) for version in ("0.4.0", "1.0.0", "1.1.0")),
    *((version, {"routes": [{"dst": "0.0.0.0"}]}) for version in ("0.4.0", "1.0.0", "1.1.0")),
    *((version, {"routes": [{"gw": "10.1.0.1"}]}) for version in ("0.4.0", "1.0.0", "1.1.0")),
    ("0.4.0", {"routes": [{"dst": "0.0.0.0/0", "gw": "fd00::1"}]}),
    ("0.4.0", {"ips": [{"address": "10.1.0.5/24", "interface": 0}]}),
    ("0.4.0", {"ips": [{"version": "6", "address": "10.1.0.5/24", "interface": 0}]}),
    ("0.4.0", {"ips": [{"version": 4, "address": "10.1.0.5/24", "interface": 0}]}),
    ("0.4.0", {"ips": [{"version": "4", "address": "10.1.0.5/24"}]}),
    ("1.0.0", {"ips": [{"version": "4", "address": "10.1.0.5/24", "interface": 0}]}),
    *(("1.0.0", {"ips": [{"address": "10.1.0.5/24", "interface": wrong}]}) for wrong in (-1, "0", 0.5, None)),
    *(
        ("1.0.0", {"ips": [{"address": wrong, "interface": 0}]})
        for wrong in ("10.1.0.5", "10.1.0.5/33", "10.1.0.256/8", "x/8", "")
    ),
    ("1.0.0", {"ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1/24", "interface": 0}]}),
    *(("1.1.0", {"routes": [{"dst": "::/0", key: -1}]}) for key in ("mtu", "advmss", "priority", "table", "scope")),
    ("1.1.0", {"interfaces": [{"name": "eth0", "mtu": "1500"}]}),
    ("1.1.0", {"interfaces": [{"name": "eth0", "socketPath": "relative"}]}),
]


def _result(document: Any, version: str) -> str:
    return data.wrong(f"result-{version}", document)


@pytest.mark.parametrize("capture", [c for c in CAPTURES if c["stdout"].strip()], ids=lambda c: c["env"]["CNI_COMMAND"])
def test_documents_of_the_reference_pass(capture: dict[str, Any]) -> None:
    document = json.loads(capture["stdout"])
    verb = capture["env"]["CNI_COMMAND"]
    assert verb in ("ADD", "VERSION")
    name = "version" if verb == "VERSION" else f"result-{json.loads(capture['stdin'])['cniVersion']}"
    # The reference's loopback leaves out ips[].version, which is required up to 0.4.0.
    is_wrong = capture["plugin"] == "loopback" and verb == "ADD" and document["cniVersion"] < "1"
    assert ("'version' is a required property" in data.wrong(name, document)) is is_wrong
    assert bool(data.wrong(name, document)) is is_wrong


@pytest.mark.parametrize(("version", "document"), CONVERTED)
def test_results_that_the_reference_library_converted_pass(version: str, document: dict[str, Any]) -> None:
    assert _result(document, version) == ""


@pytest.mark.parametrize("version", data.VERSIONS)
def test_a_result_of_each_version_passes(version: str) -> None:
    document = {**RESULTS[FORMS.get(version, version)], "cniVersion": version}
    assert _result(document, version) == ""
    assert _result({**document, "ownKey": 1}, version) == ""


@pytest.mark.parametrize("version", data.VERSIONS)
def test_a_result_of_another_form_fails(version: str) -> None:
    form = FORMS.get(version, version)
    others = [other for key, other in RESULTS.items() if key != form and {key, form} != {"1.0.0", "1.1.0"}]
    assert all(_result({**other, "cniVersion": version}, version) for other in others)


@pytest.mark.parametrize(("version", "patch"), BAD)
def test_a_bad_place_fails(version: str, patch: dict[str, Any]) -> None:
    assert _result(RESULTS[version], version) == ""
    changed = {
        **template.merge(RESULTS[version], patch),
        **({"cniVersion": None} if patch == {"cniVersion": None} else {}),
    }
    assert _result(changed, version) != ""


@pytest.mark.parametrize("version", data.VERSIONS[2:])
def test_an_ipam_result_has_no_index(version: str) -> None:
    document = {**RESULTS[FORMS.get(version, version)], "cniVersion": version}
    del document["interfaces"]
    assert "interface" in _result(document, version)
    document["ips"] = [{key: value for key, value in ip.items() if key != "interface"} for ip in document["ips"]]
    assert _result(document, version) == ""


@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_every_ipv6_prefix_passes(address: ipaddress.IPv6Address, length: int) -> None:
    for text in (address.compressed, address.exploded, address.compressed.upper()):
        document = {"cniVersion": "1.1.0", "ips": [{"address": f"{text}/{length}", "gateway": text}]}
        assert _result(document, "1.1.0") == ""


@given(st.text("0123456789abcdef:.", min_size=1, max_size=20))
def test_what_is_no_address_fails(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        assert _result({"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.1/8", "gateway": text}]}, "1.1.0") != ""


@pytest.mark.parametrize(
    ("document", "passes"),
    [
        ({"code": 7, "msg": "bad"}, True),
        ({"cniVersion": "1.1.0", "code": 999, "msg": "bad", "details": ""}, True),
        ({"code": 51, "msg": "bad"}, True),
        ({"code": 42, "msg": "bad"}, False),
        ({"code": 10, "msg": "bad"}, False),
        ({"code": -4, "msg": "bad"}, False),
        ({"code": "7", "msg": "bad"}, False),
        ({"code": 7.5, "msg": "bad"}, False),
        ({"code": 7, "msg": ""}, False),
        ({"code": 7}, False),
        ({"msg": "bad"}, False),
        ({"cniVersion": "1", "code": 7, "msg": "bad"}, False),
        ({"code": 7, "msg": "bad", "details": ["x"]}, False),
        ([], False),
    ],
)
def test_errors(document: Any, passes: bool) -> None:
    assert (data.wrong("error", document) == "") is passes


@pytest.mark.parametrize(
    ("document", "passes"),
    [
        ({"cniVersion": "1.0.0", "supportedVersions": ["0.1.0", "1.1.0"]}, True),
        ({"cniVersion": "1.0.0", "supportedVersions": ["1.2.0-rc.1"]}, True),
        ({"cniVersion": "1.0.0", "supportedVersions": []}, False),
        ({"cniVersion": "1.0.0", "supportedVersions": "1.0.0"}, False),
        ({"cniVersion": "1.0.0", "supportedVersions": ["1.0"]}, False),
        ({"cniVersion": "v1.0.0", "supportedVersions": ["1.0.0"]}, False),
        ({"cniVersion": "1.0.0"}, False),
        ({"supportedVersions": ["1.0.0"]}, False),
    ],
)
def test_answers_to_version(document: Any, passes: bool) -> None:
    assert (data.wrong("version", document) == "") is passes
