"""The CNI_* variables of each verb (SPEC section 2 "Parameters"), as the reference's skel_test.go asks for them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.world import Node, Plugin, Pod, Reply

NAMES = ("cni-veth", "cni-ipam")
REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
}
EVERY = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH")
POD = Pod("c1")

unset_or_empty = pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])


@pytest.fixture(params=NAMES)
def either(request: pytest.FixtureRequest, node: Node, built: None) -> Plugin:
    """The main plugin, then the companion."""
    return node.plugin(request.param)


def call(plugin: Plugin, verb: str, environment: Mapping[str, str | None], pod: Pod | None = POD) -> Reply:
    """A call that succeeds unless the environment is at fault: L2 for the main plugin, a fresh store for IPAM."""
    node = plugin.node
    conf = node.network(*(["10.1.0.0/24"] if plugin.executable.name == "cni-ipam" else []))
    return plugin.cni(verb, conf, pod, env=environment)


def state(node: Node) -> tuple[object, ...]:
    """What a refused call must not have changed."""
    return sorted(node.links()), node.leases(), node.store.exists()


@unset_or_empty
@pytest.mark.parametrize(("verb", "name"), [(verb, name) for verb, names in REQUIRED.items() for name in names])
def test_required_variable_missing_is_code_4(either: Plugin, verb: str, name: str, value: str | None) -> None:
    before = state(either.node)
    error = call(either, verb, {name: value}).failed(4)
    assert error["msg"] == f"required env variables [{name}] missing"
    assert state(either.node) == before


@unset_or_empty
@pytest.mark.parametrize("verb", REQUIRED)
def test_all_missing_variables_are_reported_together(either: Plugin, verb: str, value: str | None) -> None:
    error = call(either, verb, dict.fromkeys(EVERY, value)).failed(4)
    assert f"required env variables [{','.join(REQUIRED[verb])}] missing" in error["msg"]


@unset_or_empty
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_args_and_path_are_optional(either: Plugin, verb: str, value: str | None) -> None:
    environment = dict.fromkeys(("CNI_ARGS", "CNI_PATH"), value)
    call(either, verb, environment, either.node.pod()).succeeded()


@unset_or_empty
def test_netns_is_optional_for_del(either: Plugin, value: str | None) -> None:
    call(either, "DEL", {"CNI_NETNS": value}).succeeded()


@unset_or_empty
@pytest.mark.parametrize("verb", ["GC", "STATUS"])
def test_gc_and_status_need_the_command_alone(either: Plugin, verb: str, value: str | None) -> None:
    call(either, verb, dict.fromkeys(EVERY, value), None).succeeded()


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
def test_path_is_demanded_where_a_delegate_must_be_found(plugin: Plugin, node: Node, verb: str) -> None:
    pod = None if verb in ("GC", "STATUS") else POD
    conf = node.network(ipam={"type": "elsewhere"}, prevResult={"cniVersion": "1.1.0"})
    assert "CNI_PATH" in plugin.cni(verb, conf, pod, env={"CNI_PATH": None}).failed(4)["msg"]


@pytest.mark.parametrize(
    "container_id", ["some-%%container-id", "-a", ".a", "_a", "a b", "a/b", "a\n", "a\r\neth0", "ä", "a\udcff"]
)
def test_bad_container_id_is_code_4_and_named(either: Plugin, container_id: str) -> None:
    before = state(either.node)
    for verb in REQUIRED:
        error = call(either, verb, {"CNI_CONTAINERID": container_id}).failed(4)
        assert error["msg"] == "CNI_CONTAINERID: invalid characters in containerID"
        assert error["details"] == container_id
    assert state(either.node) == before


@pytest.mark.parametrize("container_id", ["a", "0", "A.b_c-d", "a" * 64, "a" * 255])
def test_good_container_id(either: Plugin, container_id: str) -> None:
    call(either, "ADD", {"CNI_CONTAINERID": container_id}, either.node.pod()).succeeded()
    call(either, "DEL", {"CNI_CONTAINERID": container_id}).succeeded()


TOO_LONG = "interface name is too long"
DOTS = "interface name is . or .."
CHARACTERS = "interface name contains / or : or whitespace characters"


@pytest.mark.parametrize(
    ("ifname", "problem"),
    [
        pytest.param("1234567890123456", TOO_LONG, id="16 characters"),
        pytest.param("äääääääää", TOO_LONG, id="9 characters of 18 bytes"),
        pytest.param(".", DOTS, id="dot"),
        pytest.param("..", DOTS, id="dots"),
        pytest.param("test/test", CHARACTERS, id="slash"),
        pytest.param("test:test", CHARACTERS, id="colon"),
        pytest.param("test test", CHARACTERS, id="space"),
        pytest.param("test\ttest", CHARACTERS, id="tab"),
        pytest.param("eth0\n", CHARACTERS, id="newline at the end"),
        pytest.param("a\u00a0b", CHARACTERS, id="no-break space"),
        pytest.param("a\u0085b", CHARACTERS, id="next line"),
        pytest.param("a\u2003b", CHARACTERS, id="em space"),
        pytest.param("a\u3000b", CHARACTERS, id="ideographic space"),
    ],
)
def test_bad_ifname_is_code_4(either: Plugin, ifname: str, problem: str) -> None:
    before = state(either.node)
    for verb in REQUIRED:
        assert call(either, verb, {"CNI_IFNAME": ifname}).failed(4)["msg"] == f"CNI_IFNAME: {problem}"
    assert state(either.node) == before


def test_bytes_that_are_no_text_in_ifname_are_refused(either: Plugin) -> None:
    """They could not be named in a result, which is UTF-8."""
    assert "CNI_IFNAME" in call(either, "ADD", {"CNI_IFNAME": "a\udcff"}, either.node.pod()).failed(4)["msg"]


@pytest.mark.parametrize("ifname", ["123456789012345", "äääääää", "e", "eth0@1", "..."])
def test_good_ifname(either: Plugin, ifname: str) -> None:
    call(either, "ADD", {"CNI_IFNAME": ifname}, either.node.pod()).succeeded()


@pytest.mark.parametrize("verb", ["add", "Add", "UPDATE", "ADD ", "\udcff"])
def test_unknown_verb_is_code_4_and_does_nothing(either: Plugin, verb: str) -> None:
    before = state(either.node)
    assert f"unknown CNI_COMMAND: {verb}" in call(either, verb, {}).failed(4)["msg"]
    assert state(either.node) == before


@pytest.mark.parametrize("args", ["none", "K8S_POD_NAME", "MAC=a=b", "IgnoreUnknown=perhaps", "FOO=bar"])
def test_bad_cni_args_are_code_4_on_add_and_do_not_stop_del(either: Plugin, args: str) -> None:
    before = state(either.node)
    assert call(either, "ADD", {"CNI_ARGS": args}, either.node.pod()).failed(4)["msg"].startswith("CNI_ARGS: ")
    assert state(either.node) == before
    call(either, "DEL", {"CNI_ARGS": args}).succeeded()


@pytest.mark.parametrize("args", ["IgnoreUnknown=1;FOO=bar", "IgnoreUnknown=TRUE;FOO=bar", "K8S_POD_NAME=a", ";"])
def test_good_cni_args(either: Plugin, args: str) -> None:
    call(either, "ADD", {"CNI_ARGS": args}, either.node.pod()).succeeded()
