"""The key `exclude`: what it may hold, and that nothing it names is ever given."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import InvalidConfig
from ipam.allocate import is_given, next_free, occupancy
from ipam.conf import parse
from ipam.ranges import IP, Range, ip_text, parse_ip, range_of
from tests.unit.ipam_call import Conf, add, delete, ipam_request


def sets(ipam: Conf, verb: str = "CHECK", **conf: Any) -> list[list[Range]]:
    return parse(ipam_request(verb, ipam, **conf)).sets


def parts(ipam: Conf) -> list[str]:
    return [
        f"{ip_text((one.family, start))}-{ip_text((one.family, end))}"
        for ranges in sets(ipam)
        for one in ranges
        for start, end in one.parts
    ]


def refused(ipam: Conf, **conf: Any) -> str:
    with pytest.raises(InvalidConfig) as caught:
        parse(ipam_request("ADD", ipam, **conf))
    return caught.value.msg


def one_range(*exclude: object, **keys: str) -> Conf:
    return {"ranges": [[{"subnet": "10.1.0.0/24", "exclude": list(exclude)} | keys]]}


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ([], ["10.1.0.1-10.1.0.254"]),
        (["10.1.0.7"], ["10.1.0.1-10.1.0.6", "10.1.0.8-10.1.0.254"]),
        (["10.1.0.7-10.1.0.9"], ["10.1.0.1-10.1.0.6", "10.1.0.10-10.1.0.254"]),
        (["10.1.0.7 - 10.1.0.9"], ["10.1.0.1-10.1.0.6", "10.1.0.10-10.1.0.254"]),
        (["10.1.0.128/25"], ["10.1.0.1-10.1.0.127"]),
        (["10.1.0.0/25"], ["10.1.0.128-10.1.0.254"]),
        (["10.1.0.9", "10.1.0.8/30", "10.1.0.2", "10.1.0.1"], ["10.1.0.3-10.1.0.7", "10.1.0.12-10.1.0.254"]),
        (["10.1.0.255", "10.1.0.0"], ["10.1.0.1-10.1.0.254"]),
    ],
)
def test_addresses_ranges_and_networks_are_taken_out(exclude: list[str], left: list[str]) -> None:
    assert parts(one_range(*exclude)) == left
    assert parts({"subnet": "10.1.0.0/24", "exclude": exclude}) == left


def test_what_stands_at_the_level_of_ipam_counts_for_every_range() -> None:
    ipam = {
        "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]],
        "exclude": ["fd00::1:0/112", "10.1.0.9"],
    }
    assert parts(ipam) == [
        "10.1.0.1-10.1.0.8",
        "10.1.0.10-10.1.0.254",
        "fd00::1-fd00::ffff",
        "fd00::2:0-fd00::ffff:ffff:ffff:ffff",
    ]


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        (["10.2.0.1"], "exclude[0]: 10.2.0.1 is not in subnet 10.1.0.0/24"),
        (["10.1.0.9", "10.1.0.200-10.1.1.3"], "exclude[1]: 10.1.0.200-10.1.1.3 is not in subnet 10.1.0.0/24"),
        (["10.1.0.0/16"], "exclude[0]: 10.1.0.0-10.1.255.255 is not in subnet 10.1.0.0/24"),
        (["fd00::1"], "exclude[0]: fd00::1 is not in subnet 10.1.0.0/24"),
        (["10.1.0.9/25"], "exclude[0]: 10.1.0.9/25 has host bits set; use 10.1.0.0/25"),
        (["10.1.0.9/33"], "exclude[0]: '10.1.0.9/33' is not an address with a prefix length, such as 10.1.0.2/24"),
        (["10.1.0.9-10.1.0.8"], "exclude[0]: '10.1.0.9-10.1.0.8' is no range: its end does not come after its start"),
        (["10.1.0.9-fd00::1"], "exclude[0]: '10.1.0.9-fd00::1' is no range: its end does not come after its start"),
        (["10.1.0.9-"], "exclude[0]: '' is not an IP address"),
        ([""], "exclude[0]: '' is not an IP address"),
        ([7], "exclude[0]: must be a string, not a number"),
        (["10.1.0.0/24"], "exclude: leaves nothing of 10.1.0.1-10.1.0.254"),
    ],
)
def test_a_mistake_is_named_with_its_path(exclude: list[Any], message: str) -> None:
    assert refused(one_range(*exclude)) == f"ipam.ranges[0][0].{message}"


def test_it_is_a_list() -> None:
    assert refused({"subnet": "10.1.0.0/24", "exclude": "10.1.0.9"}) == "ipam.exclude: must be a list, not a string"


def test_what_lies_in_no_subnet_of_the_network_is_refused() -> None:
    message = "ipam.exclude[1]: 10.9.0.1 does not lie in any subnet of the network"
    assert refused({"subnet": "10.1.0.0/24", "exclude": ["10.1.0.9", "10.9.0.1"]}) == message
    two = [[{"subnet": "10.1.0.0/24"}, {"subnet": "10.1.1.0/24"}]]
    message = "ipam.exclude[0]: 10.1.0.250-10.1.1.5 does not lie in any subnet of the network"
    assert refused({"ranges": two, "exclude": ["10.1.0.250-10.1.1.5"]}) == message


def test_status_does_not_know_the_ranges_of_the_runtime_and_so_cannot_tell() -> None:
    ipam = {"subnet": "10.1.0.0/24", "exclude": ["10.9.0.1"]}
    assert len(sets(ipam, "STATUS", capabilities={"ipRanges": True})) == 1
    runtime = {"ipRanges": [[{"subnet": "10.9.0.0/24"}]]}
    assert len(sets(ipam, "ADD", capabilities={"ipRanges": True}, runtimeConfig=runtime)) == 2
    with pytest.raises(InvalidConfig, match=r"ipam.exclude\[0\]"):
        sets(ipam, "STATUS")


def test_an_excluded_ip_cannot_be_requested() -> None:
    message = "failed to allocate for range 0: requested ip 10.1.0.9 is excluded"
    assert refused(one_range("10.1.0.9"), runtimeConfig={"ips": ["10.1.0.9"]}) == message


def test_an_ip_that_was_given_before_it_was_excluded_stays_in_its_range() -> None:
    [[one]] = sets(one_range("10.1.0.9"))
    assert range_of([one], parse_ip("10.1.0.9")) is one
    assert one.excludes(parse_ip("10.1.0.9"))
    assert not one.excludes(parse_ip("10.1.0.8"))
    assert not one.excludes(parse_ip("10.2.0.9"))
    assert not is_given([one], parse_ip("10.1.0.9"))
    assert not is_given([one], parse_ip("10.1.0.1"))  # the gateway
    assert is_given([one], parse_ip("10.1.0.8"))


def test_add_goes_round_what_is_excluded(ipam: Conf) -> None:
    ipam |= one_range("10.1.0.4", rangeStart="10.1.0.2", rangeEnd="10.1.0.5") | {"cooldown": 0}
    given = [add(ipam, f"c{number}") for number in range(3)]
    assert given == [["10.1.0.2/24"], ["10.1.0.3/24"], ["10.1.0.5/24"]]
    delete(ipam, "c0")
    assert add(ipam, "c9") == [["10.1.0.2/24"]][0]


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Range], set[IP], IP | None, set[int]]:
    spans = st.tuples(st.integers(0, 41), st.integers(0, 41)).map(lambda pair: (min(pair), max(pair)))
    exclude = draw(st.lists(spans, max_size=5))
    cut = draw(st.integers(2, 38))
    ranges = [
        Range(4, start, end, 24, (4, draw(st.integers(0, 41))), "here", exclude)
        for start, end in ((1, cut), (cut + 1, 40))
    ]
    ips = st.tuples(st.just(4), st.integers(0, 41))
    return ranges, draw(st.sets(ips)), draw(st.none() | ips), {n for a, b in exclude for n in range(a, b + 1)}


@given(situations())
def test_the_next_one_is_the_first_in_turn_that_is_free_and_not_excluded(
    situation: tuple[list[Range], set[IP], IP | None, set[int]],
) -> None:
    ranges, taken, last, excluded = situation
    every: list[IP] = [(4, number) for one in ranges for number in range(one.start, one.end + 1)]
    turned = every[every.index(last) + 1 :] + every[: every.index(last) + 1] if last in every else every
    gateways = {one.gateway for one in ranges}
    possible = [ip for ip in turned if ip not in gateways and ip[1] not in excluded]
    free = [ip for ip in possible if ip not in taken]
    assert next_free(ranges, taken, last) == (free[0] if free else None)
    assert occupancy(ranges, taken) == (len(free), len(possible) - len(free))
    assert {ip for ip in every if is_given(ranges, ip)} == set(possible)


@pytest.mark.parametrize("subnet", ["10.0.0.0/8", "fd00:1:2::/48"])
def test_a_large_range_costs_no_memory_and_no_time(subnet: str) -> None:
    """Less than a hundredth of what naming its IPs would take."""
    base = subnet.partition("/")[0]
    exclude = [f"{base}-{base[:-1]}9"] if subnet[0] == "1" else [f"{base}-{base}9"]
    request = ipam_request("ADD", json.loads(json.dumps({"subnet": subnet, "exclude": exclude})))
    tracemalloc.start()
    begin = time.process_time()
    [ranges] = parse(request).sets
    first = next_free(ranges, set(), None)
    free, used = occupancy(ranges, {(ranges[0].family, ranges[0].end)})
    took, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first == (ranges[0].family, ranges[0].start + 9)
    # the gateway lies among the excluded
    assert (free, used) == (ranges[0].end - ranges[0].start + 1 - 9 - 1, 1)
    assert took < 0.1
    assert peak < 200_000
