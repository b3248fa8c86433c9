"""cni-ipam held to the reference's own tests of host-local (plugins v1.9.1, host_local_test.go), in every version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import VERSIONS, Node, Plugin, Pod

DUMMY = Pod("dummy")  # never made: IPAM has no business in the pod's namespace
WHOLE = b"dummy\r\neth0"
ROUTES = [
    {"dst": "0.0.0.0/0"},
    {"dst": "::/0"},
    {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
    {"dst": "2001:db8:2::/64", "gw": "2001:db8:3::1"},
]
TWO_SETS = [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}], [{"subnet": "2001:db8:1::0/64"}]]

pytestmark = pytest.mark.parametrize("version", VERSIONS)


def network(node: Node, version: str, *subnets: str, ips: list[str] | None = None, **keys: Any) -> dict[str, Any]:
    """`ips` are the custom IPs of `args.cni.ips`, `keys` belong to the ipam section."""
    conf = node.network(ipam=node.ipam(*subnets, **keys), cniVersion=version)
    return conf if ips is None else conf | {"args": {"cni": {"ips": ips}}}


def addresses(result: dict[str, Any]) -> list[str]:
    """The addresses of a result of any version."""
    families = [result[key]["ip"] for key in ("ip4", "ip6") if key in result]
    return families or [ip["address"] for ip in result["ips"]]


def is_single(version: str) -> bool:
    return version in ("0.1.0", "0.2.0")


def dual_stack_result(version: str) -> dict[str, Any]:
    """What ADD of TWO_SETS with ROUTES must print."""
    four, six = {"gateway": "10.1.2.1"}, {"gateway": "2001:db8:1::1"}
    result = {"cniVersion": version, "dns": {"nameservers": ["192.0.2.3"]}}
    if is_single(version):
        return result | {
            "ip4": {"ip": "10.1.2.2/24", "routes": [ROUTES[0], ROUTES[2]], **four},
            "ip6": {"ip": "2001:db8:1::2/64", "routes": [ROUTES[1], ROUTES[3]], **six},
        }
    ips: list[dict[str, Any]] = [{"address": "10.1.2.2/24", **four}, {"address": "2001:db8:1::2/64", **six}]
    if version.startswith("0."):
        ips = [ip | {"version": family} for ip, family in zip(ips, "46", strict=True)]
    return result | {"ips": ips, "routes": ROUTES}


def test_allocates_and_releases_addresses_with_add_del(ipam: Plugin, node: Node, version: str) -> None:
    (node.dir / "resolv.conf").write_text("nameserver 192.0.2.3")
    keys: dict[str, Any] = {"ranges": TWO_SETS, "routes": ROUTES, "resolvConf": str(node.dir / "resolv.conf")}
    conf = network(node, version, **keys)
    result = ipam.add(conf, DUMMY).succeeded()
    assert result == dual_stack_result(version)
    assert {path.name: path.read_bytes() for path in (node.store / "net").iterdir()} == {
        "10.1.2.2": WHOLE,
        "2001:db8:1::2": WHOLE,
        "last_reserved_ip.0": b"10.1.2.2",
        "last_reserved_ip.1": b"2001:db8:1::2",
        "lock": b"",
    }
    if version >= "0.4.0":
        ipam.check(conf, DUMMY, result).succeeded()
    ipam.delete(conf, DUMMY).succeeded()
    assert node.leases() == {}
    if version >= "0.4.0":
        ipam.check(conf, DUMMY, result).failed(103)


def test_allocates_and_releases_addresses_on_specific_interface_with_add_del(
    ipam: Plugin, node: Node, version: str
) -> None:
    confs = {
        "eth0": network(node, version, "10.1.2.0/24") | {"name": "net0"},
        "eth1": network(node, version, "10.2.2.0/24") | {"name": "net1"},
    }
    for ifname, conf in confs.items():
        ipam.add(conf, DUMMY, ifname=ifname).succeeded()
    assert node.leases("net0") == {"10.1.2.2": ("dummy", "eth0")}
    assert node.leases("net1") == {"10.2.2.2": ("dummy", "eth1")}
    ipam.delete(confs["eth0"], DUMMY, ifname="eth0").succeeded()
    assert node.leases("net0") == {}
    assert node.leases("net1") == {"10.2.2.2": ("dummy", "eth1")}
    ipam.delete(confs["eth1"], DUMMY, ifname="eth1").succeeded()
    assert node.leases("net1") == {}


def test_repeat_allocating_addresses_on_specific_interface_for_same_container_id_with_add(
    ipam: Plugin, node: Node, version: str
) -> None:
    conf, other = network(node, version, "10.1.2.0/24"), Pod("dummy1")
    conf["ipam"]["strictAdd"] = True
    refusal = "10.1.2.2 has been allocated to dummy, duplicate allocation is not allowed"
    assert addresses(ipam.add(conf, DUMMY).succeeded()) == ["10.1.2.2/24"]
    assert refusal in ipam.add(conf, DUMMY).failed(102)["msg"]
    assert addresses(ipam.add(conf, other).succeeded()) == ["10.1.2.3/24"]
    assert refusal in ipam.add(conf, DUMMY).failed(102)["msg"]
    assert node.leases() == {"10.1.2.2": ("dummy", "eth0"), "10.1.2.3": ("dummy1", "eth0")}
    ipam.delete(conf, DUMMY).succeeded()
    assert node.leases() == {"10.1.2.3": ("dummy1", "eth0")}
    ipam.delete(conf, other).succeeded()
    assert node.leases() == {}


def test_verify_del_works_on_backwards_compatible_allocate(ipam: Plugin, node: Node, version: str) -> None:
    conf = network(node, version, "10.1.2.0/24")
    ipam.add(conf, DUMMY).succeeded()
    (node.store / "net/10.1.2.2").write_text("dummy")
    ipam.delete(conf, Pod("dummy1")).succeeded()
    assert node.leases() == {"10.1.2.2": ("dummy", "")}
    ipam.delete(conf, DUMMY).succeeded()
    assert node.leases() == {}


def test_does_not_error_when_passed_an_unknown_id_on_del(ipam: Plugin, node: Node, version: str) -> None:
    ipam.delete(network(node, version, subnet="10.1.2.0/24"), DUMMY).succeeded()


def test_ignores_whitespace_in_disk_files(ipam: Plugin, node: Node, version: str) -> None:
    """The reference pads the container id, which no runtime can pass; here the file is padded."""
    conf = network(node, version, subnet="10.1.2.0/24")
    result = ipam.add(conf, DUMMY).succeeded()
    (node.store / "net/10.1.2.2").write_bytes(b"   " + WHOLE + b"\n ")
    if version >= "0.4.0":
        ipam.check(conf, DUMMY, result).succeeded()
    strict = conf | {"ipam": conf["ipam"] | {"strictAdd": True}}
    ipam.add(strict, DUMMY).failed(102)
    ipam.delete(conf, DUMMY).succeeded()
    assert node.leases() == {}


def test_does_not_output_an_error_message_upon_initial_subnet_creation(ipam: Plugin, node: Node, version: str) -> None:
    reply = ipam.add(network(node, version, subnet="10.1.2.0/24"), DUMMY)
    reply.succeeded()
    assert reply.stderr == ""


def test_allocates_a_custom_ip_when_requested_by_config_args(ipam: Plugin, node: Node, version: str) -> None:
    conf = network(node, version, "10.1.2.0/24", ips=["10.1.2.88"])
    assert addresses(ipam.add(conf, DUMMY).succeeded()) == ["10.1.2.88/24"]


def test_allocates_custom_ips_from_multiple_ranges(ipam: Plugin, node: Node, version: str) -> None:
    conf = network(node, version, "10.1.2.0/24", "10.1.3.0/24", ips=["10.1.2.88", "10.1.3.77"])
    reply = ipam.add(conf, DUMMY)
    if is_single(version):
        assert reply.failed(7)["msg"] == f"CNI version {version} does not support more than 1 address per family"
    else:
        assert addresses(reply.succeeded()) == ["10.1.2.88/24", "10.1.3.77/24"]


def test_allocates_custom_ips_from_multiple_protocols(ipam: Plugin, node: Node, version: str) -> None:
    ranges = [[{"subnet": "172.16.1.0/24"}, {"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/48"}]]
    conf = network(node, version, ranges=ranges, ips=["10.1.2.88", "2001:db8:1::999"])
    assert addresses(ipam.add(conf, DUMMY).succeeded()) == ["10.1.2.88/24", "2001:db8:1::999/48"]


def test_fails_if_a_requested_custom_ip_is_not_used(ipam: Plugin, node: Node, version: str) -> None:
    conf = network(node, version, "10.1.2.0/24", "10.1.3.0/24", ips=["10.1.2.88", "10.1.2.77"])
    message = ipam.add(conf, DUMMY).failed(7)["msg"]
    if is_single(version):
        assert message == f"CNI version {version} does not support more than 1 address per family"
    else:
        assert message == "failed to allocate all requested IPs: 10.1.2.77"
    assert node.leases() == {}
