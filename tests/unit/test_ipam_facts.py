"""The facts of a lease: beside the compatible file, read back whole, and never believed against it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipam import facts
from ipam.facts import Facts
from ipam.ranges import parse_ip
from tests.unit.ipam_call import Conf, add, ipam_request, single
from tests.unit.ipam_disk import fail_with, files, make, reopen

POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"
NUMBER = st.integers(0, 0xFFFFFFFF)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
LINK = st.one_of(TEXT, st.from_regex(r"\Aveth[0-9a-fA-F]{8,12}\Z"))
IN_THE_INODE = 64  # bytes of a value that ext4 keeps in an inode of 256


def fields(found: Facts | None) -> list[object]:
    assert found is not None
    return [getattr(found, name) for name in Facts.__slots__]


@given(numbers=st.tuples(*[NUMBER] * 5), link=LINK, pod=st.one_of(st.just(""), TEXT), directory=TEXT)
@example((0, 0, 0, 0, 0), "veth00000000000", "", facts.USUAL)
@example((1, 2, 3, 4, 5), "veth00000000001", "a/b", "/run/netns")
@example((1, 2, 3, 4, 5), "veth0000000000_", "a/b", "/run/netns")
@example((1, 2, 3, 4, 5), "", "", facts.USUAL)
def test_what_is_written_is_read(numbers: tuple[int, ...], link: str, pod: str, directory: str) -> None:
    boot, netns, link_netns, seconds, entry = numbers
    known = Facts(boot, netns, link, link_netns, seconds, pod, directory, entry)
    assert fields(facts.decode(facts.encode(known))) == fields(known)


def test_those_of_a_pod_of_kubernetes_fit_the_inode() -> None:
    pod = "kube-system/coredns-5d78c9869d-x2x9kk"
    known = Facts(1 << 31, 1 << 31, "veth0123456789a", 1 << 31, 1 << 31, pod, "/var/run/netns", 1 << 31)
    assert len(facts.encode(known)) == IN_THE_INODE


@given(st.binary(max_size=200))
def test_anything_else_is_no_fact_and_no_error(data: bytes) -> None:
    found = facts.decode(data)
    assert found is None or data.startswith(facts.VERSION)


@pytest.mark.parametrize("data", [b"", b"\2", b"\2" + bytes(25), b"\3" + bytes(40), b"1 b 1:2 l@3 7 p /x" + bytes(40)])
def test_torn_and_other_ones_are_none(data: bytes) -> None:
    assert facts.decode(data) is None


def test_digests_tell_others_apart() -> None:
    assert facts.digest("") == 0
    assert len({facts.digest(str(number)) for number in range(1000)} - {0}) == 1000


def test_an_add_records_them_and_the_file_stays_host_locals(ipam: Conf, network: Path) -> None:
    netns = f"/proc/{os.getpid()}/ns/net"
    add(single(ipam), netns=netns, host_link="veth1", cni_args=POD)
    with reopen(network) as store:
        found = store.record("10.1.2.2").facts
    own = os.stat("/proc/self/ns/net")
    assert found is not None
    assert found.boot == facts.digest(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    assert (found.netns, found.link, found.link_netns) == (own.st_ino, "veth1", own.st_ino)
    assert (found.pod, found.directory, found.entry) == ("shop/web-0", f"/proc/{os.getpid()}/ns", facts.digest("net"))
    assert found.time == int((network / "10.1.2.2").stat().st_mtime)
    assert files(network) == {"10.1.2.2": b"c1\r\neth0", "last_reserved_ip.0": b"10.1.2.2", "lock": b""}


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/thread-self/ns/net", "netns/pod", "/nonexistent"])
def test_a_path_that_means_something_else_to_others_proves_nothing(ipam: Conf, path: str) -> None:
    assert facts.of(ipam_request("ADD", ipam, netns=path)).netns == 0


@pytest.mark.parametrize("seconds", [-5, 1 << 33])
def test_at_a_time_that_has_no_room_the_lease_has_none(ipam: Conf, network: Path, seconds: int) -> None:
    add(single(ipam))
    os.utime(network / "10.1.2.2", (seconds, seconds))
    with open(network / "10.1.2.2") as lease:
        assert not facts.write(lease.fileno(), facts.of(ipam_request("ADD", ipam)), seconds)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG])
def test_where_the_filesystem_takes_none_the_lease_has_none(
    ipam: Conf, network: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "setxattr", fail_with(number))
    assert add(single(ipam)) == ["10.1.2.2/24"]
    with reopen(network) as store:
        record = store.record("10.1.2.2")
    assert (record.content, record.facts) == (b"c1\r\neth0", None)


def test_those_of_a_file_that_was_rewritten_in_place_are_not_its_own(ipam: Conf, network: Path) -> None:
    add(single(ipam))
    lease = network / "10.1.2.2"
    os.utime(lease, (lease.stat().st_mtime + 60, lease.stat().st_mtime + 60))  # what `echo mine > FILE` does later
    assert os.listxattr(lease) == [facts.ATTRIBUTE]
    with reopen(network) as store:
        assert store.record("10.1.2.2").facts is None


def test_a_lease_that_a_person_makes_has_none(tmp_path: Path, network: Path) -> None:
    with make(tmp_path / "state") as store:
        assert store.write(parse_ip("10.1.2.2"), b"cni-ipam:reserved\r\nprinter")
        assert not store.write(parse_ip("10.1.2.2"), b"cni-ipam:reserved\r\nscanner")
        assert store.record("10.1.2.2").facts is None
    assert os.listxattr(network / "10.1.2.2") == []
