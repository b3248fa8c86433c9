"""cni_veth.tag: whose a host link is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.request import ifname_problem, is_identifier
from cni_veth import tag

IFALIASZ = 256  # linux/if.h
ALTIFNAMSIZ = 128
NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

names = st.text(NAME, min_size=1, max_size=20).filter(is_identifier) | st.integers(90, 300).map(lambda size: "n" * size)
ifnames = st.text(st.characters(codec="utf-8"), min_size=1, max_size=15).filter(lambda name: not ifname_problem(name))
owners = st.tuples(names, ifnames)


@given(names, owners)
def test_alias_and_alternative_name_fit_into_the_kernel(network: str, owner: tuple[str, str]) -> None:
    assert len(tag.alias(network, owner).encode()) < IFALIASZ
    assert len(tag.altname(network, owner).encode()) < ALTIFNAMSIZ
    assert not any(letter.isspace() or letter in "/:" for letter in tag.altname(network, owner))


@given(st.tuples(names, owners), st.tuples(names, owners))
def test_no_two_attachments_have_the_same_tag(
    one: tuple[str, tuple[str, str]], other: tuple[str, tuple[str, str]]
) -> None:
    assert (tag.alias(*one) == tag.alias(*other)) is (one == other)
    assert (tag.altname(*one) == tag.altname(*other)) is (one == other)


@given(names, names, owners)
def test_an_alias_is_of_its_network_and_of_no_other(network: str, other: str, owner: tuple[str, str]) -> None:
    alias = tag.alias(network, owner)
    assert tag.is_of_network(alias, network)
    assert tag.is_of_network(alias, other) is (network == other)


@pytest.mark.parametrize(
    "text", ["", "cni-veth", "net1 c1 eth0", "cni-veth net", "cni-veth net2 c1 eth0", "my own veth"]
)
def test_a_foreign_alias_is_of_no_network(text: str) -> None:
    assert not tag.is_of_network(text, "net")


def test_for_people() -> None:
    assert tag.alias("net1", ("c1", "eth0")) == "cni-veth net1 c1 eth0"


def test_tags_do_not_change_between_versions() -> None:
    """A node's links outlive an upgrade: DEL and GC of the next version must find them."""
    assert tag.altname("net1", ("c1", "eth0")) == "cni-veth-80963e7538041a6b1ee874d7eed29579"
    assert tag.GROUP == 0x636E69
