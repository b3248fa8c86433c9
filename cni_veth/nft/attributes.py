"""The attributes of nf_tables messages that cni-veth writes or reads, as in cni_veth/attributes.py.

Numbers are big-endian. Source: linux/netfilter/nfnetlink.h, nf_tables.h.
"""

from __future__ import annotations

from cni_veth.attributes import NLA_F_NESTED, ByKind, Nested, Table
from cni_veth.wire import Layout

VERDICT: Table = {"NFTA_VERDICT_CODE": (1, "be32"), "NFTA_VERDICT_CHAIN": (2, "text")}
DATA: Table = {"NFTA_DATA_VALUE": (1, "bytes"), "NFTA_DATA_VERDICT": (NLA_F_NESTED | 2, Nested(VERDICT))}
ELEMENT: Table = {
    "NFTA_SET_ELEM_KEY": (NLA_F_NESTED | 1, Nested(DATA)),
    "NFTA_SET_ELEM_DATA": (NLA_F_NESTED | 2, Nested(DATA)),
    "NFTA_SET_ELEM_USERDATA": (6, "bytes"),
}
ELEMENTS: Table = {
    "NFTA_SET_ELEM_LIST_TABLE": (1, "text"),
    "NFTA_SET_ELEM_LIST_SET": (2, "text"),
    "NFTA_SET_ELEM_LIST_ELEMENTS": (NLA_F_NESTED | 3, Nested({"NFTA_LIST_ELEM": (NLA_F_NESTED | 1, Nested(ELEMENT))})),
}
SET: Table = {"NFTA_SET_TABLE": (1, "text"), "NFTA_SET_NAME": (2, "text")}
HOOK: Table = {"NFTA_HOOK_HOOKNUM": (1, "be32"), "NFTA_HOOK_PRIORITY": (2, "be32")}
CHAIN: Table = {
    "NFTA_CHAIN_TABLE": (1, "text"),
    "NFTA_CHAIN_NAME": (3, "text"),
    "NFTA_CHAIN_HOOK": (NLA_F_NESTED | 4, Nested(HOOK)),
    "NFTA_CHAIN_POLICY": (5, "be32"),
    "NFTA_CHAIN_TYPE": (7, "text"),
}
EXPRESSIONS: dict[str, Table] = {
    "immediate": {"NFTA_IMMEDIATE_DREG": (1, "be32"), "NFTA_IMMEDIATE_DATA": (2, Nested(DATA))},
    "meta": {"NFTA_META_DREG": (1, "be32"), "NFTA_META_KEY": (2, "be32")},
    "ct": {"NFTA_CT_DREG": (1, "be32"), "NFTA_CT_KEY": (2, "be32")},
    "cmp": {"NFTA_CMP_SREG": (1, "be32"), "NFTA_CMP_OP": (2, "be32"), "NFTA_CMP_DATA": (3, Nested(DATA))},
    "bitwise": {
        "NFTA_BITWISE_SREG": (1, "be32"),
        "NFTA_BITWISE_DREG": (2, "be32"),
        "NFTA_BITWISE_MASK": (4, Nested(DATA)),
        "NFTA_BITWISE_XOR": (5, Nested(DATA)),
    },
    "lookup": {"NFTA_LOOKUP_DREG": (3, "be32")},
    "match": {"NFTA_MATCH_NAME": (1, "text"), "NFTA_MATCH_INFO": (3, "bytes")},
    "target": {"NFTA_TARGET_NAME": (1, "text")},
}
EXPRESSION: Table = {
    "NFTA_EXPR_NAME": (1, "text"),
    "NFTA_EXPR_DATA": (2, ByKind("NFTA_EXPR_NAME", EXPRESSIONS)),
}
RULE: Table = {
    "NFTA_RULE_TABLE": (1, "text"),
    "NFTA_RULE_CHAIN": (2, "text"),
    "NFTA_RULE_EXPRESSIONS": (4, Nested({"NFTA_LIST_ELEM": (1, Nested(EXPRESSION))})),
}

_HEAD = "family version resource", "!BBH"  # nfgenmsg
BATCH_LAYOUT = Layout(*_HEAD, {})
ELEMENTS_LAYOUT = Layout(*_HEAD, ELEMENTS)
SET_LAYOUT = Layout(*_HEAD, SET)
CHAIN_LAYOUT = Layout(*_HEAD, CHAIN)
RULE_LAYOUT = Layout(*_HEAD, RULE)
