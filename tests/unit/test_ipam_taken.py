"""Which IP is free, asked of a store of any size: one look as a rule, one listing when it is crowded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cni.errors import AddressUnavailable
from ipam.ranges import parse_ip
from ipam.taken import SINGLE_LOOKS, Taken
from tests.unit.ipam_call import Conf, add, leases, single, status
from tests.unit.ipam_disk import make


class Asked:
    """A store of these names, and the questions put to it."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.looks: list[str] = []
        self.listings = 0
        self.taken = Taken(self._is_in_use, self._list)

    def _is_in_use(self, name: str) -> bool:
        self.looks.append(name)
        return name in self._names

    def _list(self) -> list[str]:
        self.listings += 1
        return list(self._names)


def test_some_names_are_looked_up_and_then_all_are_listed_once() -> None:
    asked = Asked(*(f"0.0.1.{number}" for number in range(0, 256, 2)))
    assert [(4, 256 + number) in asked.taken for number in range(200)] == [number % 2 == 0 for number in range(200)]
    assert asked.looks == [f"0.0.1.{number}" for number in range(SINGLE_LOOKS)]
    assert asked.listings == 1


def test_ipv6_is_asked_for_by_the_name_that_host_local_gives() -> None:
    asked = Asked("fd00::a")
    assert (6, 0xFD00 << 112 | 0xA) in asked.taken
    assert asked.looks == ["fd00::a"]


@pytest.fixture
def crowded(ipam: Conf, network: Path) -> Conf:
    """10.1.2.2 to 10.1.2.254, of which 10.1.2.200 alone is free; none was given last."""
    network.mkdir(parents=True)
    for number in range(2, 255):
        if number != 200:
            (network / f"10.1.2.{number}").write_text(f"old{number}")
    return single(ipam)


def test_the_only_free_ip_of_a_crowded_range_is_found(crowded: Conf, network: Path) -> None:
    status(crowded)
    assert add(crowded) == ["10.1.2.200/24"]
    with pytest.raises(AddressUnavailable, match="no IP addresses available") as caught:
        add(crowded, "c2")
    assert f"253 used, 0 free in {network}" in caught.value.details


def test_a_file_without_content_is_found_when_no_name_is_free(crowded: Conf, network: Path) -> None:
    (network / "10.1.2.77").write_text("")
    assert add(crowded, "c1") == ["10.1.2.200/24"]
    status(crowded)
    assert add(crowded, "c2") == ["10.1.2.77/24"]
    assert leases(network)["10.1.2.77"] == "c2\r\neth0"


def test_what_cannot_be_read_is_taken(tmp_path: Path) -> None:
    with make(tmp_path) as store:
        os.symlink("10.1.2.3", tmp_path / "net1/10.1.2.3")  # ELOOP, for root as well
        taken = store.taken()
        assert [parse_ip(ip) in taken for ip in ("10.1.2.3", "10.1.2.4")] == [True, False]
