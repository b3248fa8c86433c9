"""Which IP cni-ipam gives next, as the reference's allocator_test.go (plugins v1.9.1) has it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod

POD = Pod("ID")


class Pool:
    """A network with one range set, whose store a test fills by hand."""

    def __init__(self, node: Node, ipam: Plugin, *subnets: str, **bounds: str) -> None:
        self._ipam = ipam
        self._store = node.store / "net"
        self._store.mkdir(parents=True)
        ranges = [[{"subnet": subnet, **bounds} for subnet in subnets]]
        self._conf = node.network(ipam=node.ipam(ranges=ranges, strictAdd=True))

    def occupy(self, *ips: str) -> None:
        for ip in ips:
            (self._store / ip).write_bytes(b"id\r\neth0")

    def set_last_reserved(self, ip: str) -> None:
        if ip:
            (self._store / "last_reserved_ip.0").write_text(ip)

    def get(self, container_id: str = "ID", requested: str = "") -> str:
        """The IP of an ADD without its prefix."""
        return self.address(container_id, requested).partition("/")[0]

    def address(self, container_id: str = "ID", requested: str = "") -> str:
        args = f"IP={requested}" if requested else ""
        ips = self._ipam.add(self._conf, Pod(container_id), args=args).succeeded()["ips"]
        assert len(ips) == 1
        return str(ips[0]["address"])

    def refusal(self, container_id: str = "ID", requested: str = "", code: int = 102) -> dict[str, Any]:
        args = f"IP={requested}" if requested else ""
        return self._ipam.add(self._conf, Pod(container_id), args=args).failed(code)

    def release(self, container_id: str = "ID") -> None:
        self._ipam.delete(self._conf, Pod(container_id)).succeeded()


@pytest.mark.parametrize(
    ("last", "order"),
    [
        pytest.param("", [2, 3, 4, 5, 6], id="from-the-beginning"),
        pytest.param("192.168.1.6", [2, 3, 4, 5, 6], id="from-the-end"),
        pytest.param("192.168.1.3", [4, 5, 6, 2, 3], id="from-the-middle"),
    ],
)
def test_should_loop_correctly(node: Node, ipam: Plugin, last: str, order: list[int]) -> None:
    pool = Pool(node, ipam, "192.168.1.0/29")
    pool.set_last_reserved(last)
    assert [pool.get(f"ID{number}") for number in order] == [f"192.168.1.{number}" for number in order]
    pool.refusal("ID8")


@pytest.mark.parametrize(
    ("subnets", "taken", "last", "expected"),
    [
        pytest.param(["10.0.0.0/29"], [], "", "10.0.0.2", id="fresh-start"),
        pytest.param(["2001:db8:1::0/64"], [], "", "2001:db8:1::2", id="fresh-start-v6"),
        pytest.param(["10.0.0.0/30"], [], "", "10.0.0.2", id="smallest-subnet"),
        pytest.param(["10.0.0.0/29"], [2], "", "10.0.0.3", id="first-is-taken"),
        pytest.param(["10.0.0.0/29"], [], "10.0.0.5", "10.0.0.6", id="next-of-last-reserved"),
        pytest.param(["10.0.0.0/29"], [4, 5], "10.0.0.3", "10.0.0.6", id="next-free-of-last-reserved"),
        pytest.param(["10.0.0.0/29"], [6], "10.0.0.5", "10.0.0.2", id="round-to-the-beginning"),
        pytest.param(["10.0.0.0/29"], [2], "10.0.0.128", "10.0.0.3", id="last-is-out-of-range"),
        pytest.param(["10.0.0.0/29"], [2, 4, 5, 6], "10.0.0.3", "10.0.0.3", id="full-but-for-the-last"),
        pytest.param(["10.0.0.0/30", "10.0.1.0/30"], [], "", "10.0.0.2", id="several-subnets"),
        pytest.param(["10.0.0.0/30", "10.0.1.0/30"], [], "10.0.0.2", "10.0.1.2", id="advance-to-next-subnet"),
        pytest.param(
            ["10.0.0.0/30", "10.0.1.0/30", "10.0.2.0/30"], [], "10.0.2.2", "10.0.0.2", id="roll-to-first-subnet"
        ),
    ],
)
def test_should_allocate_ips_in_round_robin(
    node: Node, ipam: Plugin, subnets: list[str], taken: list[int], last: str, expected: str
) -> None:
    pool = Pool(node, ipam, *subnets)
    pool.occupy(*(f"10.0.0.{number}" for number in taken))
    pool.set_last_reserved(last)
    assert pool.get() == expected


def test_should_not_allocate_the_broadcast_address(node: Node, ipam: Plugin) -> None:
    pool = Pool(node, ipam, "192.168.1.0/29", rangeStart="192.168.1.6", rangeEnd="192.168.1.7")
    assert pool.address("ID6") == "192.168.1.6/29"
    pool.refusal("ID8")


def test_should_allocate_in_a_round_robin_fashion(node: Node, ipam: Plugin) -> None:
    pool = Pool(node, ipam, "192.168.1.0/29")
    assert pool.address() == "192.168.1.2/29"
    pool.release()
    assert pool.address() == "192.168.1.3/29"


def test_must_allocate_the_requested_ip(node: Node, ipam: Plugin) -> None:
    assert Pool(node, ipam, "192.168.1.0/29").get(requested="192.168.1.5") == "192.168.1.5"


def test_must_fail_when_the_requested_ip_is_allocated(node: Node, ipam: Plugin) -> None:
    pool = Pool(node, ipam, "192.168.1.0/29")
    pool.get(requested="192.168.1.5")
    problem = "requested IP address 192.168.1.5 is not available in range set 192.168.1.1-192.168.1.6"
    assert problem in pool.refusal("ID", "192.168.1.5")["msg"]
    assert problem in pool.refusal("other", "192.168.1.5")["msg"]


def test_must_return_an_error_when_the_requested_ip_is_after_range_end(node: Node, ipam: Plugin) -> None:
    pool = Pool(node, ipam, "192.168.1.0/29", rangeEnd="192.168.1.4")
    assert "192.168.1.5" in pool.refusal(requested="192.168.1.5", code=7)["msg"]


def test_must_return_an_error_when_the_requested_ip_is_before_range_start(node: Node, ipam: Plugin) -> None:
    pool = Pool(node, ipam, "192.168.1.0/29", rangeStart="192.168.1.3")
    assert "192.168.1.2" in pool.refusal(requested="192.168.1.2", code=7)["msg"]


def test_must_return_an_error_when_the_requested_ip_is_the_gateway(node: Node, ipam: Plugin) -> None:
    pool = Pool(node, ipam, "192.168.1.0/29")
    assert "requested ip 192.168.1.1 is subnet's gateway" in pool.refusal(requested="192.168.1.1", code=7)["msg"]


@pytest.mark.parametrize(
    ("subnets", "taken"),
    [
        (["10.0.0.0/30"], ["10.0.0.2"]),
        (["10.0.0.0/29"], ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]),
        (["10.0.0.0/30", "10.0.1.0/30"], ["10.0.0.2", "10.0.1.2"]),
    ],
)
def test_returns_a_meaningful_error_when_out_of_ips(
    node: Node, ipam: Plugin, subnets: list[str], taken: list[str]
) -> None:
    pool = Pool(node, ipam, *subnets)
    pool.occupy(*taken)
    error = pool.refusal()
    assert "no IP addresses available in range set: 10.0.0.1-10.0.0." in error["msg"]
    assert f"{len(taken)} used, 0 free" in error["details"]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param("192.168.1.2", "192.168.2.2", id="last-reserved-at-the-end-of-one-of-multi-ranges"),
        pytest.param("", "192.168.1.2", id="no-last-reserved"),
    ],
)
def test_should_use_the_first_ip_of_the_next_range(node: Node, ipam: Plugin, last: str, expected: str) -> None:
    pool = Pool(node, ipam, "192.168.1.0/30", "192.168.2.0/30")
    pool.set_last_reserved(last)
    assert pool.get() == expected
