"""Which leases are provably dead: one missing proof is enough to live."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ipam import facts, liveness
from ipam.facts import Facts
from ipam.lease import Record
from ipam.liveness import EARLIER_BOOT, GONE, Liveness
from ipam.ranges import parse_ip
from tests.unit.ipam_disk import fail_with

OWN = "/proc/thread-self/ns/net"
NO_LINK = "veth-gone"


def lease(**changed: str) -> Facts:
    """Of this boot; its namespace's path and its link are gone."""
    known = {
        "boot": facts.boot_id(), "netns": "4:4026530000", "link": NO_LINK, "link_netns": facts.own_netns(), "pod": "",
        "path": "/run/netns/gone",
    } | changed  # fmt: skip
    return Facts(known["boot"], known["netns"], known["link"], known["link_netns"], 7, known["pod"], known["path"])


def test_of_an_earlier_boot() -> None:
    now = Liveness()
    assert now.death(lease(boot="11111111-2222-3333-4444-555555555555")) == EARLIER_BOOT
    assert (
        now.death(lease(boot="11111111-2222-3333-4444-555555555555", netns="", link="", link_netns="")) == EARLIER_BOOT
    )


def test_namespace_and_link_are_gone() -> None:
    assert Liveness().death(lease()) == GONE
    assert Liveness().death(lease(path=OWN)) == GONE  # the path leads to another namespace
    assert Liveness().death(lease(path="/etc/passwd/ns")) == GONE


@pytest.mark.parametrize(
    "changed",
    [
        {"link": "lo"},
        {"path": OWN, "netns": facts.netns(OWN)},
        {"link_netns": "1"},
        {"boot": ""},
        {"netns": ""},
        {"link": ""},
        {"link_netns": ""},
    ],
    ids=[
        "link is there",
        "namespace is there",
        "link of another namespace",
        "no boot",
        "no namespace",
        "no link",
        "no place",
    ],
)
def test_with_one_proof_missing_it_lives(changed: dict[str, str]) -> None:
    assert Liveness().death(lease(**changed)) == ""


@pytest.mark.parametrize("number", [errno.EACCES, errno.ELOOP, errno.EIO])
def test_a_path_that_cannot_be_looked_at_proves_nothing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    now = Liveness()
    monkeypatch.setattr(os, "stat", fail_with(number))
    assert now.death(lease()) == ""


def test_links_that_cannot_be_read_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LINKS", "/nonexistent")
    assert Liveness().death(lease()) == ""


def test_an_unknown_boot_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    known = lease(boot="11111111-2222-3333-4444-555555555555")
    monkeypatch.setattr(facts, "BOOT_ID", "/nonexistent")
    assert Liveness().death(known) == ""


def test_a_link_with_a_colon_in_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dev").write_text("Inter-| Receive\n face |bytes\n  eth0:1: 5 6\nveth-a:      0 0\n")
    monkeypatch.setattr(liveness, "LINKS", str(tmp_path / "dev"))
    now = Liveness()
    assert [now.death(lease(link=name)) for name in ("eth0:1", "veth-a", "eth0")] == ["", "", GONE]


def test_a_link_that_came_after_the_listing_is_no_help_and_no_harm() -> None:
    """The leases were listed before: one that was written since is not among them."""
    one, two = parse_ip("10.1.0.2"), parse_ip("10.1.0.3")
    records = {one: Record(b"c1\r\neth0", lease()), two: Record(b"c2\r\neth0", None)}
    assert liveness.dead(records) == {one: records[one]}
    assert liveness.dead(records, (EARLIER_BOOT,)) == {}
