"""JSON in, from bytes to a plain object: size, UTF-8, duplicate keys, NaN, text that is none.

RFC 8259 leaves duplicate keys open and forbids NaN; Go's and Python's decoders
each take a different one of two equal keys, so both are refused, with their path.
So are NUL and half of a surrogate pair, which no name in the kernel and no path can hold.
"""

from __future__ import annotations

import json

from cni.errors import DecodingFailure

LIMIT = 8 << 20  # a network configuration of a thousand-port service mesh is under 1 MiB
_UNFIT = "holds NUL or half of a surrogate pair"


class _Refused:
    def __init__(self, why: str) -> None:
        self.why = why


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
        document = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
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
    return json.dumps(document, indent=4, sort_keys=True, ensure_ascii=False)


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


def _is_unfit(value: object) -> bool:
    return isinstance(value, str) and ("\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value))
