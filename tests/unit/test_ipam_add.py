"""ADD of cni-ipam: one IP of each set, or none at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.errors import (
    AddressUnavailable,
    InvalidConfig,
    IOFailure,
    TryAgainLater,
)
from cni.result import Result
from cni.versions import SUPPORTED
from ipam import plugin
from tests.unit.ipam_call import TWO_SETS, Conf, add, check, delete, ipam_request, leases, prev, single, status

ROUTES = [
    {"dst": "0.0.0.0/0"},
    {"dst": "2001:db8::/32"},
    {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
    {"dst": "2001:db8:2::/64", "gw": "2001:db8:3::1"},
]
CHECKING = [version for version in SUPPORTED if version >= "0.4.0"]


@pytest.mark.parametrize("version", SUPPORTED)
def test_allocates_and_releases_addresses(ipam: Conf, network: Path, tmp_path: Path, version: str) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.3\n")
    conf = ipam | {"routes": ROUTES, "resolvConf": f"{tmp_path}/resolv.conf"}
    result = plugin.add(ipam_request("ADD", conf, version=version), lambda result: None).to_json(version)
    if version in SUPPORTED[:2]:
        assert result == {
            "cniVersion": version,
            "ip4": {"ip": "10.1.2.2/24", "gateway": "10.1.2.1", "routes": [ROUTES[0], ROUTES[2]]},
            "ip6": {"ip": "2001:db8:1::2/64", "gateway": "2001:db8:1::1", "routes": [ROUTES[1], ROUTES[3]]},
            "dns": {"nameservers": ["192.0.2.3"]},
        }
    else:
        ips = [
            {"address": "10.1.2.2/24", "gateway": "10.1.2.1"},
            {"address": "2001:db8:1::2/64", "gateway": "2001:db8:1::1"},
        ]
        if version < "1":
            ips = [item | {"version": number} for item, number in zip(ips, "46", strict=True)]
        expected = {"cniVersion": version, "ips": ips, "routes": ROUTES, "dns": {"nameservers": ["192.0.2.3"]}}
        assert result == expected
    assert leases(network) == {"10.1.2.2": "c1\r\neth0", "2001:db8:1::2": "c1\r\neth0"}
    assert (network / "last_reserved_ip.0").read_text() == "10.1.2.2"
    assert (network / "last_reserved_ip.1").read_text() == "2001:db8:1::2"
    if version in CHECKING:
        check(conf, version=version)
    delete(conf, version=version)
    assert leases(network) == {}


def test_each_interface_of_a_container_has_its_own(ipam: Conf, network: Path) -> None:
    assert add(single(ipam), ifname="eth0") == ["10.1.2.2/24"]
    assert add(single(ipam), ifname="eth1") == ["10.1.2.3/24"]
    delete(ipam, ifname="eth0")
    assert leases(network) == {"10.1.2.3": "c1\r\neth1"}


def test_a_strict_repeated_add_is_refused_as_by_the_reference_and_keeps_the_lease(ipam: Conf, network: Path) -> None:
    ipam |= {"strictAdd": True}
    add(ipam)
    before = leases(network)
    message = "failed to allocate for range 0: 10.1.2.2 has been allocated to c1, duplicate allocation is not allowed"
    with pytest.raises(AddressUnavailable) as caught:
        add(ipam)
    assert caught.value.msg == message
    assert leases(network) == before


def test_a_repeated_add_is_refused_by_its_second_set_before_the_first_gives(ipam: Conf, network: Path) -> None:
    add(ipam | {"ranges": TWO_SETS[1:]})
    with pytest.raises(AddressUnavailable, match="range 1: 2001:db8:1::2 has been allocated to c1"):
        add(ipam)
    assert leases(network) == {"2001:db8:1::2": "c1\r\neth0"}
    assert not (network / "last_reserved_ip.1").exists()


def test_a_second_add_with_a_requested_ip_is_allowed_as_in_the_reference(ipam: Conf, network: Path) -> None:
    add(single(ipam))
    assert add(single(ipam), cni_args="IP=10.1.2.88") == ["10.1.2.88/24"]
    assert set(leases(network)) == {"10.1.2.2", "10.1.2.88"}


def test_requesting_the_own_ip_again_never_frees_it(ipam: Conf, network: Path) -> None:
    """The reference releases everything of the owner when a later set fails."""
    add(ipam, cni_args="IP=10.1.2.5,2001:db8:1::5")
    before = leases(network)
    message = "range 1: requested IP address 2001:db8:1::5 is not available in range set 2001:db8:1::1-2001:db8:1:0:f"
    with pytest.raises(AddressUnavailable, match=message):
        add(ipam, cni_args="IP=10.1.2.6,2001:db8:1::5")
    assert leases(network) == before


def test_a_legacy_lease_counts_for_its_container(ipam: Conf, network: Path) -> None:
    network.mkdir(parents=True)
    (network / "10.1.2.5").write_text("  c1\n")
    check(single(ipam))
    check(single(ipam), prevResult=prev("10.1.2.5/24"))
    with pytest.raises(AddressUnavailable, match=r"10\.1\.2\.5 has been allocated to c1"):
        add(single(ipam))
    delete(ipam)
    assert leases(network) == {}


def test_a_full_set_gives_back_what_the_others_gave(ipam: Conf, network: Path) -> None:
    small = ipam | {"ranges": [TWO_SETS[1], [{"subnet": "10.1.2.0/30"}]]}
    add(small, "c1")
    with pytest.raises(AddressUnavailable) as caught:
        add(small, "c2")
    message = "failed to allocate for range 1: no IP addresses available in range set: 10.1.2.1-10.1.2.2"
    assert (caught.value.code, caught.value.msg) == (102, message)
    assert f"1 used, 0 free in {network}" in caught.value.details
    assert set(leases(network)) == {"10.1.2.2", "2001:db8:1::2"}
    delete(small, "c1")
    assert add(small, "c2") == ["2001:db8:1::4/64", "10.1.2.2/30"]


def test_round_robin_over_all_ranges_of_a_set(ipam: Conf) -> None:
    conf = ipam | {"ranges": [[{"subnet": "10.1.2.0/30"}, {"subnet": "10.2.2.0/30", "rangeStart": "10.2.2.1"}]]}
    given = []
    for _ in range(4):
        given += add(conf)
        delete(conf)
    assert given == ["10.1.2.2/30", "10.2.2.2/30", "10.1.2.2/30", "10.2.2.2/30"]


def test_empty_files_are_free_and_are_taken_over_whole(ipam: Conf, network: Path) -> None:
    """plugins#498: the reference loses an IP for ever when it dies between create and write."""
    network.mkdir(parents=True)
    (network / "10.1.2.2").write_text("")
    assert add(ipam | {"ranges": [[{"subnet": "10.1.2.0/30"}]]}) == ["10.1.2.2/30"]
    assert leases(network) == {"10.1.2.2": "c1\r\neth0"}


def test_something_else_under_an_ips_name_is_passed_over(ipam: Conf, network: Path) -> None:
    (network / "10.1.2.2").mkdir(parents=True)
    assert add(single(ipam)) == ["10.1.2.3/24"]


def test_custom_ips_in_several_ranges_and_families(ipam: Conf, network: Path) -> None:
    conf = ipam | {"ranges": [*TWO_SETS, [{"subnet": "10.9.0.0/16"}]]}
    ips = ["2001:db8:1::999", "10.9.7.7/16", "10.2.2.20"]
    assert add(conf, args={"cni": {"ips": ips}}) == ["10.2.2.20/24", "2001:db8:1::999/64", "10.9.7.7/16"]
    assert (network / "last_reserved_ip.0").read_text() == "10.2.2.20"


def test_an_unfulfilled_custom_ip_touches_nothing(ipam: Conf, network: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"failed to allocate all requested IPs: 10\.4\.0\.1"):
        add(ipam, cni_args="IP=10.4.0.1")
    assert not network.parent.exists()


def test_a_taken_custom_ip_is_refused(ipam: Conf, network: Path) -> None:
    add(single(ipam), "c1", cni_args="IP=10.1.2.7")
    problem = "requested IP address 10.1.2.7 is not available in range set 10.1.2.1-10.1.2.254"
    with pytest.raises(AddressUnavailable) as caught:
        add(single(ipam), "c2", cni_args="IP=10.1.2.7")
    assert caught.value.msg == f"failed to allocate for range 0: {problem}"
    assert leases(network) == {"10.1.2.7": "c1\r\neth0"}


def test_a_bad_configuration_touches_nothing(ipam: Conf, network: Path) -> None:
    for conf in (ipam | {"ranges": [[{"subnet": "x"}]]}, ipam | {"routes": [{"dst": "x"}]}):
        with pytest.raises(InvalidConfig):
            add(conf)
    with pytest.raises(InvalidConfig, match="does not support more than 1 address per family"):
        add(ipam | {"ranges": [TWO_SETS[0], [{"subnet": "10.9.0.0/16"}]]}, version="0.2.0")
    with pytest.raises(IOFailure, match=r"cannot read ipam\.resolvConf"):
        add(ipam | {"resolvConf": "/nonexistent/resolv.conf"})
    assert not network.parent.exists()


def test_an_interrupted_add_gives_everything_back(ipam: Conf, network: Path) -> None:
    def interrupt(result: Result) -> None:
        assert len(leases(network)) == 2
        raise TryAgainLater("interrupted by SIGTERM")

    with pytest.raises(TryAgainLater):
        plugin.add(ipam_request("ADD", ipam), interrupt)
    assert leases(network) == {}


def test_add_takes_what_validate_has_read(ipam: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ipam_request("ADD", ipam)
    conf = plugin.validate(request)
    monkeypatch.setattr(plugin, "parse", None)
    assert [ip.address for ip in plugin.add(request, lambda result: None, conf).ips] == [
        "10.1.2.2/24",
        "2001:db8:1::2/64",
    ]


def test_an_ipv6_48_costs_no_more_than_a_24(ipam: Conf, network: Path) -> None:
    conf = ipam | {"ranges": [[{"subnet": "2001:db8::/48"}], [{"subnet": "10.0.0.0/8"}]]}
    assert add(conf) == ["2001:db8::2/48", "10.0.0.2/8"]
    status(conf)
    (network / "last_reserved_ip.0").write_text("2001:db8:0:ffff:ffff:ffff:ffff:ffff")
    (network / "last_reserved_ip.1").write_text("10.255.255.254")
    assert add(conf, "c2") == ["2001:db8::3/48", "10.0.0.3/8"]
