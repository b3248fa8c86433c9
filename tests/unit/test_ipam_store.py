"""ipam.store, ipam.directory and ipam.lock: host-local's layout, whole files, a bounded lock."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni.errors import IOFailure
from ipam.ranges import parse_ip
from ipam.store import Store
from tests.unit.ipam_disk import collect, fail_with, files, make

POD = ("c1", "eth0")
IP = parse_ip("10.1.0.5")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with make(tmp_path) as store:
        yield store


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return tmp_path / "net1"


def test_layout_is_host_locals_byte_for_byte(tmp_path: Path) -> None:
    with make(f"{tmp_path}/deep/er") as store:
        assert store.reserve(IP, POD, 0)
        assert store.reserve(parse_ip("FD00:0::000a"), POD, 1)
    network = tmp_path / "deep/er/net1"
    assert files(network) == {
        "10.1.0.5": b"c1\r\neth0",
        "fd00::a": b"c1\r\neth0",
        "last_reserved_ip.0": b"10.1.0.5",
        "last_reserved_ip.1": b"fd00::a",
        "lock": b"",
    }
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in network.iterdir()}
    assert modes.pop("lock") == 0o750
    assert set(modes.values()) == {0o600}
    for directory in (network, network.parent, network.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o755


def test_the_umask_counts_as_it_does_for_the_reference(tmp_path: Path) -> None:
    os.umask(0o077)
    with make(tmp_path) as store:
        store.reserve(IP, POD, 0)
    assert stat.S_IMODE((tmp_path / "net1").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "net1/lock").stat().st_mode) == 0o700


def test_a_relative_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with make("state"):
        assert (tmp_path / "state/net1/lock").exists()


def test_a_taken_ip_stays_with_its_owner(store: Store, network: Path) -> None:
    assert store.reserve(IP, POD, 0)
    assert not store.reserve(IP, ("c2", "eth0"), 0)
    assert store.content(IP) == b"c1\r\neth0"
    assert store.leases() == {IP: b"c1\r\neth0"}


@pytest.mark.parametrize("content", ["", " \r\n"])
def test_a_file_without_content_is_a_free_ip(store: Store, network: Path, content: str) -> None:
    (network / "10.1.0.5").write_text(content)
    assert store.leases() == {}
    assert store.content(IP) == b""
    assert store.reserve(IP, POD, 0)
    assert (network / "10.1.0.5").read_bytes() == b"c1\r\neth0"
    store.take_back(store.made)
    assert not (network / "10.1.0.5").exists()


def test_a_directory_in_the_way_is_a_taken_ip(tmp_path: Path, network: Path) -> None:
    with make(tmp_path) as store:
        (network / "10.1.0.5").mkdir()
        assert not store.reserve(IP, POD, 0)
        assert store.leases() == {}
        store.release(POD)
    collect(network)
    assert (network / "10.1.0.5").is_dir()


def test_only_files_named_by_an_ip_are_leases(tmp_path: Path, network: Path) -> None:
    with make(tmp_path) as store:
        for name in ("notes.txt", "10.1.0", "last_reserved_ip.7"):
            (network / name).write_text("c1\r\neth0")
        assert store.leases() == {}
        store.release(POD)
    collect(network)
    assert {"notes.txt", "10.1.0", "last_reserved_ip.7", "lock"} <= set(files(network))


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"10.1.0.5", IP), (b" 10.1.0.5\n", IP), (b"", None), (b"junk", None), (b"\xff\xfe", None)],
)
def test_the_last_reserved_ip_is_a_hint(store: Store, network: Path, content: bytes, expected: object) -> None:
    (network / "last_reserved_ip.0").write_bytes(content)
    assert store.last_reserved(0) == expected
    assert store.last_reserved(1) is None


def test_release_takes_every_lease_of_the_owner_and_no_other(tmp_path: Path, network: Path) -> None:
    with make(tmp_path) as store:
        for number, owner in enumerate([POD, POD, ("c1", "eth1"), ("c11", "eth0")]):
            store.reserve((4, IP[1] + number), owner, 0)
    (network / "10.1.0.77").write_text("c1\r\neth0 \n")
    with make(tmp_path) as store:
        store.release(POD)
        assert sorted(store.leases().values()) == [b"c1\r\neth1", b"c11\r\neth0"]
        store.release(POD)
        store.release(("unknown", "eth0"))
        assert len(store.leases()) == 2


def test_release_takes_a_legacy_lease_when_there_is_no_other(tmp_path: Path, network: Path) -> None:
    network.mkdir()
    (network / "10.1.0.8").write_text("  c1\n ")
    with make(tmp_path) as store:
        store.reserve(IP, POD, 0)
        store.release(POD)
        assert list(store.leases()) == [parse_ip("10.1.0.8")]
        store.release(POD)
        assert store.leases() == {}


def test_gc_removes_what_nobody_owns(tmp_path: Path, network: Path) -> None:
    with make(tmp_path) as store:
        for number, owner in enumerate([POD, ("c1", "eth1"), ("c2", "eth0")]):
            store.reserve((4, IP[1] + number), owner, 0)
        (network / "10.1.0.20").write_text("c1")
        (network / "10.1.0.21").write_text("c9")
        (network / "10.1.0.22").write_text("")
    collect(network, POD)
    leases = {name for name in files(network) if name.startswith("10.")}
    assert leases == {"10.1.0.5", "10.1.0.20"}
    collect(network)
    assert set(files(network)) == {"lock", "last_reserved_ip.0"}


def test_removing_goes_on_past_errors_and_reports_all(
    store: Store, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        store.reserve((4, IP[1] + number), POD, 0)
    unlink = os.unlink

    def unlink_some(name: str, **at: int) -> None:
        if name in ("10.1.0.5", "10.1.0.7"):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        unlink(name, **at)

    monkeypatch.setattr(os, "unlink", unlink_some)
    with pytest.raises(IOFailure, match=f"cannot release 2 leases in {network}") as caught:
        store.release(POD)
    assert {f"cannot remove {network}/10.1.0.{last}: Operation not permitted" for last in (5, 7)} == set(
        caught.value.details.split("\n")
    )
    assert {name for name in files(network) if name.startswith("10.")} == {"10.1.0.5", "10.1.0.7"}


def test_an_unreadable_lease_fails_a_listing_but_not_the_release_of_others(tmp_path: Path, network: Path) -> None:
    with make(tmp_path) as store:
        store.reserve(IP, POD, 0)
    (network / "10.1.0.9").symlink_to("10.1.0.9")  # open fails with ELOOP, for root as well
    with (
        pytest.raises(IOFailure, match=r"cannot read 1 leases in .*/10.1.0.9: Too many levels"),
        make(tmp_path) as store,
    ):
        store.leases()
    with pytest.raises(IOFailure, match=r"cannot release 1 leases"), make(tmp_path) as store:
        store.release(POD)
    assert not (network / "10.1.0.5").exists()


def test_finding_makes_nothing(tmp_path: Path) -> None:
    assert Store.find(str(tmp_path), "net1", f"{tmp_path}/run") is None
    assert Store.find(f"{tmp_path}/deep", "net1", f"{tmp_path}/run") is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_directory_must_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for opener in (Store.make, Store.find):
        for data_dir in (f"{tmp_path}/file", f"{tmp_path}/file/deep"):
            with pytest.raises(IOFailure, match=f"cannot open the store {data_dir}/net1: Not a directory") as caught:
                opener(data_dir, "net1", f"{tmp_path}/run")
            assert "ipam.dataDir" in caught.value.details


def test_a_dangling_link_as_data_dir(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to("nowhere")
    with pytest.raises(IOFailure, match=r"cannot open the store .*: No such file or directory"):
        make(f"{tmp_path}/data")


def test_probe_tells_whether_a_lease_could_be_written(
    store: Store, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.probe()
    monkeypatch.setattr(os, "write", fail_with(errno.ENOSPC))
    with pytest.raises(IOFailure, match=f"cannot write to the store {network}: No space left on device"):
        store.probe()
