"""JSON in, from bytes to a plain object: size, UTF-8, duplicate keys, NaN, text that is none.

RFC 8259 leaves duplicate keys open and forbids NaN; Go's and Python's decoders
each take a different one of two equal keys, so both are refused, with their path.
So are NUL and half of a surrogate pair, which no name in the kernel and no path can hold.

The C half of the standard library's json is used without its Python half, which imports re and enum (11 ms at
every pod); tests/unit/test_document.py holds both equal.
"""

from __future__ import annotations

from _json import encode_basestring, make_encoder, make_scanner

from cni.errors import DecodingFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

LIMIT = 8 << 20  # a network configuration of a thousand-port service mesh is under 1 MiB
_SPACE = " \t\n\r"
_UNFIT = "holds NUL or half of a surrogate pair"


class _Refused:
    def __init__(self, why: str) -> None:
        self.why = why


class _Hooks:
    """What the C scanner asks of a json.JSONDecoder."""

    strict = True
    object_hook = None
    parse_float = float
    parse_int = int

    def __init__(self, pairs: Callable[[list[tuple[str, object]]], object], constant: Callable[[str], object]) -> None:
        self.object_pairs_hook = pairs
        self.parse_constant = constant


def decode(data: bytes, what: str) -> dict[str, object]:
    """The JSON object in `data`; `what` names it in errors. Raises DecodingFailure (6)."""
    if len(data) > LIMIT:
        raise DecodingFailure(f"{what} is larger than {LIMIT} bytes", "is it really a CNI network configuration?")
    refused: list[_Refused] = []

    def constant(name: str) -> _Refused:
        refused.append(_Refused(f"{name} is not JSON"))
        return refused[-1]

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(items)
        if len(found) != len(items):
            seen = set()
            for key, _ in items:
                if key in seen:
                    refused.append(_Refused("this key is given twice; keep one"))
                    found[key] = refused[-1]
                seen.add(key)
        return found

    try:
        text = data.decode("utf-8")
        document = _parse(text, _Hooks(pairs, constant))
        # NUL and half a pair only come as escapes; what was refused may be gone under an outer duplicate
        problem = _find(document) if refused or "\\u" in text else ""
    except UnicodeDecodeError as error:
        raise DecodingFailure(f"{what} is not UTF-8", str(error)) from None
    except (ValueError, RecursionError) as error:
        raise DecodingFailure(f"{what} is not JSON", f"{error}; the first bytes are {data[:40]!r}") from None
    if refused or problem:
        raise DecodingFailure(f"{what}: {problem or refused[0].why}")
    if not isinstance(document, dict):
        raise DecodingFailure(f"{what} must be a JSON object", f"it is {kind(document)}")
    return document


def encode(document: dict[str, object]) -> str:
    """The form the reference prints: keys sorted, four spaces, no final newline."""
    return _written(document, "\n")


def compact(document: dict[str, object]) -> str:
    """In one line, keys as they come: for files that only programs read. Two thirds of the time of `encode`."""
    return "".join(_COMPACT(document, 0))


def kind(value: object) -> str:
    """What a person calls a JSON value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number" if isinstance(value, int) else "a number with a fraction"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _parse(text: str, hooks: _Hooks) -> object:
    """As json.loads does. Raises json.JSONDecodeError (a ValueError) in its words."""
    document = None
    try:
        document, end = make_scanner(hooks)(text, len(text) - len(text.lstrip(_SPACE)))  # type: ignore[arg-type]
        is_whole = not text[end:].strip(_SPACE)
    except (StopIteration, SystemError):  # SystemError: it knows its own exception only once json is imported
        is_whole = False
    if not is_whole:
        import json

        json.loads(text)  # raises: it says best what is wrong
    return document


def _written(value: object, line: str) -> str:
    """A value as json.dumps writes it; `line` is the line break and the indentation of what it stands in."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    inner = line + "    "
    if isinstance(value, dict):
        parts = [f"{encode_basestring(key)}: {_written(value[key], inner)}" for key in sorted(value)]
        begin, end = "{}"
    elif isinstance(value, (list, tuple)):
        parts = [_written(child, inner) for child in value]
        begin, end = "[]"
    else:
        _refuse(value)
    return f"{begin}{inner}{f',{inner}'.join(parts)}{line}{end}" if parts else begin + end


def _find(value: object, path: str = "") -> str:
    """`path: why` of the first value, or key, that is refused; "" where all are fine."""
    if isinstance(value, dict):
        children = [(f"{path}.{key}" if path else key, child) for key, child in value.items()]
        unfit = next(filter(_is_unfit, value), None)
    elif isinstance(value, list):
        children = [(f"{path}[{index}]", child) for index, child in enumerate(value)]
        unfit = None
    else:
        why = value.why if isinstance(value, _Refused) else _UNFIT if _is_unfit(value) else ""
        return f"{path}: {why}" if path and why else why
    if unfit is not None:
        return f"key {unfit!a}{' in ' + path if path else ''} {_UNFIT}"
    return next(filter(None, (_find(child, name) for name, child in children)), "")


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _is_unfit(value: object) -> bool:
    return isinstance(value, str) and ("\0" in value or any(0xD800 <= ord(letter) <= 0xDFFF for letter in value))


# The arguments of json.JSONEncoder: markers, default, encoder, indent, separators, sort_keys, skipkeys, allow_nan.
_COMPACT = make_encoder(None, _refuse, encode_basestring, None, ":", ",", False, False, True)
