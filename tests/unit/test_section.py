"""cni.conf: typed getters whose errors carry the dotted path; keys without regard to case; null is absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.conf import Section, nearest
from cni.errors import CNIError, InvalidConfig
from tests.unit.test_document import objects

Getter = Callable[[Section, str], Any]
GETTERS: dict[str, tuple[Getter, object]] = {
    "string": (Section.string, ""),
    "boolean": (Section.boolean, False),
    "integer": (Section.integer, 0),
    "strings": (Section.strings, []),
    "items": (Section.items, []),
    "sections": (Section.sections, []),
}


@pytest.mark.parametrize("conf", [{}, {"key": None}, {"KEY": None}])
@pytest.mark.parametrize("getter", GETTERS)
def test_null_counts_as_absent(getter: str, conf: dict[str, object]) -> None:
    call, default = GETTERS[getter]
    assert call(Section(conf), "key") == default
    assert not Section(conf).has("key")
    assert Section(conf).section("key").data == {}


@pytest.mark.parametrize(
    ("getter", "value", "problem"),
    [
        (Section.string, 5, "must be a string, not a number"),
        (Section.string, True, "must be a string, not a boolean"),
        (Section.string, ["a"], "must be a string, not a list"),
        (Section.boolean, "true", "must be true or false, not a string"),
        (Section.boolean, 1, "must be true or false, not a number"),
        (Section.integer, "1500", "must be a whole number, not a string"),
        (Section.integer, True, "must be a whole number, not a boolean"),
        (Section.integer, 1500.0, "must be a whole number, not a number with a fraction"),
        (Section.integer, -1, "must lie between 0 and 4294967295, not -1"),
        (Section.integer, 2**32, "must lie between 0 and 4294967295, not 4294967296"),
        (Section.strings, "a", "must be a list, not a string"),
        (Section.items, {}, "must be a list, not an object"),
        (Section.section, [], "must be an object, not a list"),
        (Section.open_section, "x", "must be an object, not a string"),
        (Section.required, "", "is required"),
        (Section.required, None, "is required"),
    ],
)
def test_a_wrong_type_or_range_is_refused(getter: Getter, value: object, problem: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        getter(Section({"key": value}, "ipam.ranges[0][1]"), "key")
    assert (caught.value.code, caught.value.msg) == (7, f"ipam.ranges[0][1].key: {problem}")


def test_the_path_of_nested_values() -> None:
    conf = Section({"ipam": {"ranges": [[{}], [{"subnet": 5}]], "names": ["a", 5], "list": [{}, 5]}})
    ipam = conf.section("ipam")
    with pytest.raises(InvalidConfig, match=r"^ipam\.ranges\[1\]\[0\]\.subnet: must be a string"):
        ipam.child("ranges[1][0]", {"subnet": 5}).string("subnet")
    with pytest.raises(InvalidConfig, match=r"^ipam\.names\[1\]: must be a string, not a number$"):
        ipam.strings("names")
    with pytest.raises(InvalidConfig, match=r"^ipam\.list\[1\]: must be an object, not a number$"):
        ipam.sections("list")


def test_keys_match_exactly_first_and_then_without_case() -> None:
    assert Section({"MTU": 1, "mtu": 2}).integer("mtu") == 2
    assert Section({"MTU": 1}).integer("mtu") == 1
    assert Section({"Ipam": {"SUBNET": "a"}}).section("ipam").string("subnet") == "a"


def test_two_spellings_of_which_none_is_exact_are_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"^mtu: is given as MTU and Mtu; keep one$"):
        Section({"MTU": 1, "Mtu": 2}).integer("mtu")


def test_unknown_keys_are_those_that_nobody_asked_for_with_the_nearest_known() -> None:
    conf = Section({"isGatway": 1, "ISGATEWAY": True, "ipam": {"rangestar": "x"}, "dns": {"x": 1}, "quite": 1})
    conf.boolean("isGateway")
    conf.section("ipam").string("rangeStart")
    conf.open_section("dns")
    assert conf.unknown() == [("isGatway", "isGateway"), ("quite", ""), ("ipam.rangestar", "rangeStart")]


def test_an_unknown_key_in_a_list_is_named_once() -> None:
    conf = Section({"routes": [{"dts": "a"}]})
    for _ in range(2):
        conf.sections("routes")[0].string("dst")
    assert conf.unknown() == [("routes[0].dts", "dst")]


def test_nearest() -> None:
    assert nearest("hairpinmode", {"hairpinMode", "promiscMode"}) == "hairpinMode"
    assert nearest("nothing", {"hairpinMode", "promiscMode"}) == ""


@given(objects, st.sampled_from([call for call, _ in GETTERS.values()]))
def test_no_document_raises_anything_but_code_7(document: dict[str, object], getter: Getter) -> None:
    conf = Section(document)
    for key in [*document, "absent"]:
        try:
            getter(conf, key)
        except CNIError as error:
            assert error.code == 7
            assert error.msg.startswith(key)
    conf.unknown()
