"""Which cniVersion each verb takes, and the verb VERSION."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.world import PEERS, VERSIONS, Node, Plugin, Pod, Reply

NAMES = ("cni-veth", "cni-ipam", "loopback")
FIRST_WITH = {"ADD": "0.1.0", "CHECK": "0.4.0", "DEL": "0.1.0", "GC": "1.1.0", "STATUS": "1.1.0"}
POD = Pod("c1")


@pytest.fixture(params=NAMES)
def each(request: pytest.FixtureRequest, node: Node, built: None) -> Plugin:
    return node.plugin(request.param)


@pytest.fixture(params=NAMES[:2])
def either(request: pytest.FixtureRequest, node: Node, built: None) -> Plugin:
    return node.plugin(request.param)


def send(plugin: Plugin, verb: str, conf: dict[str, Any], pod: Pod = POD) -> Reply:
    return plugin.cni(verb, conf, None if verb in ("GC", "STATUS") else pod)


@pytest.mark.parametrize("verb", FIRST_WITH)
def test_verb_is_refused_before_the_version_it_came_with(either: Plugin, node: Node, verb: str) -> None:
    first = FIRST_WITH[verb]
    for version in VERSIONS[: VERSIONS.index(first)]:
        error = send(either, verb, node.network("10.1.0.0/24", cniVersion=version)).failed(1)
        assert error == {
            "cniVersion": version,
            "code": 1,
            "msg": f"config version does not allow {verb}",
            "details": f'config is "{version}", {verb} came with "{first}"',
        }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_verb_of_a_version_is_answered_in_it(ipam: Plugin, node: Node, version: str) -> None:
    conf = node.network("10.1.0.0/24", cniVersion=version)
    result = send(ipam, "ADD", conf).succeeded()
    assert result["cniVersion"] == version
    for verb in [verb for verb, first in FIRST_WITH.items() if first <= version and verb != "ADD"]:
        reply = send(ipam, verb, conf | {"prevResult": result})
        assert (reply.code, reply.stdout) == (0, "")


@pytest.mark.parametrize("version", ["0.0.1", "0.5.0", "1.0.1", "1.2.0", "2.0.0", "1.1", "01.1.0", "1.1.0 "])
def test_version_that_we_do_not_speak_is_code_1_or_6(either: Plugin, node: Node, version: str) -> None:
    """CHECK, GC and STATUS must compare it with another, so they read it; whether it is one tells the code."""
    for verb in FIRST_WITH:
        error = send(either, verb, node.network("10.1.0.0/24", cniVersion=version)).failed()
        is_read = verb in ("CHECK", "GC", "STATUS")
        assert error["code"] == (6 if is_read and version.endswith(" ") else 1)
        assert version in error["details"] + error["msg"]
        assert error["cniVersion"] == "1.1.0"
    assert not node.store.exists()


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_refusal_names_config_and_supported_versions(either: Plugin, node: Node, verb: str) -> None:
    error = send(either, verb, node.network(cniVersion="9.8.7")).failed(1)
    listed = " ".join(f'"{version}"' for version in VERSIONS)
    assert error["msg"] == "incompatible CNI versions"
    assert error["details"] == f'config is "9.8.7", plugin supports [{listed}]'


@pytest.mark.parametrize("version", ["adsfsadf", "1.a.0", "1..0", "1.1.0.0", "-1.0.0", "v1.1.0", "1.\u0661.0"])
def test_bad_version_is_code_6(either: Plugin, node: Node, version: str) -> None:
    for verb in ("CHECK", "GC", "STATUS"):
        assert repr(version)[1:-1] in send(either, verb, node.network(cniVersion=version)).failed(6)["msg"]


@pytest.mark.parametrize("version", [None, ""])
def test_missing_version_is_0_1_0(ipam: Plugin, node: Node, version: str | None) -> None:
    conf = node.network("10.1.0.0/24", cniVersion=version)
    result = send(ipam, "ADD", conf).succeeded()
    assert (result["cniVersion"], result["ip4"]["ip"]) == ("0.1.0", "10.1.0.2/24")
    assert send(ipam, "CHECK", conf).failed(1)["details"] == 'config is "0.1.0", CHECK came with "0.4.0"'


def test_version_of_a_wrong_type_is_an_error(either: Plugin, node: Node) -> None:
    assert send(either, "ADD", node.network(cniVersion=1.1)).failed(7)["msg"].startswith("cniVersion: must be a string")


# The verb VERSION: podman and buildah ask every plugin at every command.
ENVIRONMENT = {
    "what podman sends": {},
    "the command alone": dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH")),
    "nonsense": {"CNI_CONTAINERID": "%", "CNI_IFNAME": "a/b", "CNI_NETNS": "/proc/self/ns/net", "CNI_ARGS": "none"},
}


def supported(version: str) -> dict[str, object]:
    return {"cniVersion": version, "supportedVersions": list(VERSIONS)}


@pytest.mark.parametrize("environment", ENVIRONMENT)
def test_version_needs_no_other_variable(each: Plugin, environment: str) -> None:
    reply = each.version(env=ENVIRONMENT[environment])
    assert (reply.succeeded(), reply.stderr) == (supported("1.1.0"), "")


@pytest.mark.parametrize("version", VERSIONS)
def test_version_echoes_the_version_of_stdin(each: Plugin, version: str) -> None:
    assert each.version(version).succeeded() == supported(version)


@pytest.mark.parametrize("stdin", ["", "{}", "garbage", "[]", '{"cniVersion": "9.9.9"}', '{"cniVersion": 1}', "\0"])
def test_version_answers_whatever_stdin_says(each: Plugin, stdin: str) -> None:
    assert each.cni("VERSION", stdin).succeeded() == supported("1.1.0")


def test_version_reads_a_whole_configuration(each: Plugin, node: Node) -> None:
    assert each.cni("VERSION", json.dumps(node.network(cniVersion="0.4.0"), indent=4)).succeeded() == supported("0.4.0")


def test_version_of_a_configuration_larger_than_a_pipe(each: Plugin, node: Node) -> None:
    conf = node.network(cniVersion="0.4.0") | {"padding": "x" * (1 << 20)}
    assert each.cni("VERSION", conf).succeeded() == supported("0.4.0")


@pytest.mark.parametrize("operator", ["<&-", "</dev/null", "0>/dev/null"], ids=["closed", "empty", "not for reading"])
def test_version_does_not_read_from_stdin_if_there_is_none(each: Plugin, operator: str) -> None:
    assert each.cni("VERSION", "", wrap=["sh", "-c", f'exec "$@" {operator}', "sh"]).succeeded() == supported("1.1.0")


def test_version_does_not_wait_for_a_stdin_that_is_held_open(each: Plugin) -> None:
    process = each.start("VERSION")
    assert process.wait(10) == 0
    assert process.stdout
    assert json.loads(process.stdout.read()) == supported("1.1.0")


@pytest.mark.peers
def test_version_is_what_the_reference_prints_byte_for_byte(each: Plugin, node: Node) -> None:
    assert each.version().stdout == node.plugin("bridge", PEERS).version().stdout
