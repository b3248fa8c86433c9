"""STATUS names who else uses the network's addresses; it is no reason not to be ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.errors import PluginNotAvailable
from ipam import overlap
from tests.unit.ipam_call import Conf, add, single, status

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


@pytest.fixture(autouse=True)
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, Path]:
    """The node's routes, none at first."""
    paths = {4: tmp_path / "route", 6: tmp_path / "ipv6_route"}
    paths[4].write_text(HEAD)
    paths[6].write_text("")
    monkeypatch.setattr(overlap, "ROUTES", {family: str(path) for family, path in paths.items()})
    return paths


def route4(link: str, network: str, prefix: int, gateway: str = "0.0.0.0") -> str:
    """A line of /proc/net/route."""

    def word(text: str) -> str:
        return bytes(reversed([int(part) for part in text.split(".")])).hex().upper()

    mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    flags = 1 | (2 if gateway != "0.0.0.0" else 0) | (4 if prefix == 32 else 0)
    mask_word = mask.to_bytes(4, "big")[::-1].hex().upper()
    return f"{link}\t{word(network)}\t{word(gateway)}\t{flags:04X}\t0\t0\t0\t{mask_word}\t0\t0\t0\n"


@pytest.mark.parametrize(
    "line",
    [
        route4("cni0", "10.1.2.0", 24),
        route4("eth0", "0.0.0.0", 0, "192.0.2.1"),
        route4("eth0", "10.0.0.0", 8, "192.0.2.1"),
        route4("veth0", "10.1.2.7", 32),
        route4("eth0", "10.1.3.0", 24),
    ],
    ids=["own", "default", "wider by way of a gateway", "one host", "beside it"],
)
def test_how_it_should_be(ipam: Conf, routes: dict[int, Path], line: str, capfd: pytest.CaptureFixture[str]) -> None:
    routes[4].write_text(HEAD + line)
    status(single(ipam))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (route4("eth0", "10.0.0.0", 8), "10.0.0.0/8 on eth0"),
        (route4("tun0", "10.1.2.128", 25, "192.0.2.9"), "10.1.2.128/25 on tun0"),
        (route4("cni0", "10.1.2.0", 24) + route4("docker0", "10.1.2.0", 24), "10.1.2.0/24 on docker0"),
    ],
    ids=["the node's own network around it", "a part led elsewhere", "a second link with the network"],
)
def test_a_route_of_the_nodes_own_is_named_on_stderr(
    ipam: Conf, routes: dict[int, Path], lines: str, named: str, capfd: pytest.CaptureFixture[str]
) -> None:
    routes[4].write_text(HEAD + lines)
    status(single(ipam))
    text = f"cni-ipam: the node's route {named} meets ipam.ranges[0][0] 10.1.2.1-10.1.2.254\n"
    assert capfd.readouterr().err == text


def test_ipv6_routes(ipam: Conf, routes: dict[int, Path]) -> None:
    def line(network: str, prefix: int, link: str, gateway: str = "0" * 32, flags: int = 1) -> str:
        return f"{network} {prefix:02x} {'0' * 32} 00 {gateway} 00000100 00000001 00000000 {flags:08x} {link:>8}\n"

    own = "20010db8000100000000000000000000"
    routes[6].write_text(
        line(own, 64, "cni0")
        + line("20010db8000100000000000000000001", 128, "lo")
        + line("fe800000000000000000000000000000", 64, "cni0")
        + line("ff000000000000000000000000000000", 8, "cni0")
        + line("0" * 32, 0, "eth0")
        + line("20010db8000000000000000000000000", 32, "eth1")
    )
    from ipam.conf import parse
    from tests.unit.ipam_call import ipam_request

    sets = parse(ipam_request("STATUS", ipam)).sets
    assert overlap.find("/nonexistent", "net1", sets) == [
        "the node's route 2001:db8::/32 on eth1 meets ipam.ranges[1][0] 2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff"
    ]


def test_a_network_that_gives_the_same_addresses_is_named(ipam: Conf, capfd: pytest.CaptureFixture[str]) -> None:
    add(single(ipam), name="net2")
    add(single(ipam, subnet="10.9.0.0/24"), name="net3")
    status(single(ipam))
    text = f"network net2 of {ipam['dataDir']} has a lease of 10.1.2.2, in ipam.ranges[0][0] 10.1.2.1-10.1.2.254"
    assert capfd.readouterr().err == f"cni-ipam: {text}\n"


def test_an_exhausted_set_names_them_in_the_details(ipam: Conf, capfd: pytest.CaptureFixture[str]) -> None:
    conf = single(ipam, subnet="10.1.2.0/30")
    add(conf, name="net2")
    add(conf)
    with pytest.raises(PluginNotAvailable) as caught:
        status(conf)
    assert caught.value.details.split("\n") == [
        "range set 0 10.1.2.1-10.1.2.2: 0 free, 1 used, 0 cooling, 0 dead",
        f"network net2 of {ipam['dataDir']} has a lease of 10.1.2.2, in ipam.ranges[0][0] 10.1.2.1-10.1.2.2",
    ]
    assert capfd.readouterr().err == ""


def test_what_cannot_be_read_overlaps_nothing(ipam: Conf, routes: dict[int, Path]) -> None:
    for path in routes.values():
        path.unlink()
    status(ipam)
