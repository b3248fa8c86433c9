"""What becomes of a packet in a chain that is not ours, as far as its rules can be read.

The packet is the first of a connection, between two links. What a rule asks beyond links and connection state may be so
or not, thus the answer is a set: all that may happen. Source: nft(8), linux/netfilter/nf_tables.h, xt_conntrack.h.
"""

from __future__ import annotations

import struct
import sys

from cni_veth.wire import Attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    Rules = dict[str, list[list[Attributes]]]
    Ends = tuple[set[str], bool]  # all that a rule may do, and whether the packet may go on to the next

PASS, DROP, ON = "pass", "drop", "on"  # ON: the packet leaves the chain without a verdict
NF_DROP, NF_ACCEPT, NFT_RETURN, NFT_GOTO, NFT_JUMP = 0, 1, 0xFFFFFFFB, 0xFFFFFFFC, 0xFFFFFFFD
NFT_REG_VERDICT = 0
NFT_META_IIFNAME, NFT_META_OIFNAME, NFT_CT_STATE = 6, 7, 0
NFT_CMP_EQ, NFT_CMP_NEQ = 0, 1
NEW = 8  # as a connection's state
IFNAMSIZ = 16
NO_VERDICT = ("counter", "log", "payload", "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "comment")
REFUSALS = ("reject", "REJECT", "DROP")
_CONNTRACK = struct.Struct("=146xHHH")  # xt_conntrack_mtinfo3: what is matched, what inverted, states
XT_CONNTRACK_STATE = 1
NOTHING = Attributes({}, b"")  # of an expression that is not read


class Walk:
    """Of one packet through a table's chains. A link's name is "" where it is not known."""

    def __init__(self, rules: Rules, comes_from: str, goes_to: str) -> None:
        self._rules = rules
        self._links = {NFT_META_IIFNAME: comes_from, NFT_META_OIFNAME: goes_to}
        self._found: dict[str, set[str]] = {}

    def outcomes(self, chain: str) -> set[str]:
        """Of PASS, DROP, ON; where PASS may be, the others are not looked for."""
        if chain not in self._found:
            self._found[chain] = {PASS}  # of a loop, which the kernel does not take
            self._found[chain] = self._follow(chain)
        return self._found[chain]

    def _follow(self, chain: str) -> set[str]:
        found: set[str] = set()
        for rule in self._rules.get(chain, []):
            ends, goes_on = self._judge(rule)
            found |= ends
            if PASS in found or not goes_on:
                return found
        return found | {ON}

    def _judge(self, rule: list[Attributes]) -> Ends:
        registers: dict[int, bytes] = {}
        is_certain = True
        for expression in rule:
            kind, data = expression.get("NFTA_EXPR_NAME"), expression.get("NFTA_EXPR_DATA") or NOTHING
            name = data.get(f"NFTA_{kind.upper()}_NAME") if kind in ("match", "target") else kind
            verdict = self._verdict(kind, name, data)
            if verdict is not None:
                return verdict[0], verdict[1] or not is_certain
            if name in NO_VERDICT:
                continue
            matches = self._match(name, data, registers)
            if matches is False:
                return set(), True
            is_certain = is_certain and matches is True
        return set(), True

    def _verdict(self, kind: str, name: str, data: Attributes) -> Ends | None:
        if name in REFUSALS:
            return {DROP}, False
        if kind == "immediate" and data.get("NFTA_IMMEDIATE_DREG") == NFT_REG_VERDICT:
            found = data.get("NFTA_IMMEDIATE_DATA").get("NFTA_DATA_VERDICT")
            return self._reached(found.get("NFTA_VERDICT_CODE"), found.get("NFTA_VERDICT_CHAIN"))
        is_map = kind == "lookup" and data.get("NFTA_LOOKUP_DREG") == NFT_REG_VERDICT
        if is_map or kind == "queue" or (kind == "target" and name not in NO_VERDICT):
            return {PASS}, True  # who knows
        return None

    def _reached(self, code: int, chain: str | None) -> Ends:
        if code in (NFT_JUMP, NFT_GOTO) and chain is not None:
            ends = self.outcomes(chain)
            return (ends, False) if code == NFT_GOTO else (ends - {ON}, ON in ends)
        return {NF_DROP: ({DROP}, False), NFT_RETURN: ({ON}, False)}.get(code, ({PASS}, False))

    def _match(self, name: str, data: Attributes, registers: dict[int, bytes]) -> bool | None:
        """None where it depends on what is not known here; True too for what only loads a register."""
        if name == "meta":
            link = self._links.get(data.get("NFTA_META_KEY"), "")
            registers[data.get("NFTA_META_DREG")] = link.encode().ljust(IFNAMSIZ, b"\0") if link else b""
        elif name == "ct":
            is_state = data.get("NFTA_CT_KEY") == NFT_CT_STATE
            registers[data.get("NFTA_CT_DREG")] = NEW.to_bytes(4, sys.byteorder) if is_state else b""
        elif name == "bitwise":
            registers[data.get("NFTA_BITWISE_DREG")] = _masked(registers, data)
        elif name == "cmp":
            return _compared(registers, data)
        elif name == "conntrack":
            return _has_state(data.get("NFTA_MATCH_INFO"))
        else:
            return None
        return True


def _masked(registers: dict[int, bytes], data: Attributes) -> bytes:
    """b"" where it is not known."""
    value = registers.get(data.get("NFTA_BITWISE_SREG"), b"")
    mask, xor = data.get("NFTA_BITWISE_MASK"), data.get("NFTA_BITWISE_XOR")
    if not value or mask is None or xor is None:
        return b""
    parts = zip(value, mask.get("NFTA_DATA_VALUE"), xor.get("NFTA_DATA_VALUE"), strict=False)
    return bytes(one & other ^ third for one, other, third in parts)


def _compared(registers: dict[int, bytes], data: Attributes) -> bool | None:
    value = registers.get(data.get("NFTA_CMP_SREG"), b"")
    expected, operator = data.get("NFTA_CMP_DATA").get("NFTA_DATA_VALUE"), data.get("NFTA_CMP_OP")
    if not value or operator not in (NFT_CMP_EQ, NFT_CMP_NEQ):
        return None
    is_equal = value[: len(expected)] == expected  # "veth*" is compared as far as it goes
    return is_equal if operator == NFT_CMP_EQ else not is_equal


def _has_state(info: bytes) -> bool | None:
    matched, inverted, states = _CONNTRACK.unpack_from(info)
    if matched != XT_CONNTRACK_STATE:
        return None
    return bool(states & NEW) != bool(inverted & XT_CONNTRACK_STATE)
