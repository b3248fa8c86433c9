"""One call: network name, version, CNI_ARGS, prevResult and the list of valid attachments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import CNIError, DecodingFailure, IncompatibleVersion, InvalidConfig, InvalidEnvironment
from cni.request import Request, check_environment
from tests.captures.capture import CLIENTS, calls
from tests.unit.call import VERSIONS, environment, veth_request

ATTACHMENTS = ("cni.dev/valid-attachments", "cni.dev/attachments")


def request_of(text: str, verb: str = "ADD") -> Request:
    request = Request.read(environment(verb), text.encode())
    request.validate()
    return request


def test_a_call_is_what_environment_and_stdin_say() -> None:
    variables: dict[str, str | None] = {"PATH": "/opt/cni/bin::/usr/lib/cni", "CONTAINERID": "c9", "IFNAME": "net1"}
    request = veth_request("DEL", variables, mtu=1400)
    assert (request.verb, request.container_id, request.ifname) == ("DEL", "c9", "net1")
    assert (request.netns, request.name, request.version) == ("/run/netns/pod", "net1", "1.1.0")
    assert request.path == ["/opt/cni/bin", "/usr/lib/cni"]
    assert request.owner == ("c9", "net1")
    assert request.conf.integer("mtu") == 1400
    assert json.loads(request.stdin) == request.conf.data


@pytest.mark.parametrize("missing", ["{}", '{"cniVersion": ""}', '{"cniVersion": null}'])
def test_stdin_without_cniversion_is_0_1_0(missing: str) -> None:
    text = json.dumps({"name": "net1", **json.loads(missing)})
    assert request_of(text).version == "0.1.0"
    with pytest.raises(IncompatibleVersion, match=r"config version does not allow CHECK"):
        request_of(text, "CHECK")


def test_keys_of_the_protocol_are_matched_without_case() -> None:
    request = request_of('{"CNIVERSION": "1.0.0", "NAME": "net1"}')
    assert (request.version, request.name) == ("1.0.0", "net1")


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
@pytest.mark.parametrize("name", [None, ""])
def test_missing_network_name(verb: str, name: str | None) -> None:
    with pytest.raises(InvalidConfig) as caught:
        request_of(json.dumps({"cniVersion": "1.1.0", "name": name}), verb)
    assert (caught.value.code, caught.value.msg) == (7, "missing network name")


@pytest.mark.parametrize("name", ["a b", "-a", ".", "..", "a/b", "../a", "net1\n", "nét", "a:b", "_a"])
@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
def test_bad_network_name(verb: str, name: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        request_of(json.dumps({"cniVersion": "1.1.0", "name": name}), verb)
    assert (caught.value.code, caught.value.msg) == (7, "invalid characters found in network name")
    assert caught.value.details == name


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"name": 5}', "name: must be a string, not a number"), ('{"cniVersion": 1}', "cniVersion: must be a string")],
)
def test_name_and_version_of_a_wrong_type(text: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=f"^{message}"):
        request_of(text)


def test_the_version_is_looked_at_before_the_name() -> None:
    with pytest.raises(IncompatibleVersion):
        request_of('{"cniVersion": "9.9.9", "name": "a/b"}')
    with pytest.raises(DecodingFailure):
        request_of('{"cniVersion": "junk", "name": "a/b"}', "STATUS")


@pytest.mark.parametrize("client", CLIENTS)
def test_every_captured_call_is_a_valid_one(client: str) -> None:
    for call in calls(client):
        request = Request.read(call.env, call.stdin.encode())
        assert check_environment(call.env) == request.verb
        if request.verb != "VERSION":
            request.validate()
            request.cni_args()
            prev = request.prev_result()
            assert (prev is not None) is ("prevResult" in call.conf)


# --- CNI_ARGS


def args(text: str) -> dict[str, str]:
    return veth_request("ADD", {"ARGS": text}).cni_args()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (";;", {}),
        ("IP=10.1.0.5", {"IP": "10.1.0.5"}),
        ("IP=10.1.0.5;MAC=02:00:00:00:00:01;", {"IP": "10.1.0.5", "MAC": "02:00:00:00:00:01"}),
        ("MAC=", {"MAC": ""}),
        ("IgnoreUnknown=1;K8S_POD_NAME=a;x=b", {"IgnoreUnknown": "1", "K8S_POD_NAME": "a", "x": "b"}),
        ("K8S_POD_UID=u;IgnoreUnknown=TRUE;y=", {"K8S_POD_UID": "u", "IgnoreUnknown": "TRUE", "y": ""}),
        # known to every plugin of the chain, so that MAC= does not fail the IPAM plugin (reference: it does)
        ("MAC=a;IP=b;GATEWAY=c", {"MAC": "a", "IP": "b", "GATEWAY": "c"}),
    ],
)
def test_cni_args(text: str, expected: dict[str, str]) -> None:
    assert args(text) == expected


@pytest.mark.parametrize("text", ["none", "A", "IP=a=b", "IgnoreUnknown=1;none", "a;b"])
def test_a_pair_that_is_none_is_refused_even_with_ignore_unknown(text: str) -> None:
    with pytest.raises(InvalidEnvironment, match=r"^CNI_ARGS: invalid pair '") as caught:
        args(text)
    assert caught.value.code == 4


@pytest.mark.parametrize("text", ["x=1", "IgnoreUnknown=0;x=1", "IgnoreUnknown=False;x=1", "ip=10.1.0.5", "Mac=a"])
def test_an_unknown_key_is_refused_and_keys_are_case_sensitive(text: str) -> None:
    with pytest.raises(InvalidEnvironment, match=r"^CNI_ARGS: unknown args \['") as caught:
        args(text)
    assert caught.value.code == 4
    assert "IgnoreUnknown=1" in caught.value.details


@pytest.mark.parametrize("value", ["yes", "2", "", "truee"])
def test_ignore_unknown_must_be_a_boolean(value: str) -> None:
    with pytest.raises(InvalidEnvironment, match=r"^CNI_ARGS: IgnoreUnknown="):
        args(f"IgnoreUnknown={value};x=1")


@given(st.text(st.sampled_from("aIPMAC=;01 :"), max_size=20))
def test_no_cni_args_raise_anything_but_code_4(text: str) -> None:
    try:
        found = args(text)
    except InvalidEnvironment as error:
        assert error.msg.startswith("CNI_ARGS: ")
    else:
        assert all(f"{key}={value}" in text.split(";") for key, value in found.items())


# --- prevResult


def test_no_prev_result() -> None:
    assert veth_request().prev_result() is None
    assert veth_request(prevResult=None).prev_result() is None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("number", [{}, {"cniVersion": None}, {"cniVersion": "same"}])
def test_prev_result_is_of_the_configurations_version(version: str, number: dict[str, Any]) -> None:
    prev: dict[str, Any] = {key: version if value == "same" else None for key, value in number.items()}
    prev |= {"ip4": {"ip": "10.1.0.2/24"}} if version in VERSIONS[:2] else {"ips": [{"address": "10.1.0.2/24"}]}
    result = veth_request(cniVersion=version, prevResult=prev).prev_result()
    assert result is not None
    assert result.ips[0].address == "10.1.0.2/24"


def test_prev_result_of_another_shape_is_refused() -> None:
    prev = {"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.1.0.2/24"}]}
    with pytest.raises(IncompatibleVersion, match=r"^prevResult\.cniVersion: "):
        veth_request(cniVersion="1.0.0", prevResult=prev).prev_result()


def test_prev_result_that_is_none_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidConfig, match=r"^prevResult\.ips\[1\]\.address: is required"):
        veth_request(prevResult={"ips": [{"address": "10.1.0.2/24"}, {}]}).prev_result()
    with pytest.raises(InvalidConfig, match=r"^prevResult: must be an object, not a list"):
        veth_request(prevResult=[]).prev_result()


# --- cni.dev/valid-attachments: three shapes


def test_no_list_names_no_garbage() -> None:
    assert veth_request("GC").valid_attachments() is None


@pytest.mark.parametrize("key", ATTACHMENTS)
@pytest.mark.parametrize("empty", [[], None])
def test_an_empty_list_and_null_keep_nothing(key: str, empty: list[object] | None) -> None:
    assert veth_request("GC", **{key: empty}).valid_attachments() == set()


@pytest.mark.parametrize("key", ATTACHMENTS)
def test_a_list_names_owners(key: str) -> None:
    listed = [{"containerID": "c1", "ifname": "eth0"}, {"CONTAINERID": "c1", "ifname": "net1"}]
    assert veth_request("GC", **{key: listed}).valid_attachments() == {("c1", "eth0"), ("c1", "net1")}


def test_valid_attachments_goes_before_the_misspelt_key() -> None:
    listed = {ATTACHMENTS[0]: [{"containerID": "a", "ifname": "b"}], ATTACHMENTS[1]: []}
    assert veth_request("GC", **listed).valid_attachments() == {("a", "b")}


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ({}, ": must be a list, not an object"),
        (["c1"], "[0]: must be an object, not a string"),
        ([{"containerID": "c1"}], "[0].ifname: is required"),
        ([{"ifname": "eth0", "containerID": ""}], "[0].containerID: is required"),
        ([{"ifname": 0, "containerID": "a"}], "[0].ifname: must be a string, not a number"),
    ],
)
def test_a_broken_list_deletes_nothing(listed: object, problem: str) -> None:
    """Garbage is what is not listed, so a list that cannot be read must not become an empty one."""
    with pytest.raises(CNIError) as caught:
        veth_request("GC", **{ATTACHMENTS[0]: listed}).valid_attachments()
    assert (caught.value.code, caught.value.msg) == (7, f"{ATTACHMENTS[0]}{problem}")
