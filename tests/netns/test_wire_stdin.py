"""The network configuration on stdin: what is read, and what is refused with which code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod, Reply

NAMES = ("cni-veth", "cni-ipam")
VERBS = ("ADD", "CHECK", "DEL", "GC", "STATUS")
POD = Pod("c1")


@pytest.fixture(params=NAMES)
def either(request: pytest.FixtureRequest, node: Node, built: None) -> Plugin:
    return node.plugin(request.param)


def send(plugin: Plugin, stdin: str, verb: str = "ADD", **call: Any) -> Reply:
    return plugin.cni(verb, stdin, None if verb in ("GC", "STATUS") else POD, **call)


def redirected(operator: str) -> list[str]:
    """A wrap that gives the plugin another stdin or stdout."""
    return ["sh", "-c", f'exec "$@" {operator}', "sh"]


def conf(node: Node, **keys: Any) -> str:
    return json.dumps(node.network("10.1.0.0/24", **keys))


@pytest.mark.parametrize(
    ("stdin", "why"),
    [
        pytest.param("", "is not JSON", id="empty"),
        pytest.param("   \n", "is not JSON", id="blank"),
        pytest.param("garbage", "is not JSON", id="garbage"),
        pytest.param('{"name": "net"', "is not JSON", id="cut short"),
        pytest.param('{"name": "net"} {}', "is not JSON", id="two documents"),
        pytest.param("\ufeff{}", "is not JSON", id="byte order mark"),
        pytest.param("[]", "must be a JSON object", id="array"),
        pytest.param("null", "must be a JSON object", id="null"),
        pytest.param('"net"', "must be a JSON object", id="string"),
        pytest.param('{"name": "a", "name": "b"}', "name: this key is given twice", id="duplicate key"),
        pytest.param('{"ipam": {"ranges": [[{"subnet": "a", "subnet": "b"}]]}}', "ipam.ranges[0][0].subnet", id="deep"),
        pytest.param('{"name": "a", "mtu": NaN}', "mtu: NaN is not JSON", id="NaN"),
        pytest.param('{"name": "a", "mtu": -Infinity}', "mtu: -Infinity is not JSON", id="-Infinity"),
        pytest.param('{"name": "\\ud800"}', "name: ", id="half a surrogate pair"),
        pytest.param('{"name": "a\\u0000"}', "name: ", id="NUL"),
        pytest.param("[" * 100_000, "is not JSON", id="deep nesting"),
        pytest.param('{"mtu": ' + "9" * 5000 + "}", "is not JSON", id="endless number"),
    ],
)
def test_what_is_no_json_object_is_code_6(plugin: Plugin, stdin: str, why: str) -> None:
    for verb in VERBS:
        error = send(plugin, stdin, verb).failed(6)
        assert error["msg"].startswith("the network configuration on stdin")
        assert why in error["msg"]


def test_companion_reads_stdin_alike(ipam: Plugin) -> None:
    assert "name: this key is given twice" in send(ipam, '{"name": "a", "name": "b"}').failed(6)["msg"]


def test_latin_1_is_code_6(either: Plugin, node: Node) -> None:
    (node.dir / "latin-1").write_bytes(b'{"name": "n\xe4t"}')
    error = send(either, "", wrap=redirected(f"<{node.dir}/latin-1")).failed(6)
    assert error["msg"] == "the network configuration on stdin is not UTF-8"


def test_too_large_is_code_6_however_long_it_goes_on(either: Plugin) -> None:
    assert "is larger than" in send(either, "", wrap=redirected("</dev/zero")).failed(6)["msg"]


def test_large_is_read_whole(ipam: Plugin, node: Node) -> None:
    """More than a pipe holds, and more than one read(2) returns."""
    send(ipam, conf(node, padding=["x" * 1000] * 1000)).succeeded()


def test_conf_may_come_in_pieces(ipam: Plugin, node: Node) -> None:
    process = ipam.start("ADD", POD)
    assert process.stdin
    for letter in conf(node):
        process.stdin.write(letter)
        process.stdin.flush()
    stdout, _ = process.communicate()
    assert (process.returncode, json.loads(stdout)["ips"][0]["address"]) == (0, "10.1.0.2/24")


@pytest.mark.parametrize(
    ("operator", "why"),
    [("0>/dev/null", "Bad file descriptor"), ("</", "Is a directory")],
    ids=["write-only", "directory"],
)
def test_stdin_that_cannot_be_read_is_code_5(either: Plugin, operator: str, why: str) -> None:
    for verb in VERBS:
        error = send(either, "", verb, wrap=redirected(operator)).failed(5)
        assert error["msg"] == "cannot read the network configuration from stdin"
        assert why in error["details"]


@pytest.mark.parametrize("operator", ["<&-", "</dev/null"], ids=["closed", "null device"])
def test_missing_stdin_is_code_6(either: Plugin, operator: str) -> None:
    for verb in VERBS:
        assert "is not JSON" in send(either, "", verb, wrap=redirected(operator)).failed(6)["msg"]


@pytest.mark.parametrize("name", [None, ""])
def test_missing_name_is_code_7(either: Plugin, node: Node, name: str | None) -> None:
    for verb in VERBS:
        assert send(either, conf(node, name=name), verb).failed(7)["msg"] == "missing network name"


@pytest.mark.parametrize("name", ["te%%st", "-net", ".", "..", "../net", "a b", "net\n", "nät"])
def test_bad_name_is_code_7_and_named(either: Plugin, node: Node, name: str) -> None:
    for verb in VERBS:
        error = send(either, conf(node, name=name), verb).failed(7)
        assert (error["msg"], error["details"]) == ("invalid characters found in network name", name)
    assert not node.store.exists()


@pytest.mark.parametrize("value", [7, True, ["net"], {}])
def test_name_of_a_wrong_type_is_code_7(either: Plugin, node: Node, value: object) -> None:
    assert send(either, conf(node, name=value)).failed(7)["msg"].startswith("name: must be a string, not ")


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"mtu": "1500"}, "mtu"),
        ({"isGateway": 1}, "isGateway"),
        ({"bridge": []}, "bridge"),
        ({"ipam": "host-local"}, "ipam"),
        ({"runtimeConfig": []}, "runtimeConfig"),
        ({"args": {"cni": 7}}, "args.cni"),
    ],
)
def test_wrong_type_is_code_7_and_names_the_path(plugin: Plugin, node: Node, keys: dict[str, Any], path: str) -> None:
    assert plugin.add(node.network(**keys), node.pod()).failed(7)["msg"].startswith(f"{path}: must be ")


def test_known_keys_match_without_regard_to_case(ipam: Plugin, node: Node) -> None:
    ranges = [[{"Subnet": "10.1.0.0/24", "RANGESTART": "10.1.0.50"}]]
    shouted = {"CNIVERSION": "0.4.0", "Name": "net", "IPAM": {"DataDir": str(node.store), "Ranges": ranges}}
    result = send(ipam, json.dumps(shouted)).succeeded()
    assert (result["cniVersion"], result["ips"][0]["address"]) == ("0.4.0", "10.1.0.50/24")


def test_the_exact_key_goes_before_one_in_other_case(ipam: Plugin, node: Node) -> None:
    assert send(ipam, conf(node, CNIVersion="0.3.0")).succeeded()["cniVersion"] == "1.1.0"


def test_one_key_in_two_cases_is_code_7(ipam: Plugin, node: Node) -> None:
    document = json.loads(conf(node))
    name = document.pop("name")
    error = send(ipam, json.dumps(document | {"Name": name, "NAME": name})).failed(7)
    assert error["msg"] == "name: is given as Name and NAME; keep one"


def test_null_counts_as_absent(ipam: Plugin, node: Node) -> None:
    nothing = dict.fromkeys(["args", "runtimeConfig", "prevResult", "dns"])
    send(ipam, conf(node, **nothing)).succeeded()
