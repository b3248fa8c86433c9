"""Hypothesis strategies for what a schema of ours describes, and for what it nearly describes.

Knows the keywords that cni/schemas uses for values; what it passes over (if, oneOf, not) is left to chance.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cni_veth.schema import load

SCHEMAS = load()
Schema = dict[str, Any]

# Texts that a pattern alone would hardly ever hit.
TEXTS = {
    "types.json#/$defs/address": st.sampled_from(
        ["10.1.0.0/16", "10.2.0.0/24", "fd01::/64", "0.0.0.0/0", "::/0", "10.1.2.3/24", "10.1.0.0/31", "10.1.0.0/33"]
    ),
    "types.json#/$defs/ip": st.sampled_from(["10.1.0.1", "10.2.0.9", "fd01::1", "10.1.0", "::ffff:10.1.0.1"]),
    "ipam.json#/$defs/ip": st.sampled_from(["", "10.1.0.1", "10.1.255.9", "10.2.0.9", "fd01::1", "10.1.0"]),
    "ipam.json#/$defs/exclude": st.lists(
        st.sampled_from(["10.1.0.5", "10.1.0.0/24", "10.1.0.5-10.1.0.9", "fd01::5", "x"])
    ),
}
JUNK = st.sampled_from(
    [
        None, True, False, 0, 1, -1, 5000, 70000, 2**32, 1.0, 0.5, "", "x", "10.1.0.1", "a b", "0\n", [], [None],
        ["10.1.0.5"], {}, {"x": 1},
    ]
)  # fmt: skip

LETTERS = st.characters(codec="utf-8", exclude_characters="\0")  # what cni.document lets through


def resolve(reference: str, file: str) -> tuple[Schema, str]:
    """The schema that a $ref in `file` means, and its file."""
    name, _, pointer = reference.partition("#")
    schema = SCHEMAS[name or file]
    for step in pointer.split("/")[1:]:
        schema = schema[step]
    return schema, name or file


def instances(schema: Schema, file: str, junk: st.SearchStrategy[Any] = JUNK) -> st.SearchStrategy[Any]:
    """Mostly what the schema takes; one value in twenty or so is of `junk`."""
    return st.integers(0, 19).flatmap(lambda number: junk if number == 19 else _right(schema, file, junk))


def _right(schema: Schema, file: str, junk: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        reference = schema["$ref"]
        full = reference if not reference.startswith("#") else file + reference
        return TEXTS[full] if full in TEXTS else _right(*resolve(reference, file), junk)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema.get("type", ["object"])
    return st.sampled_from([types] if isinstance(types, str) else types).flatmap(
        lambda kind: _of(kind, schema, file, junk)
    )


def _of(kind: str, schema: Schema, file: str, junk: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        edges = [schema["minimum"], schema["maximum"], schema["minimum"] - 1, schema["maximum"] + 1]
        return st.integers(schema["minimum"], schema["maximum"]) | st.sampled_from(edges)
    if kind == "string":
        return (
            st.from_regex(schema["pattern"], alphabet=LETTERS)
            if "pattern" in schema
            else st.sampled_from(["", "a", "cni-ipam", "static"])
        )
    if kind == "array":
        return st.lists(instances(schema["items"], file, junk), max_size=3)
    properties = {key: instances(value, file, junk) for key, value in schema.get("properties", {}).items()}
    required = {key: properties.pop(key) for key in list(properties) if key in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=properties)
