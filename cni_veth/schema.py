"""What a document breaks of the JSON Schemas in cni/schemas, in words a person understands.

Nothing of this is loaded when a runtime calls: the plugins read their configuration with typed getters
(cni/conf.py), and a test holds that both agree.
"""

from __future__ import annotations

import json
import os

import cni
from cni.conf import nearest
from cni.document import kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from jsonschema import Draft202012Validator, ValidationError

DIRECTORY = os.path.join(os.path.dirname(cni.__file__), "schemas")
CONFIGURATIONS = ("conf.json", "conflist.json", "veth.json", "ipam.json")
TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "object": "an object",
    "string": "a string",
}


class Problem:
    """`path` is dotted: "plugins[0].ipam.ranges[0][0].subnet". A vague one says that the value does not
    fit and what the key is for; whoever knows better why should say it instead."""

    __slots__ = ("is_vague", "path", "text")

    def __init__(self, path: str, text: str, is_vague: bool = False) -> None:
        self.path = path
        self.text = text
        self.is_vague = is_vague


def load() -> dict[str, dict[str, Any]]:
    """Every schema by its file name, which is its $id too."""
    found = {}
    for name in sorted(os.listdir(DIRECTORY)):
        with open(os.path.join(DIRECTORY, name), "rb") as file:
            found[name] = json.load(file)
    return found


def validator(name: str) -> Draft202012Validator:
    """Of one schema; references are followed within the directory and nowhere else."""
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    schemas = load()
    resources = [(key, DRAFT202012.create_resource(schema)) for key, schema in schemas.items()]
    return Draft202012Validator(schemas[name], registry=Registry().with_resources(resources))


def problems(document: object, name: str) -> list[Problem]:
    """All at once, in the order of the document as far as the schema goes through it."""
    return [problem for error in validator(name).iter_errors(document) for problem in _explain(error)]


def canonical(document: dict[str, Any]) -> dict[str, Any]:
    """The document with known keys spelt as the schemas spell them: a schema cannot ignore case, plugins do.

    Where a key stands there in both spellings the right one counts, and the other is left to be found unknown.
    """
    schemas = load()
    spellings = {key.lower(): key for name in CONFIGURATIONS for key in _keys(schemas[name])}
    spelt: dict[str, Any] = _spelt(document, spellings)
    return spelt


def dotted(steps: Iterator[str | int]) -> str:
    """("plugins", 0, "mtu") -> "plugins[0].mtu"."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _keys(schema: object) -> Iterator[str]:
    """Every key that a schema names under `properties`, at any depth."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in schema.values():
            yield from _keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keys(value)


def _spelt(value: Any, spellings: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_spelt(item, spellings) for item in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, item in value.items():
        right = spellings.get(key.lower()) or key
        found[key if right in value or right in found else right] = _spelt(item, spellings)
    return found


def _explain(error: ValidationError) -> Iterator[Problem]:
    """One error of jsonschema is several problems where it stands for several keys."""
    path, value, schema = dotted(iter(error.absolute_path)), error.instance, error.schema
    if error.validator == "required":
        for key in error.validator_value:
            if key not in value:
                yield Problem(f"{path}.{key}".removeprefix("."), "is required")
    elif error.validator == "additionalProperties" and error.validator_value is False:
        for key in value:
            if key not in schema["properties"] and not key.startswith("cni.dev/"):
                near = nearest(key, set(schema["properties"]))
                yield Problem(
                    f"{path}.{key}".removeprefix("."), f"unknown key{f'; did you mean {near}?' if near else ''}"
                )
    else:
        words = _words(error.validator, value, schema)
        purpose = f" ({schema['description']})" if "description" in schema else ""
        yield Problem(path, f"{words or f'{json.dumps(value)} does not fit'}{purpose}", not words)


def _words(keyword: str, value: object, schema: dict[str, Any]) -> str:
    """What is wrong with the value, "" where the keyword alone does not tell."""
    if keyword == "type":
        types = schema["type"]
        wanted = [TYPES[name] for name in (types if isinstance(types, list) else [types]) if name != "null"]
        return f"must be {' or '.join(wanted)}, not {kind(value)}"
    if keyword in ("minimum", "maximum"):
        return f"must lie between {schema['minimum']} and {schema['maximum']}, not {value}"
    if keyword == "enum":
        choices = ", ".join(json.dumps(choice) for choice in schema["enum"] if choice)
        return f"must be one of {choices}, not {json.dumps(value)}"
    if keyword == "minItems":
        return "must not be empty"
    return ""
