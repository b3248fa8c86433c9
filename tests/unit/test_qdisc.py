"""Queueing disciplines and filters to the byte as pyroute2 writes them, and as it reads them."""

from __future__ import annotations

from typing import Any

import pytest
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from cni_veth import qdisc
from cni_veth.netlink import Message
from cni_veth.qdisc import Bucket, Root
from cni_veth.wire import TRAFFIC, Reply

HEADER = 16
MBIT = 125_000  # bytes per second
PLAIN = Bucket(10 * MBIT, 100_000, 131_250)


def theirs(attrs: list[Any], **fields: int) -> bytes:
    message = tcmsg()
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = attrs
    message.encode()
    return bytes(message.data)[HEADER:]


def read(message: Message) -> tcmsg:
    body = message.body.encode()
    found = tcmsg((HEADER + len(body)).to_bytes(4, "little") + bytes(HEADER - 4) + body)
    found.decode()
    return found


def test_ingress_is_written_as_by_pyroute2() -> None:
    expected = theirs([["TCA_KIND", "ingress"]], index=7, handle=0xFFFF0000, parent=0xFFFFFFF1)
    assert qdisc.ingress(7, "v").body.encode() == expected


def test_a_redirection_is_written_as_by_pyroute2() -> None:
    parms = {"eaction": 1, "ifindex": 9, "action": 4}
    action = {"attrs": [["TCA_ACT_KIND", "mirred"], ["TCA_ACT_OPTIONS", {"attrs": [["TCA_MIRRED_PARMS", parms]]}]]}
    options = {
        "attrs": [
            ["TCA_U32_ACT", {"attrs": [["TCA_ACT_PRIO_1", action]]}],
            ["TCA_U32_SEL", {"keys": ["0x0/0x0+0"]}],
        ]
    }
    expected = theirs(
        [["TCA_KIND", "u32"], ["TCA_OPTIONS", options]], index=7, parent=0xFFFF0000, info=1 << 16 | 0x0300
    )
    assert qdisc.redirect(7, "v", 9).body.encode() == expected


def test_a_bucket_is_read_by_pyroute2_as_it_was_meant() -> None:
    message = read(qdisc.tbf(7, "v", PLAIN))
    parms = message.get_attr("TCA_OPTIONS").get_attr("TCA_TBF_PARMS")
    assert (message["index"], message["parent"], message.get_attr("TCA_KIND")) == (7, 0xFFFFFFFF, "tbf")
    expected = {"rate": 10 * MBIT, "limit": 131_250, "buffer": 1_250_000, "peak": 0, "mtu": 0, "rate___reserved": 1}
    assert {key: parms[key] for key in expected} == expected


@pytest.mark.parametrize(
    "bucket", [PLAIN, Bucket(1, 2**32 - 1, 2**32 - 1), Bucket(2**61, 1518, 2**32 - 1), Bucket(2**32, 1, 1)]
)
def test_a_bucket_is_read_back_and_no_other_is_taken_for_it(bucket: Bucket) -> None:
    root = Root(Reply(TRAFFIC, qdisc.tbf(7, "v", bucket).body.encode()))
    assert (root.kind, root.rate, root.limit) == ("tbf", bucket.rate, bucket.limit)
    assert bucket.is_as(root)
    assert not Bucket(bucket.rate + 1, bucket.burst, bucket.limit).is_as(root)
    if bucket is PLAIN:
        assert not Bucket(bucket.rate, bucket.burst + 1, bucket.limit).is_as(root)


def test_another_discipline_has_no_figures() -> None:
    root = Root(Reply(TRAFFIC, theirs([["TCA_KIND", "noqueue"]], index=7)))
    assert (root.kind, root.rate) == ("noqueue", 0)
