"""The CNI_* variables of a call (reference: pkg/skel, pkg/utils)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import CNIError, InvalidEnvironment
from cni.request import REQUIRED, check_environment, is_identifier
from tests.unit.call import environment

# SPEC section 2 "Parameters": rows of the reference's table per verb; what is not here is optional.
NEEDED = {
    "ADD": {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    "CHECK": {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    "DEL": {"CNI_CONTAINERID", "CNI_IFNAME"},
    "GC": set(),
    "STATUS": set(),
    "VERSION": set(),
}
VARIABLES = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH", "CNI_NETNS_OVERRIDE")


@pytest.mark.parametrize("is_empty", [False, True], ids=["unset", "empty"])
@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("verb", NEEDED)
def test_required_and_optional_variables_of_every_verb(verb: str, variable: str, is_empty: bool) -> None:
    environ = environment(verb)
    environ.pop(variable, None)
    if is_empty:
        environ[variable] = ""
    if variable not in NEEDED[verb]:
        assert check_environment(environ) == verb
        return
    with pytest.raises(InvalidEnvironment) as caught:
        check_environment(environ)
    assert caught.value.code == 4
    assert f"required env variables [{variable}] missing" in caught.value.msg


def test_all_missing_variables_are_reported_together() -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        check_environment({"CNI_COMMAND": "ADD", "CNI_NETNS": ""})
    assert "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing" in caught.value.msg


@pytest.mark.parametrize("verb", ["add", "NUKE", "ADD ", "VERSION2", "\u0391DD"])
def test_unknown_verb(verb: str) -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        check_environment(environment(verb))
    assert (caught.value.code, caught.value.msg) == (4, f"unknown CNI_COMMAND: {verb}")
    assert "ADD, CHECK, DEL, GC, STATUS, VERSION" in caught.value.details


@pytest.mark.parametrize("environ", [{}, {"CNI_COMMAND": ""}])
def test_blank_verb_names_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidEnvironment, match=r"\[CNI_COMMAND\] missing"):
        check_environment(environ)


@pytest.mark.parametrize("container_id", ["-a", ".a", "_a", "a/b", "a b", "a\n", "a%", "ä", "aé", "", "a\u0000"])
@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL"])
def test_bad_container_id(verb: str, container_id: str) -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        check_environment(environment(verb, CONTAINERID=container_id))
    assert caught.value.code == 4
    assert "CNI_CONTAINERID" in caught.value.msg
    if container_id:
        assert "invalid characters in containerID" in caught.value.msg
        assert caught.value.details == container_id


@pytest.mark.parametrize("container_id", ["a", "0", "a.b_c-D9", "5947daa1c1211e42" * 4, "default-c1", "a..--__"])
def test_good_container_id(container_id: str) -> None:
    assert check_environment(environment("ADD", CONTAINERID=container_id)) == "ADD"


@pytest.mark.parametrize(
    ("ifname", "problem"),
    [
        ("1234567890123456", "interface name is too long"),
        ("\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", "interface name is too long"),  # 8 letters, 16 bytes
        (".", "interface name is . or .."),
        ("..", "interface name is . or .."),
        ("a/b", "interface name contains / or : or whitespace characters"),
        ("a:b", "interface name contains / or : or whitespace characters"),
        ("a b", "interface name contains / or : or whitespace characters"),
        ("a\tb", "interface name contains / or : or whitespace characters"),
        ("a\n", "interface name contains / or : or whitespace characters"),
        ("a\u00a0b", "interface name contains / or : or whitespace characters"),
        ("a\u2003b", "interface name contains / or : or whitespace characters"),
    ],
)
@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL"])
def test_bad_ifname(verb: str, ifname: str, problem: str) -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        check_environment(environment(verb, IFNAME=ifname))
    assert (caught.value.code, caught.value.msg) == (4, f"CNI_IFNAME: {problem}")
    if problem.endswith("long"):
        assert caught.value.details == "interface name should be less than 16 characters"


@pytest.mark.parametrize("ifname", ["eth0", "123456789012345", "...", "a.b", "\u00e9\u00e9\u00e9", "veth-1_2@3"])
def test_good_ifname(ifname: str) -> None:
    assert check_environment(environment("ADD", IFNAME=ifname)) == "ADD"


@pytest.mark.parametrize("verb", ["GC", "STATUS", "VERSION"])
def test_what_a_verb_does_not_need_is_not_validated(verb: str) -> None:
    assert check_environment(environment(verb, CONTAINERID="-", IFNAME="a/b", NETNS="dummy")) == verb


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_identifier_is_what_the_reference_regexp_takes(text: str) -> None:
    import re

    assert is_identifier(text) is bool(re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*", text))


@given(st.dictionaries(st.sampled_from(["CNI_COMMAND", *VARIABLES]), st.sampled_from([*REQUIRED, "", "a", "a/b"])))
def test_no_environment_raises_anything_but_code_4(environ: dict[str, str]) -> None:
    try:
        verb = check_environment(environ)
    except CNIError as error:
        assert error.code == 4
        assert any(name in error.msg for name in ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"))
    else:
        assert all(environ.get(name) for name in NEEDED[verb])
