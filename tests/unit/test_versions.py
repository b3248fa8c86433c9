"""Which versions there are and which verb came with which (SPEC section 2; reference: pkg/version, pkg/skel)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import DecodingFailure, IncompatibleVersion
from cni.request import REQUIRED
from cni.versions import SUPPORTED, has_ip_version, is_single_address, parse, require

ALL = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def test_supported_are_the_seven_released_versions_in_their_order() -> None:
    assert SUPPORTED == ALL


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("verb", REQUIRED)
def test_check_came_with_0_4_0_and_gc_and_status_with_1_1_0(verb: str, version: str) -> None:
    first = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}.get(verb, "0.1.0")
    if ALL.index(version) >= ALL.index(first):
        require(verb, version)
        return
    with pytest.raises(IncompatibleVersion) as caught:
        require(verb, version)
    assert (caught.value.code, caught.value.msg) == (1, f"config version does not allow {verb}")
    assert caught.value.details == f'config is "{version}", {verb} came with "{first}"'


@pytest.mark.parametrize("version", ["0.5.0", "1.2.0", "1.1", "1", "01.1.0", "1.1.0 ", "v1.1.0", "9.9.9"])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_a_version_must_be_supported_exactly(verb: str, version: str) -> None:
    with pytest.raises(IncompatibleVersion) as caught:
        require(verb, version)
    assert (caught.value.code, caught.value.msg) == (1, "incompatible CNI versions")
    supported = '["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]'
    assert caught.value.details == f'config is "{version}", plugin supports {supported}'


@pytest.mark.parametrize("version", ["", "a.b.c", "1.1.0.0", "1..0", "-1.0.0", "1.1.0-rc1", " 1.1.0", "1.\u0661.0"])
@pytest.mark.parametrize("verb", ["CHECK", "GC", "STATUS"])
def test_a_version_that_is_none_cannot_be_decoded(verb: str, version: str) -> None:
    with pytest.raises(DecodingFailure) as caught:
        require(verb, version)
    assert caught.value.code == 6
    assert repr(version) in caught.value.msg


def test_short_versions_are_filled_up() -> None:
    assert (parse("1"), parse("1.2"), parse("1.2.3")) == ((1, 0, 0), (1, 2, 0), (1, 2, 3))


@given(st.tuples(*[st.integers(0, 10**6)] * 3))
def test_parse_is_the_inverse_of_writing(numbers: tuple[int, int, int]) -> None:
    assert parse(".".join(map(str, numbers))) == numbers


def test_shapes_of_results() -> None:
    assert [version for version in ALL if is_single_address(version)] == ["0.1.0", "0.2.0"]
    assert [version for version in ALL if has_ip_version(version)] == ["0.3.0", "0.3.1", "0.4.0"]
