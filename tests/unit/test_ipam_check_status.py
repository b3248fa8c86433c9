"""CHECK and STATUS of cni-ipam."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cni.errors import (
    AddressUnavailable,
    CheckFailed,
    CNIError,
    IOFailure,
    PluginNotAvailable,
)
from tests.unit.ipam_call import Conf, add, check, delete, prev, single, status


def test_check_wants_the_pods_ips_reserved_for_it(ipam: Conf, network: Path) -> None:
    add(ipam)
    ours = prev("10.1.2.2/24", "2001:db8:1::2/64")
    check(ipam, prevResult=ours)
    (network / "10.1.2.2").write_bytes(b"c9\r\neth0")
    (network / "2001:db8:1::2").unlink()
    with pytest.raises(CheckFailed) as caught:
        check(ipam, prevResult=ours)
    assert caught.value.details.split("\n") == [
        f"expected 10.1.2.2 to be reserved for container c1 eth0 in {network}, found one for c9 eth0",
        f"expected 2001:db8:1::2 to be reserved for container c1 eth0 in {network}, found none",
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        prev("192.0.2.9/24"),
        prev("10.1.2.200/24", sandbox=""),
        prev("10.1.2.200/24", name="net7"),
        {"ips": []},
    ],
)
def test_check_passes_over_ips_that_are_not_ours_but_wants_a_reservation(ipam: Conf, foreign: Conf) -> None:
    with pytest.raises(CheckFailed, match="found no store"):
        check(ipam, prevResult=foreign)
    add(ipam, "c2")
    with pytest.raises(CheckFailed, match=r"expected a reservation for container c1 eth0 in .*, found none"):
        check(ipam, prevResult=foreign)
    add(ipam, "c1")
    check(ipam, prevResult=foreign)


def test_check_of_an_ip_without_an_interface(ipam: Conf) -> None:
    add(ipam)
    check(ipam, prevResult={"ips": [{"address": "10.1.2.2/24"}]})
    with pytest.raises(CheckFailed, match=r"expected 10\.1\.2\.3 to be reserved"):
        check(ipam, prevResult={"ips": [{"address": "10.1.2.3/24"}]})


def test_check_without_prev_result(ipam: Conf) -> None:
    with pytest.raises(CheckFailed, match="found no store"):
        check(ipam)
    add(ipam)
    check(ipam)
    with pytest.raises(CheckFailed):
        check(ipam, ifname="eth1")


def test_status_is_50_when_a_set_is_exhausted_and_tells_the_counts(ipam: Conf) -> None:
    small = ipam | {"ranges": [[{"subnet": "10.1.2.0/29"}], [{"subnet": "10.2.2.0/30"}]]}
    status(small)
    add(small)
    with pytest.raises(PluginNotAvailable) as caught:
        status(small)
    assert caught.value.code == 50
    assert caught.value.msg == "no IP addresses available in range set: 10.2.2.1-10.2.2.2"
    assert caught.value.details.split("\n") == [
        "range set 0 10.1.2.1-10.1.2.6: 4 free, 1 used, 0 cooling, 0 dead",
        "range set 1 10.2.2.1-10.2.2.2: 0 free, 1 used, 0 cooling, 0 dead",
    ]
    delete(small)
    status(small)


def test_status_counts_an_empty_file_as_free(ipam: Conf, network: Path) -> None:
    network.mkdir(parents=True)
    (network / "10.1.2.2").write_text("")
    status(ipam | {"ranges": [[{"subnet": "10.1.2.0/30"}]]})


def test_status_is_50_when_the_store_cannot_be_used(
    ipam: Conf, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginNotAvailable, match=r"cannot open the store .*: Not a directory"):
        status(ipam | {"dataDir": f"{tmp_path}/file"})

    def fail(fd: int, data: bytes) -> int:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(PluginNotAvailable, match=f"cannot write to the store {network}: Read-only file system"):
        status(ipam)


def test_status_is_50_when_a_lease_cannot_be_read_as_add_then_fails(ipam: Conf, network: Path) -> None:
    add(ipam, "c1")
    os.symlink("10.1.2.9", network / "10.1.2.9")  # ELOOP, for root as well
    with pytest.raises(PluginNotAvailable, match=f"cannot read 1 leases in {network}"):
        status(ipam)
    with pytest.raises(IOFailure, match=f"cannot read 1 leases in {network}"):
        add(ipam, "c2")


def test_status_looks_at_what_the_index_leaves_as_add_does(ipam: Conf, network: Path) -> None:
    conf = single(ipam, subnet="10.1.2.0/30")
    (network / "10.1.2.2").mkdir(parents=True)  # no lease, so the index has no bit for it
    with pytest.raises(PluginNotAvailable) as caught:
        status(conf)
    assert caught.value.details == "range set 0 10.1.2.1-10.1.2.2: 0 free, 1 used, 0 cooling, 0 dead"
    with pytest.raises(AddressUnavailable, match="no IP addresses available"):
        add(conf)


def test_status_of_a_bad_configuration_is_7(ipam: Conf) -> None:
    with pytest.raises(CNIError) as caught:
        status(ipam | {"ranges": []})
    assert caught.value.code == 7


def test_status_with_ranges_that_only_add_brings(ipam: Conf) -> None:
    status(ipam | {"ranges": []}, capabilities={"ipRanges": True})


def test_status_leaves_only_the_lock(ipam: Conf, network: Path) -> None:
    status(ipam)
    assert os.listdir(network) == ["lock"]
