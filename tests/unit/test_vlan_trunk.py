"""vlanTrunk, with the titles of the reference's table: bridge_test.go, "collectVlanTrunk"."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_veth_conf import parse, refused

RIGHT: dict[str, tuple[list[dict[str, Any]] | None, list[tuple[int, int]]]] = {
    "empty list": ([], []),
    "null": (None, []),
    "min and max": ([{"minID": 2, "maxID": 4094}], [(2, 4094)]),
    "min equals max": ([{"minID": 7, "maxID": 7}], [(7, 7)]),
    "id only": ([{"id": 1}, {"id": 4094}], [(1, 1), (4094, 4094)]),
    "id and range": ([{"id": 101}, {"minID": 200, "maxID": 210}], [(101, 101), (200, 210)]),
    "null is absent": ([{"id": 5, "minID": None, "maxID": None}], [(5, 5)]),
    "case does not matter": ([{"ID": 5}, {"minid": 6, "MAXID": 7}], [(5, 5), (6, 7)]),
}
WRONG: dict[str, tuple[object, str]] = {
    "no maxID": ({"minID": 2}, ": give either id, or minID and maxID"),
    "no minID": ({"maxID": 2}, ": give either id, or minID and maxID"),
    "minID < 0": ({"minID": -1, "maxID": 5}, ".minID: must lie between 1 and 4094, not -1"),
    "minID > 4094": ({"minID": 4095, "maxID": 4096}, ".minID: must lie between 1 and 4094, not 4095"),
    "maxID > 4094": ({"minID": 1, "maxID": 4095}, ".maxID: must lie between 1 and 4094, not 4095"),
    "maxID < 0": ({"minID": 1, "maxID": -5}, ".maxID: must lie between 1 and 4094, not -5"),
    "id > 4094": ({"id": 4095}, ".id: must lie between 1 and 4094, not 4095"),
    "id < 0": ({"id": -2}, ".id: must lie between 1 and 4094, not -2"),
    "max < min": ({"minID": 20, "maxID": 10}, ".minID: 20 is greater than maxID 10"),
    "id 0": ({"id": 0}, ".id: must lie between 1 and 4094, not 0"),
    "minID 0": ({"minID": 0, "maxID": 5}, ".minID: must lie between 1 and 4094, not 0"),
    "id and a range": ({"id": 5, "minID": 1, "maxID": 2}, ": give either id, or minID and maxID"),
    "nothing": ({}, ": give either id, or minID and maxID"),
    "no object": (5, ": must be an object, not a number"),
    "a string": ({"id": "5"}, ".id: must be a whole number, not a string"),
}


@pytest.mark.parametrize("title", RIGHT)
def test_collect_vlan_trunk(title: str) -> None:
    trunk, expected = RIGHT[title]
    conf = parse(vlanTrunk=trunk)
    assert conf.trunk == expected
    assert conf.is_filtering is bool(expected)


@pytest.mark.parametrize("title", WRONG)
def test_collect_vlan_trunk_errors(title: str) -> None:
    item, problem = WRONG[title]
    refused(f"vlanTrunk[1]{problem}", vlanTrunk=[{"id": 1}, item])
