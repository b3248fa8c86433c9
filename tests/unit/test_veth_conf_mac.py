"""The pod's MAC: where it may be asked for, and what is one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import InvalidEnvironment
from cni_veth.conf import VethConf, is_unicast_mac
from tests.unit.call import veth_request
from tests.unit.test_veth_conf import parse, refused

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"


@pytest.mark.parametrize(
    ("runtime", "argument", "variable", "expected"),
    [
        (A, B, C, A),
        ("", B, C, B),
        (None, None, C, C),
        (None, B, "", B),
        (A, None, "", A),
        (None, None, "", ""),
        (None, None, "02:00:00:00:00:0C", C),
    ],
)
def test_runtime_config_goes_before_args_and_cni_args(
    runtime: str | None, argument: str | None, variable: str, expected: str
) -> None:
    conf = {"runtimeConfig": {"mac": runtime}, "args": {"cni": {"mac": argument}}}
    cni_args = f"IgnoreUnknown=1;MAC={variable};K8S_POD_NAME=a" if variable else ""
    assert VethConf(veth_request("ADD", {"ARGS": cni_args}, **conf)).mac == expected


def test_runtime_config_keys_are_matched_without_case() -> None:
    """The reference's own fixtures write "RuntimeConfig"."""
    assert parse(RuntimeConfig={"MAC": A}).mac == A


@pytest.mark.parametrize(
    "mac",
    [
        "x",
        "02:00:00:00:00",
        "02:00:00:00:00:00:00",
        "03:00:00:00:00:01",
        "00:00:00:00:00:00",
        "02:+1:00:00:00:00",
        "02: 1:00:00:00:00",
        "2:0:0:0:0:1",
        "02:00:00:00:00:0g",
    ],
)
def test_what_is_no_unicast_mac_is_refused_wherever_it_is_given(mac: str) -> None:
    refused(f"runtimeConfig.mac: {mac!r} is not a unicast MAC address", runtimeConfig={"mac": mac})
    args = {"args": {"cni": {"mac": mac}}}
    refused(f"args.cni.mac: {mac!r} is not a unicast MAC address", **args)
    refused("args.cni.mac: ", runtimeConfig={"mac": A}, **args)
    with pytest.raises(InvalidEnvironment, match=r"^CNI_ARGS: MAC=") as caught:
        VethConf(veth_request("ADD", {"ARGS": f"MAC={mac}"}))
    assert caught.value.code == 4


@given(st.binary(min_size=6, max_size=6))
def test_any_six_octets_are_a_unicast_mac_unless_multicast_or_zero(octets: bytes) -> None:
    expected = not octets[0] & 1 and any(octets)
    assert is_unicast_mac(octets.hex(":")) is is_unicast_mac(octets.hex(":").upper()) is expected


@given(st.text(st.sampled_from("02afAF:+- _g"), max_size=20))
def test_no_other_text_is_a_mac(text: str) -> None:
    if is_unicast_mac(text):
        assert re.fullmatch("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text)
