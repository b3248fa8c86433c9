"""ipam.allocate: the order of IPs, without a disk."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import InvalidConfig
from ipam.allocate import assign, next_free, occupancy
from ipam.ranges import IP, Range, ip_text, parse_ip, set_text

NOWHERE = parse_ip("192.0.2.1")


def make(start: str, end: str, gateway: str = "192.0.2.1", prefix: int = 24) -> Range:
    family, number = parse_ip(start)
    return Range(family, number, parse_ip(end)[1], prefix, parse_ip(gateway), "ipam")


def round_of(ranges: list[Range], last: str | None, length: int = 50) -> list[str]:
    """The IPs given one after the other, each taken as it is given."""
    taken: set[IP] = set()
    current = parse_ip(last) if last else None
    given: list[str] = []
    while len(given) < length and (current := next_free(ranges, taken, current)) is not None:
        taken.add(current)
        given.append(ip_text(current))
    return given


RANGES = [make("10.0.0.2", "10.0.0.4", "10.0.0.3"), make("10.0.1.7", "10.0.1.8")]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, ["10.0.0.2", "10.0.0.4", "10.0.1.7", "10.0.1.8"]),
        ("10.0.0.2", ["10.0.0.4", "10.0.1.7", "10.0.1.8", "10.0.0.2"]),
        ("10.0.0.3", ["10.0.0.4", "10.0.1.7", "10.0.1.8", "10.0.0.2"]),
        ("10.0.0.4", ["10.0.1.7", "10.0.1.8", "10.0.0.2", "10.0.0.4"]),
        ("10.0.1.7", ["10.0.1.8", "10.0.0.2", "10.0.0.4", "10.0.1.7"]),
        ("10.0.1.8", ["10.0.0.2", "10.0.0.4", "10.0.1.7", "10.0.1.8"]),
        ("10.9.9.9", ["10.0.0.2", "10.0.0.4", "10.0.1.7", "10.0.1.8"]),
        ("fd00::1", ["10.0.0.2", "10.0.0.4", "10.0.1.7", "10.0.1.8"]),
    ],
)
def test_round_robin_through_all_ranges_from_anywhere(last: str | None, expected: list[str]) -> None:
    assert round_of(RANGES, last) == expected


def test_a_released_ip_is_not_the_next_one() -> None:
    ranges = [make("10.0.0.1", "10.0.0.3")]
    assert next_free(ranges, set(), parse_ip("10.0.0.1")) == parse_ip("10.0.0.2")
    assert next_free(ranges, set(), parse_ip("10.0.0.3")) == parse_ip("10.0.0.1")


def test_the_last_one_given_is_given_again_when_only_it_is_free() -> None:
    ranges = [make("10.0.0.1", "10.0.0.3")]
    taken = {parse_ip("10.0.0.1"), parse_ip("10.0.0.3")}
    assert next_free(ranges, taken, parse_ip("10.0.0.2")) == parse_ip("10.0.0.2")


def test_no_gateway_of_the_set_is_given() -> None:
    ranges = [make("10.0.0.1", "10.0.0.2", "10.0.0.1"), make("10.0.0.3", "10.0.0.4", "10.0.0.2")]
    assert round_of(ranges, None) == ["10.0.0.3", "10.0.0.4"]


@pytest.mark.parametrize(("start", "end"), [("10.0.0.1", "10.255.255.254"), ("fd00::1", "fd00:0:0:ffff:ffff::")])
def test_a_range_is_never_enumerated(start: str, end: str) -> None:
    family, first = parse_ip(start)
    taken = {(family, first + number) for number in range(2000)}
    assert next_free([make(start, end)], taken, None) == (family, first + 2000)
    assert next_free([make(start, end)], taken, parse_ip(end)) == (family, first + 2000)
    total = parse_ip(end)[1] - first + 1
    assert occupancy([make(start, end)], taken) == (total - 2000, 2000)


def test_the_last_free_ip_of_a_16_is_found() -> None:
    ranges = [make("10.1.0.1", "10.1.255.254", "10.1.0.1", 16)]
    first = parse_ip("10.1.0.1")[1]
    taken = {(4, number) for number in range(first + 1, first + 65534)} - {parse_ip("10.1.200.7")}
    assert next_free(ranges, taken, parse_ip("10.1.200.8")) == parse_ip("10.1.200.7")
    assert occupancy(ranges, taken) == (1, 65532)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Range], set[IP], IP | None]:
    family = draw(st.sampled_from([4, 6]))
    bounds = sorted(draw(st.sets(st.integers(1, 40), min_size=2, max_size=8)))
    numbers = st.integers(0, 41)
    ranges = [
        Range(family, start, end - 1, 24, (family, draw(numbers)), "ipam")
        for start, end in pairwise(bounds)
        if draw(st.booleans()) or start == bounds[0]
    ]
    draw(st.randoms(use_true_random=False)).shuffle(ranges)
    ips = st.tuples(st.sampled_from([4, 6]), numbers)
    return ranges, draw(st.sets(ips)), draw(st.none() | ips)


@given(situations())
def test_next_free_is_the_first_free_one_after_the_last(situation: tuple[list[Range], set[IP], IP | None]) -> None:
    ranges, taken, last = situation
    every = [(one.family, number) for one in ranges for number in range(one.start, one.end + 1)]
    turned = every[every.index(last) + 1 :] + every[: every.index(last) + 1] if last in every else every
    gateways = {one.gateway for one in ranges}
    free = [ip for ip in turned if ip not in taken and ip not in gateways]
    assert next_free(ranges, taken, last) == (free[0] if free else None)
    assert occupancy(ranges, taken) == (len(free), sum(ip in taken and ip not in gateways for ip in every))


def test_each_requested_ip_goes_to_the_set_that_holds_it() -> None:
    sets = [RANGES, [make("fd00::2", "fd00::9")], [make("10.5.0.2", "10.5.0.9")]]
    assert assign(sets, [parse_ip("10.5.0.3"), parse_ip("10.0.1.8")]) == [
        parse_ip("10.0.1.8"),
        None,
        parse_ip("10.5.0.3"),
    ]
    assert assign(sets, []) == [None, None, None]
    twice = [parse_ip("fd00::2"), parse_ip("fd00::2")]
    assert assign(sets, twice) == [None, parse_ip("fd00::2"), None]


@pytest.mark.parametrize("requested", [["10.0.9.9"], ["10.0.0.2", "10.0.0.4"], ["fd00::2"]])
def test_a_request_that_no_set_can_fulfil_is_refused(requested: list[str]) -> None:
    with pytest.raises(InvalidConfig, match=f"failed to allocate all requested IPs: {requested[-1]}") as caught:
        assign([RANGES], [parse_ip(text) for text in requested])
    assert set_text(RANGES[:1]) in caught.value.details


def test_a_gateway_cannot_be_requested() -> None:
    with pytest.raises(
        InvalidConfig, match=r"failed to allocate for range 0: requested ip 10.0.0.3 is subnet's gateway"
    ):
        assign([RANGES], [parse_ip("10.0.0.3")])
