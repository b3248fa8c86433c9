"""Transactions of nf_tables: what the kernel tells of each message, and that all of it is read."""

from __future__ import annotations

import errno
import os

import pytest

from cni_veth.nft import attachment, elements, ruleset
from cni_veth.nft.elements import Element
from cni_veth.nft.transaction import Netfilter
from tests.world import Node


@pytest.mark.parametrize("taken", [(), (0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_every_refusal_is_told_and_the_socket_is_ready_for_the_next(node: Node, taken: tuple[int, ...]) -> None:
    with node.entered():
        text = ruleset.Text("t", "inet", ["set $name-s { type ipv4_addr; }"], {})
        ruleset.install(Netfilter(), [text], dict(os.environ))
        own = [Element(("inet", f"{text.name}-s"), elements.ip(f"10.0.0.{number}"), "x") for number in range(3)]
        netfilter = Netfilter()
        netfilter.commit([elements.add(own[number], "net A eth0") for number in taken])
        answers = netfilter.commit([elements.add(element, "net B eth0") for element in own])
        assert [answer.errno for answer in answers] == [errno.EEXIST if n in taken else 0 for n in range(3)]
        found = attachment.dump(netfilter)
        assert {owner for owner, _ in found} == {"net A eth0" if taken else "net B eth0"}
        assert len(found) == (len(taken) or 3)
        assert [answer.errno for answer in netfilter.commit([elements.delete(found[0][1])])] == [0]


def test_all_are_refused_where_there_is_no_table(node: Node) -> None:
    with node.entered():
        lost = [Element(("inet", "s"), elements.ip(f"10.0.0.{number}"), "x") for number in range(3)]
        answers = Netfilter().commit([elements.add(element, "net A eth0") for element in lost])
    assert [answer.errno for answer in answers] == [errno.ENOENT] * 3
