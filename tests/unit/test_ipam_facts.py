"""The facts of a lease: beside the compatible file, read back whole, and never believed against it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipam import facts
from ipam.facts import Facts
from ipam.ranges import parse_ip
from tests.unit.ipam_call import Conf, add, ipam_request, single
from tests.unit.ipam_disk import fail_with, files, make, reopen

POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@"), min_size=2, max_size=40)
PATH = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(lambda text: text != "-")


def fields(found: Facts | None) -> list[object]:
    assert found is not None
    return [getattr(found, name) for name in Facts.__slots__]


@given(boot=WORD, netns=WORD, link=WORD, where=WORD, seconds=st.integers(0, 1 << 40), pod=WORD, path=PATH)
def test_what_is_written_is_read(
    boot: str, netns: str, link: str, where: str, seconds: int, pod: str, path: str
) -> None:
    known = Facts(boot, netns, link, where, seconds, pod, path)
    assert fields(facts.decode(facts.encode(known))) == fields(known)


def test_unknown_fields_stay_unknown() -> None:
    known = Facts("", "", "", "", 7, "", "/run/netns/a b")
    assert facts.encode(known) == b"1 - - - 7 - /run/netns/a b"
    assert fields(facts.decode(facts.encode(known))) == fields(known)


def test_a_name_with_white_space_is_no_name() -> None:
    assert facts.encode(Facts("b", "1:2", "", "", 7, "a b/c", "/x")) == b"1 b 1:2 - 7 - /x"


@given(st.binary(max_size=200))
def test_anything_else_is_no_fact_and_no_error(data: bytes) -> None:
    found = facts.decode(data)
    assert found is None or data.startswith(b"1 ")


@pytest.mark.parametrize("data", [b"", b"1", b"2 b 1:2 l@3 7 p /x", b"1 b 1:2 l@3 seven p /x", b"1 b 1:2 l@3 7 p"])
def test_torn_and_newer_ones_are_none(data: bytes) -> None:
    assert facts.decode(data) is None


def test_a_link_without_its_namespace_is_none() -> None:
    found = facts.decode(b"1 b 1:2 veth0 7 p /x")
    assert found is not None
    assert found.link == ""


def test_an_add_records_them_and_the_file_stays_host_locals(ipam: Conf, network: Path) -> None:
    netns = f"/proc/{os.getpid()}/ns/net"
    add(single(ipam), netns=netns, host_link="veth1", cni_args=POD)
    with reopen(network) as store:
        found = store.record("10.1.2.2").facts
    own = os.stat("/proc/self/ns/net")
    assert found is not None
    assert found.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert found.netns == f"{own.st_dev}:{own.st_ino}"
    assert (found.link, found.link_netns) == ("veth1", str(own.st_ino))
    assert (found.pod, found.path) == ("shop/web-0", netns)
    assert found.time == int((network / "10.1.2.2").stat().st_mtime)
    assert files(network) == {"10.1.2.2": b"c1\r\neth0", "last_reserved_ip.0": b"10.1.2.2", "lock": b""}


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/thread-self/ns/net", "netns/pod", "/nonexistent"])
def test_a_path_that_means_something_else_to_others_proves_nothing(ipam: Conf, path: str) -> None:
    assert facts.of(ipam_request("ADD", ipam, netns=path)).netns == ""


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
