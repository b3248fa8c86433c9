"""Which leases are provably dead: one missing proof is enough to live."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ipam import facts, liveness
from ipam.facts import Facts
from ipam.lease import Record
from ipam.liveness import EARLIER_BOOT, GONE, MARGIN, Liveness
from ipam.ranges import parse_ip
from tests.unit.ipam_call import ipam_request
from tests.unit.ipam_disk import fail_with

OWN = "/proc/thread-self/ns/net"
NO_LINK = "veth-gone"
NETNS = 4026530000
NO_PROCESS = 1 << 30  # beyond the highest pid
EARLIER = facts.digest("an earlier boot")


def lease(path: str = "/run/gone", **changed: int | str) -> Facts:
    """Of this boot; its namespace's path and its link are gone."""
    known = facts.of(ipam_request("ADD", netns=path))
    known.netns, known.link, known.link_netns = NETNS, NO_LINK, facts.own_netns()
    known.time = int(facts.booted()) - 2 * MARGIN
    for name, value in changed.items():
        setattr(known, name, value)
    return known


def test_of_an_earlier_boot() -> None:
    now = Liveness()
    assert now.death(lease(boot=EARLIER)) == EARLIER_BOOT
    assert now.death(lease(boot=EARLIER, netns=0, link="", link_netns=0)) == EARLIER_BOOT
    assert now.death(lease(boot=EARLIER, link="lo", link_netns=1)) == EARLIER_BOOT  # a name that many have


@pytest.mark.parametrize(
    "changed",
    [
        {"time": int(facts.booted())},
        {"time": int(facts.booted()) + 3600},
        {"link": "lo"},
        {"link": "lo", "link_netns": 0},
        {"path": OWN, "netns": facts.netns(OWN)},
        {"path": "/nonexistent/pod"},
    ],
    ids=["as old as this one", "younger", "link is there", "link may be there", "namespace is there", "no directory"],
)
def test_another_boots_id_alone_proves_nothing(changed: dict[str, Any]) -> None:
    """systemd-nspawn gives a container its own; another machine may share the directory."""
    assert Liveness().death(lease(boot=EARLIER, **changed)) == ""


def test_links_that_cannot_be_read_prove_no_earlier_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LINKS", "/nonexistent")
    assert Liveness().death(lease(boot=EARLIER)) == ""


def test_a_clock_that_was_not_set_yet_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a battery it begins long ago, and every lease is younger than the boot."""
    known = lease(boot=EARLIER)
    monkeypatch.setattr(facts, "booted", lambda: 0.0)
    assert Liveness().death(known) == ""


def test_namespace_and_link_are_gone() -> None:
    assert Liveness().death(lease()) == GONE
    assert Liveness().death(lease(path=OWN)) == GONE  # the path leads to another namespace
    assert Liveness().death(lease(path=f"/proc/{NO_PROCESS}/ns/net")) == GONE


@pytest.mark.parametrize("path", ["/nonexistent/pod", "/etc/passwd/ns"])
def test_a_directory_that_is_not_here_may_be_in_the_mounts_of_others(path: str) -> None:
    assert Liveness().death(lease(path=path)) == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"link": "lo"},
        {"path": OWN, "netns": facts.netns(OWN)},
        {"link_netns": 1},
        {"boot": 0},
        {"netns": 0},
        {"link": ""},
        {"link_netns": 0},
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
def test_with_one_proof_missing_it_lives(changed: dict[str, Any]) -> None:
    assert Liveness().death(lease(**changed)) == ""


@pytest.mark.parametrize("number", [errno.EACCES, errno.ELOOP, errno.EIO])
@pytest.mark.parametrize("call", ["stat", "listdir"])
def test_a_path_that_cannot_be_looked_at_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, call: str
) -> None:
    (tmp_path / "pod").write_text("")
    known = lease(str(tmp_path / "pod"))
    now = Liveness()
    assert now.death(known) == GONE
    now = Liveness()
    monkeypatch.setattr(os, call, fail_with(number))
    assert now.death(known) == ""


def test_names_of_one_digest_are_all_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(facts, "digest", lambda text: 7)
    for name in "abc":
        (tmp_path / name).write_text("")
    known = lease(str(tmp_path / "b"), netns=facts.netns(str(tmp_path / "b")))
    assert Liveness().death(known) == ""
    (tmp_path / "b").unlink()
    assert Liveness().death(known) == GONE


def test_links_that_cannot_be_read_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LINKS", "/nonexistent")
    assert Liveness().death(lease()) == ""


def test_an_unknown_boot_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    known = lease(boot=EARLIER)
    monkeypatch.setattr(facts, "BOOT_ID", "/nonexistent")
    assert Liveness().death(known) == ""


def test_a_link_with_a_colon_in_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dev").write_text("Inter-| Receive\n face |bytes\n  eth0:1: 5 6\nveth-a:      0 0\n")
    monkeypatch.setattr(liveness, "LINKS", str(tmp_path / "dev"))
    now = Liveness()
    assert [now.death(lease(link=name)) for name in ("eth0:1", "veth-a", "eth0")] == ["", "", GONE]


def test_a_link_that_one_of_two_readings_misses_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before Linux 6.9 one is left out at times, while others are removed."""
    head = "Inter-| Receive\n face |bytes\n"
    readings = [head, f"{head}{NO_LINK}: 0 0\n"]
    for order in (readings, readings[::-1]):
        left = [tmp_path / str(number) for number in range(2)]
        for path, text in zip(left, order, strict=True):
            path.write_text(text)
        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", lambda *_, left=left, real=open, **keys: real(left.pop(0), **keys))
            now = Liveness()
        assert now.death(lease()) == ""


def test_a_link_that_came_after_the_listing_is_no_help_and_no_harm() -> None:
    """The leases were listed before: one that was written since is not among them."""
    one, two = parse_ip("10.1.0.2"), parse_ip("10.1.0.3")
    records = {one: Record(b"c1\r\neth0", lease()), two: Record(b"c2\r\neth0", None)}
    assert liveness.dead(records) == {one: records[one]}
    assert liveness.dead(records, (EARLIER_BOOT,)) == {}
