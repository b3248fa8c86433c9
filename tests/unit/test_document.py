"""JSON from bytes: what is refused, and that the error says where."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.document import LIMIT, compact, decode, encode, kind
from cni.errors import DecodingFailure

REPOSITORY = Path(__file__).resolve().parents[2]

# As json.loads gives it: no lone surrogates, no NUL, whole numbers of the size that JSON numbers have elsewhere.
text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=12
)
objects = st.dictionaries(text, values, max_size=4)


def failure(data: bytes) -> DecodingFailure:
    with pytest.raises(DecodingFailure) as caught:
        decode(data, "stdin")
    assert caught.value.code == 6
    return caught.value


@given(objects)
def test_any_object_is_decoded_as_the_standard_library_does(document: dict[str, object]) -> None:
    assert decode(json.dumps(document).encode(), "x") == document
    assert decode(encode(document).encode(), "x") == document


@given(objects)
def test_any_object_is_encoded_as_the_standard_library_does(document: dict[str, object]) -> None:
    assert encode(document) == json.dumps(document, indent=4, sort_keys=True, ensure_ascii=False)


@given(objects)
def test_any_object_is_compact_as_the_standard_library_has_it(document: dict[str, object]) -> None:
    assert compact(document) == json.dumps(document, separators=(",", ":"), ensure_ascii=False)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_code_6(data: bytes) -> None:
    try:
        assert isinstance(decode(data, "x"), dict)
    except DecodingFailure as error:
        assert error.msg.startswith("x")


near_json = st.text(st.sampled_from('{}[]":,\\u0d8a 1eE+-.NanIfity\ttrue\n\r\f\ufeff'), max_size=40)


@given(near_json)
def test_no_near_json_raises_anything_but_code_6(data: str) -> None:
    try:
        assert decode(data.encode(), "x") == json.loads(data)
    except DecodingFailure:
        pass


@given(near_json | st.builds("{}{}{}".format, near_json, objects.map(json.dumps), near_json))
def test_what_is_no_json_is_told_in_the_words_of_the_standard_library(data: str) -> None:
    try:
        json.loads(data)
    except ValueError as error:
        assert failure(data.encode()).details.startswith(f"{error}; the first bytes are ")
    else:
        try:
            decode(data.encode(), "stdin")
        except DecodingFailure as refused:  # JSON, and yet no configuration
            assert refused.msg != "stdin is not JSON"


FRESH = """
import sys
from cni.document import decode
assert "json" not in sys.modules
try:
    decode(sys.stdin.buffer.read(), "stdin")
except ValueError as error:
    raise AssertionError from error
except Exception as error:
    print(type(error).__name__, error.details)
"""


@pytest.mark.parametrize(
    "data", ["", "{", '{"name": "net"', '{"a": 1,}', "{} {}", '{"a": "\t"}', '{"a": "\\x"}', "[1 2]"]
)
def test_a_process_that_has_not_imported_json_says_the_same(data: str) -> None:
    """The scanner in C takes its exception from sys.modules; without one it leaves none set."""
    command = [sys.executable, "-c", FRESH]
    done = subprocess.run(command, input=data, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout == f"DecodingFailure {failure(data.encode()).details}\n"


@pytest.mark.parametrize("value", [{1, 2}, b"", object()], ids=["set", "bytes", "object"])
def test_what_json_cannot_hold_is_a_type_error_as_in_the_standard_library(value: object) -> None:
    with pytest.raises(TypeError) as theirs:
        json.dumps({"a": value})
    with pytest.raises(TypeError, match=f"^{re.escape(str(theirs.value))}$"):
        encode({"a": [value]})


@given(objects, st.data())
def test_a_key_given_twice_is_refused_wherever_it_stands(document: dict[str, object], data: st.DataObject) -> None:
    key = data.draw(text, "key")
    path = data.draw(st.lists(st.sampled_from(["a", "b", "list"]), max_size=3), "path")
    twice = f'{{"x": 1, {json.dumps(key)}: {json.dumps(document)}, {json.dumps(key)}: 2}}'
    if key == "x":
        return
    for step in reversed(path):
        twice = f'{{"{step}": {twice}}}' if step != "list" else f'{{"list": [0, {twice}]}}'
    where = "".join(f".{step}[1]" if step == "list" else f".{step}" for step in path)
    assert failure(twice.encode()).msg == f"stdin: {f'{where}.{key}'[1:]}: this key is given twice; keep one".replace(
        "stdin: : this",
        "stdin: this",  # the empty key at the top has no path
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"mtu": 1, "mtu": 1}', "stdin: mtu: this key is given twice; keep one"),
        (
            '{"ipam": {"ranges": [[{"subnet": "a"}, {"subnet": "b", "subnet": "c"}]]}}',
            "stdin: ipam.ranges[0][1].subnet: this key is given twice; keep one",
        ),
        ('{"a": {"b": 1, "b": NaN}}', "stdin: a.b: this key is given twice; keep one"),
        # the refused value itself is gone under an outer duplicate, which is told instead
        ('{"a": {"b": 1, "b": 2}, "a": 3}', "stdin: a: this key is given twice; keep one"),
        ('{"ipam": [NaN]}', "stdin: ipam[0]: NaN is not JSON"),
        ('{"mtu": Infinity}', "stdin: mtu: Infinity is not JSON"),
        ('{"mtu": -Infinity}', "stdin: mtu: -Infinity is not JSON"),
        ("NaN", "stdin: NaN is not JSON"),
        ("[]", "stdin must be a JSON object"),
        ("null", "stdin must be a JSON object"),
        ('"text"', "stdin must be a JSON object"),
        ("", "stdin is not JSON"),
        ("{", "stdin is not JSON"),
        ('{"a": 1} {"b": 2}', "stdin is not JSON"),
        ('{"a": 1,}', "stdin is not JSON"),
        ("{'a': 1}", "stdin is not JSON"),
        ('{"a": "\t"}', "stdin is not JSON"),
        ("\ufeff{}", "stdin is not JSON"),
        ("[" * 200_000, "stdin is not JSON"),
        ('{"a":' * 200_000, "stdin is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "stdin is not JSON"),
        ('{"bridge": "cni\\u00000"}', "stdin: bridge: holds NUL or half of a surrogate pair"),
        ('{"ipam": {"ranges": ["\\ud83d"]}}', "stdin: ipam.ranges[0]: holds NUL or half of a surrogate pair"),
        ('{"a": {"\\udc00": 1}}', "stdin: key '\\udc00' in a holds NUL or half of a surrogate pair"),
        ('{"\\u0000": 1}', "stdin: key '\\x00' holds NUL or half of a surrogate pair"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_what_is_refused(data: str, message: str) -> None:
    assert failure(data.encode()).msg == message


def test_not_utf_8() -> None:
    assert failure(b'{"name": "\xff"}').msg == "stdin is not UTF-8"
    assert failure('{"name": "ü"}'.encode("utf-16")).msg == "stdin is not UTF-8"


def test_larger_than_the_limit() -> None:
    largest = b'{"a": "%s"}' % (b"x" * (LIMIT - 9))
    assert len(largest) == LIMIT
    decode(largest, "stdin")
    assert failure(largest + b" ").msg == f"stdin is larger than {LIMIT} bytes"


def test_a_whole_surrogate_pair_is_one_letter() -> None:
    assert decode(b'{"a": "\\ud83d\\ude00 \\\\u0000"}', "x") == {"a": "\U0001f600 \\u0000"}


def test_encoded_with_sorted_keys_and_readable_text() -> None:
    assert encode({"b": [1, "ü"], "a": {}}) == '{\n    "a": {},\n    "b": [\n        1,\n        "ü"\n    ]\n}'


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "a boolean"),
        (0, "a number"),
        (1.5, "a number with a fraction"),
        ("", "a string"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_what_a_person_calls_a_type(value: object, name: str) -> None:
    assert kind(value) == name
