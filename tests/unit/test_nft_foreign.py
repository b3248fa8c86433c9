"""What becomes of a packet in rules of all kinds, written as the kernel tells them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cni_veth.nft.attributes import RULE_LAYOUT
from cni_veth.nft.foreign import DROP, NEW, ON, PASS, Walk
from cni_veth.wire import Attributes, Body, Reply

Expression = tuple[str, list[tuple[str, Any]] | None]
ACCEPTED, DROPPED, JUMP, GOTO, RETURN = 1, 0, 0xFFFFFFFD, 0xFFFFFFFC, 0xFFFFFFFB
IIFNAME, OIFNAME = 6, 7
ESTABLISHED = 2


def verdict(code: int, chain: str = "") -> Expression:
    told: list[tuple[str, Any]] = [("NFTA_VERDICT_CODE", code)]
    if chain:
        told.append(("NFTA_VERDICT_CHAIN", chain))
    data = {"attrs": [("NFTA_DATA_VERDICT", {"attrs": told})]}
    return "immediate", [("NFTA_IMMEDIATE_DREG", 0), ("NFTA_IMMEDIATE_DATA", data)]


def value(data: bytes) -> dict[str, Any]:
    return {"attrs": [("NFTA_DATA_VALUE", data)]}


def compare(data: bytes, operator: int = 0) -> Expression:
    return "cmp", [("NFTA_CMP_SREG", 1), ("NFTA_CMP_OP", operator), ("NFTA_CMP_DATA", value(data))]


def link(key: int, name: str, operator: int = 0) -> list[Expression]:
    padded = name[:-1].encode() if name.endswith("*") else name.encode().ljust(16, b"\0")
    return [("meta", [("NFTA_META_DREG", 1), ("NFTA_META_KEY", key)]), compare(padded, operator)]


def state(states: int) -> list[Expression]:
    mask = states.to_bytes(4, sys.byteorder)
    masked: list[tuple[str, Any]] = [
        ("NFTA_BITWISE_SREG", 1),
        ("NFTA_BITWISE_DREG", 1),
        ("NFTA_BITWISE_MASK", value(mask)),
        ("NFTA_BITWISE_XOR", value(bytes(4))),
    ]
    return [("ct", [("NFTA_CT_DREG", 1), ("NFTA_CT_KEY", 0)]), ("bitwise", masked), compare(bytes(4), 1)]


def rule(*expressions: Expression) -> list[Attributes]:
    listed = [
        (
            "NFTA_LIST_ELEM",
            {"attrs": [("NFTA_EXPR_NAME", name), *([("NFTA_EXPR_DATA", {"attrs": data})] if data else [])]},
        )
        for name, data in expressions
    ]
    body = Body(RULE_LAYOUT, [("NFTA_RULE_EXPRESSIONS", {"attrs": listed})])
    found: list[Attributes] = Reply(RULE_LAYOUT, body.encode()).get("NFTA_RULE_EXPRESSIONS").every("NFTA_LIST_ELEM")
    return found


ACCEPT, DROPS = verdict(ACCEPTED), verdict(DROPPED)
UNKNOWN: Expression = ("fib", None)

CASES: dict[str, tuple[dict[str, list[list[Attributes]]], set[str]]] = {
    "no rules": ({}, {ON}),
    "drop": ({"c": [rule(("counter", None), DROPS)]}, {DROP}),
    "perhaps drop": ({"c": [rule(UNKNOWN, DROPS)]}, {DROP, ON}),
    "perhaps accept, then drop": ({"c": [rule(UNKNOWN, ACCEPT), rule(DROPS)]}, {PASS}),
    "reject": ({"c": [rule(("reject", None))]}, {DROP}),
    "queue": ({"c": [rule(("queue", None))]}, {PASS}),
    "our link": ({"c": [rule(*link(IIFNAME, "cni0"), DROPS)]}, {DROP}),
    "not our link": ({"c": [rule(*link(IIFNAME, "cni0", 1), DROPS)]}, {ON}),
    "another's link": ({"c": [rule(*link(IIFNAME, "cni01"), DROPS)]}, {ON}),
    "links like ours": ({"c": [rule(*link(IIFNAME, "cni*"), DROPS)]}, {DROP}),
    "the way out": ({"c": [rule(*link(OIFNAME, "eth0"), ACCEPT), rule(DROPS)]}, {PASS}),
    "both": ({"c": [rule(*link(IIFNAME, "cni0"), *link(OIFNAME, "eth1"), ACCEPT), rule(DROPS)]}, {DROP}),
    "new": ({"c": [rule(*state(NEW), DROPS)]}, {DROP}),
    "established": ({"c": [rule(*state(ESTABLISHED), ACCEPT), rule(DROPS)]}, {DROP}),
    "jump and back": ({"c": [rule(verdict(JUMP, "d")), rule(DROPS)], "d": [rule(verdict(RETURN))]}, {DROP}),
    "goto and out": ({"c": [rule(verdict(GOTO, "d")), rule(DROPS)], "d": []}, {ON}),
    "dropped behind a jump": ({"c": [rule(verdict(JUMP, "d")), rule(ACCEPT)], "d": [rule(DROPS)]}, {DROP}),
    "perhaps a jump to drop": ({"c": [rule(UNKNOWN, verdict(JUMP, "d"))], "d": [rule(DROPS)]}, {DROP, ON}),
    "perhaps returned": ({"c": [rule(UNKNOWN, verdict(RETURN)), rule(DROPS)]}, {ON, DROP}),
    "a loop": ({"c": [rule(verdict(JUMP, "c"))]}, {PASS}),
}


@pytest.mark.parametrize("case", CASES)
def test_all_that_may_become_of_a_packet(case: str) -> None:
    rules, expected = CASES[case]
    assert Walk(rules, "cni0", "eth0").outcomes("c") == expected


@pytest.mark.parametrize("operator", [0, 1])
def test_a_link_that_is_not_known_may_be_any(operator: int) -> None:
    rules = {"c": [rule(*link(OIFNAME, "eth0", operator), DROPS)]}
    assert Walk(rules, "cni0", "").outcomes("c") == {DROP, ON}
