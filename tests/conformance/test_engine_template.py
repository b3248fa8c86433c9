import pytest

from conformance import template


def test_places_are_filled_in_texts_keys_and_lists() -> None:
    value = {"${a}": ["x-${b}", {"k": "${a}${b}"}], "n": 1, "none": None}
    assert template.fill(value, {"a": "A", "b": "B"}) == {"A": ["x-B", {"k": "AB"}], "n": 1, "none": None}


def test_an_unknown_place_is_named() -> None:
    with pytest.raises(template.Unknown, match=r"\$\{of nothing\}"):
        template.fill(["${of nothing}"], {})


def test_places_are_found() -> None:
    assert sorted(template.places({"${a}": ["${b}", 1, {"c": "${a}"}]})) == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_as_in_the_appendix_of_rfc_7396(target: object, patch: object, merged: object) -> None:
    assert template.merge(target, patch) == merged


def test_merging_changes_no_argument() -> None:
    target = {"a": {"b": 1}}
    template.merge_all(target, [{"a": {"b": 2}}, {"a": {"c": 3}}])
    assert target == {"a": {"b": 1}}


def test_a_patch_for_a_dotted_path() -> None:
    assert template.at_path("ipam.type", "x") == {"ipam": {"type": "x"}}
