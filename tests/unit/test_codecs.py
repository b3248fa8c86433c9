"""The codecs with stand-ins for what they import say and read the same as the whole of pyroute2, and leave no trace."""

from __future__ import annotations

import ast
import json
import logging
import struct
import sys
from pathlib import Path
from typing import Any

import pyroute2.netlink.rtnl.ifaddrmsg
import pyroute2.netlink.rtnl.ifinfmsg
import pyroute2.netlink.rtnl.rtmsg
import pytest

from cni_veth import addresses, codecs, links, netlink, routes
from tests.unit.netlink_scenarios import DATA, SCENARIOS

PYROUTE2 = Path(pyroute2.__file__).parent
CODECS = {
    links.RTM_NEWLINK: (codecs.ifinfmsg, pyroute2.netlink.rtnl.ifinfmsg.ifinfmsg),
    addresses.RTM_NEWADDR: (codecs.ifaddrmsg, pyroute2.netlink.rtnl.ifaddrmsg.ifaddrmsg),
    routes.RTM_NEWROUTE: (codecs.rtmsg, pyroute2.netlink.rtnl.rtmsg.rtmsg),
}
# As a kernel may list them beside ours; of "none" pyroute2 itself knows nothing.
KINDS = {
    "vlan": [("IFLA_VLAN_ID", 7)],
    "vxlan": [("IFLA_VXLAN_ID", 42), ("IFLA_VXLAN_PORT", 4789)],
    "bond": [("IFLA_BOND_MODE", 1)],
    "macvlan": [("IFLA_MACVLAN_MODE", 4)],
    "none": None,
}


def plain(value: Any) -> Any:
    """A decoded message, or an attribute of one, down to the last attribute."""
    if isinstance(value, dict):
        found = {key: plain(child) for key, child in value.items() if key != "attrs"}
        return found, [(name, plain(child)) for name, child in value.get("attrs", [])]
    return [plain(child) for child in value] if isinstance(value, list) else value


def decoded(codec: type, data: bytes) -> Any:
    message = codec(data)
    message.decode()
    return message


def told_by_kernel(name: str) -> list[tuple[int, bytes]]:
    """Type and bytes of every message that the kernel sent in a scenario."""
    found = []
    for kind, text in json.loads(DATA.read_text())[name]:
        data, offset = bytes.fromhex(text), 0
        while kind == "received" and offset < len(data):
            length, number = netlink._HEADER.unpack_from(data, offset)[:2]
            found.append((number, data[offset : offset + length]))
            offset += (length + 3) & ~3
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_kernel_told_is_read_as_by_the_whole_of_pyroute2(name: str) -> None:
    messages = [(CODECS[number], data) for number, data in told_by_kernel(name) if number in CODECS]
    for (ours, theirs), data in messages:
        assert ours is not theirs
        assert plain(decoded(ours, data)) == plain(decoded(theirs, data))
    assert messages or name == "kernels_own_words"


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_of_another_kind_is_read_all_but_its_own_data(kind: str) -> None:
    message = pyroute2.netlink.rtnl.ifinfmsg.ifinfmsg()
    message["index"] = 9
    message["header"]["type"] = links.RTM_NEWLINK
    info = [("IFLA_INFO_KIND", kind)]
    if KINDS[kind]:
        info.append(("IFLA_INFO_DATA", {"attrs": KINDS[kind]}))
    message["attrs"] = [("IFLA_IFNAME", "x0"), ("IFLA_LINKINFO", {"attrs": info}), ("IFLA_MTU", 1400)]
    message.encode()
    found = decoded(codecs.ifinfmsg, bytes(message.data))
    link = links.Link(found)
    assert (link.index, link.name, link.kind, link.mtu) == (9, "x0", kind, 1400)
    plain(found)


@pytest.mark.parametrize("codec", [codecs.ifinfmsg, pyroute2.netlink.rtnl.ifinfmsg.ifinfmsg])
def test_an_attribute_that_is_too_short_for_its_type_is_given_as_it_came(codec: type) -> None:
    """The one place of a reply where the codecs log: ours do not, and go on in the same way."""
    header = netlink._HEADER.pack(16 + 16 + 4, links.RTM_NEWLINK, 0, 1, 0)
    short = b"\x04\x00\x04\x00"  # IFLA_MTU without its four bytes
    logging.disable()
    try:
        assert decoded(codec, header + bytes(16) + short).get_attr("IFLA_MTU") == short
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("codec", [codecs.ifinfmsg, pyroute2.netlink.rtnl.ifinfmsg.ifinfmsg])
def test_a_value_that_does_not_fit_is_an_error(codec: type) -> None:
    message = codec()
    message["attrs"] = [("IFLA_MTU", 1 << 40)]
    logging.disable()
    try:
        with pytest.raises(struct.error):
            message.encode()
    finally:
        logging.disable(logging.NOTSET)


def test_every_module_is_again_what_it_was() -> None:
    assert not [name for name, module in sys.modules.items() if isinstance(module, codecs._Unused)]
    assert sys.modules["pyroute2"] is pyroute2
    assert sys.modules["pyroute2.netlink.rtnl.ifinfmsg"] is pyroute2.netlink.rtnl.ifinfmsg


def test_every_stand_in_is_for_a_module_that_the_codecs_import() -> None:
    sources = ["common.py", *(f"netlink/{name}" for name in ("__init__.py", "exceptions.py", "rtnl/__init__.py"))]
    sources += [f"netlink/rtnl/{name}" for name in ("ifaddrmsg.py", "ifinfmsg/__init__.py", "rtmsg.py")]
    found = set()
    for node in (node for source in sources for node in ast.walk(ast.parse((PYROUTE2 / source).read_text()))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
    assert set(codecs._STAND_INS) <= found
