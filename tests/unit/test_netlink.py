"""Netlink messages byte for byte as a kernel took them, and its answers read (recordings: netlink_scenarios.py)."""

from __future__ import annotations

import errno
import json
import struct

import pytest

from cni.errors import KernelRefused, TryAgainLater
from cni_veth import links, netlink, routes
from cni_veth.netlink import DUMP_TRIES, NLM_F_DUMP_INTR, Socket
from tests.unit.netlink_scenarios import (
    DATA,
    MAC,
    SCENARIOS,
    Frames,
    Replay,
    assign,
    batch_with_failures,
    kernels_own_words,
    list_everything,
    look_up,
    refused,
)

RECORDED: dict[str, Frames] = {
    name: [(kind, data) for kind, data in frames] for name, frames in json.loads(DATA.read_text()).items()
}
HEADER = struct.Struct("=LHHLL")


def kernel_of(frames: Frames, monkeypatch: pytest.MonkeyPatch) -> tuple[Socket, Replay]:
    replay = Replay(frames)
    monkeypatch.setattr("cni_veth.netlink.socket.socket", lambda *arguments: replay)
    return Socket(), replay


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_bytes_sent_are_those_that_the_kernel_took(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, replay = kernel_of(RECORDED[name], monkeypatch)
    SCENARIOS[name](kernel)
    assert replay.is_through


def test_each_answer_belongs_to_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    by_name, by_index, missing = look_up(kernel_of(RECORDED["look_up"], monkeypatch)[0])
    for answer in (by_name, by_index):
        link = links.Link(answer.replies[0])
        assert (answer.errno, link.name, link.index, link.mtu, link.kind) == (0, "lo", 1, 65536, "")
        assert (link.is_up, link.mac, link.master, link.alias) == (False, "00:00:00:00:00:00", 0, "")
    assert (missing.errno, missing.replies, missing.failure) == (errno.ENODEV, [], None)  # tolerated


def test_a_failed_request_does_not_stop_the_ones_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    again, _, look, first, second = batch_with_failures(kernel_of(RECORDED["batch_with_failures"], monkeypatch)[0])
    assert again.errno == errno.EEXIST
    assert again.failure is not None
    assert (again.failure.code, again.failure.errno) == (100, errno.EEXIST)
    assert again.failure.msg == "cannot create bridge br0: File exists"
    link = links.Link(look.replies[0])
    assert (link.kind, link.mac, link.alias) == ("bridge", MAC, "cni-veth net1 c1 eth0")
    assert (first.errno, second.errno) == (0, errno.ENODEV)
    assert second.failure is None


def test_the_kernels_own_words_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    address, link = kernels_own_words(kernel_of(RECORDED["kernels_own_words"], monkeypatch)[0])
    assert address.failure is not None
    assert link.failure is not None
    assert (address.failure.msg, address.failure.details) == (
        "cannot add address 10.1.0.1/24 to lo: Invalid argument",
        "ipv4: Invalid prefix length",
    )
    assert (link.failure.errno, link.failure.details) == (errno.EINVAL, "")  # it has none for a veth of MTU 9


def test_ask_raises_the_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, _ = kernel_of(RECORDED["kernels_own_words"], monkeypatch)
    with pytest.raises(KernelRefused, match=r"^cannot add address"):
        kernel.ask(*refused())


def test_what_the_kernel_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    names, addresses, found = list_everything(kernel_of(RECORDED["list_everything"], monkeypatch)[0])
    assert names[0] == "lo"
    assert "br0" in names
    assert addresses == ["10.1.0.5/24"]
    by_dst: dict[str, routes.KernelRoute] = {route.dst: route for route in found}
    default = by_dst["0.0.0.0/0"]
    index = default.gateways[0][0]
    assert default.gateways == [(index, "10.1.0.1")]
    assert (default.table, default.priority, default.mtu, default.advmss) == (254, 100, 1400, 1360)
    assert by_dst["10.9.0.0/16"].table == 100
    assert by_dst["10.8.0.0/16"].gateways == [(index, "")]
    assert by_dst["10.7.0.0/16"].gateways == [(index, "10.1.0.2"), (index, "10.1.0.3")]
    assert (by_dst["fd09::/16"].table, by_dst["fd09::/16"].gateways) == (1000, [(index, "fd01::1")])
    assert by_dst["10.1.0.0/24"].gateways == [(index, "")]


# --- a dump that a change interrupted


def interrupted(data: str) -> str:
    """The datagram as the kernel flags it when the table changed between two parts of a dump."""
    raw = bytearray.fromhex(data)
    offset = 0
    while offset < len(raw):
        length, _, flags, _, _ = HEADER.unpack_from(raw, offset)
        struct.pack_into("=H", raw, offset + 6, flags | NLM_F_DUMP_INTR)
        offset += (length + 3) & ~3
    return raw.hex()


def renumbered(data: str, sequence: int) -> str:
    raw = bytearray.fromhex(data)
    offset = 0
    while offset < len(raw):
        length = HEADER.unpack_from(raw, offset)[0]
        struct.pack_into("=L", raw, offset + 8, sequence)
        offset += (length + 3) & ~3
    return raw.hex()


@pytest.fixture
def dump() -> Frames:
    """The dump of all links within the recorded scenario, its sequence number set to 1."""
    frames = RECORDED["list_everything"]
    first = next(
        index
        for index, (kind, data) in enumerate(frames)
        if kind == "sent" and HEADER.unpack_from(bytes.fromhex(data))[1] == links.RTM_GETLINK
        and HEADER.unpack_from(bytes.fromhex(data))[2] & netlink.NLM_F_DUMP == netlink.NLM_F_DUMP
    )  # fmt: skip
    last = next(index for index in range(first + 1, len(frames)) if frames[index][0] == "sent")
    return [(kind, renumbered(data, 1)) for kind, data in frames[first:last]]


def tried(dump: Frames, number: int, is_interrupted: bool) -> Frames:
    return [
        (
            kind,
            interrupted(renumbered(data, number))
            if is_interrupted and kind == "received"
            else renumbered(data, number),
        )
        for kind, data in dump
    ]


def test_an_interrupted_dump_is_asked_again(dump: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, replay = kernel_of(tried(dump, 1, True) + tried(dump, 2, True) + tried(dump, 3, False), monkeypatch)
    names = [link.name for link in links.every(kernel)]
    assert replay.is_through
    assert names.count("lo") == 1


def test_a_dump_that_is_always_interrupted_is_11(dump: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [frame for number in range(DUMP_TRIES) for frame in tried(dump, number + 1, True)]
    kernel, replay = kernel_of(frames, monkeypatch)
    with pytest.raises(TryAgainLater, match=r"^cannot list links$") as caught:
        links.every(kernel)
    assert caught.value.code == 11
    assert replay.is_through


def test_a_dump_that_is_refused_says_so(dump: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = HEADER.pack(36, netlink.NLMSG_ERROR, 0, 1, 0) + struct.pack("=l", -errno.EPERM) + bytes(16)
    kernel, _ = kernel_of([dump[0], ("received", refusal.hex())], monkeypatch)
    with pytest.raises(KernelRefused, match=r"^cannot list links: Operation not permitted$"):
        links.every(kernel)


def test_a_kernel_that_cannot_be_reached_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EPERM, "")

    monkeypatch.setattr("cni_veth.netlink.socket.socket", refuse)
    with pytest.raises(KernelRefused, match=r"^cannot open a netlink socket: Operation not permitted$"):
        Socket()


def test_assign_asks_for_no_duplicate_address_detection(monkeypatch: pytest.MonkeyPatch) -> None:
    """IFA_FLAGS (attribute 8) of the IPv6 address holds IFA_F_NODAD, 0x02."""
    assign(kernel_of(RECORDED["assign"], monkeypatch)[0])
    batch = next(
        data for kind, data in RECORDED["assign"] if kind == "sent" and "fd010000000000000000000000000005" in data
    )
    assert "0800080002000000" in batch


def test_what_a_process_sends_is_no_answer_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with CAP_NET_ADMIN in the pod's namespace may write to our socket; a length of 0 would be read for ever."""
    kernel, replay = kernel_of(RECORDED["look_up"], monkeypatch)
    answers = [(bytes(16), (4711, 0)), (HEADER.pack(16, links.RTM_NEWLINK, 0, 1, 0), (4711, 0))]
    genuine = replay.recvfrom
    monkeypatch.setattr(replay, "recvfrom", lambda *wanted: answers.pop() if answers else genuine(*wanted))
    assert [answer.errno for answer in look_up(kernel)] == [0, 0, errno.ENODEV]
