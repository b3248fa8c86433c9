"""HTML elements as text: everything that is no Markup is escaped, so that no report can forget it."""

from collections.abc import Iterable
from html import escape

from conformance.report import plain

VOID = ("meta", "input")


class Markup(str):
    """Text that is HTML already."""


Child = str | Iterable[str] | None


def tag(element: str, *children: Child, **attributes: object) -> Markup:
    """`<element …>children</element>`. A trailing underscore of an attribute's name is dropped, other underscores
    are hyphens; True is an attribute without value, None and False none."""
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in VOID:
        return Markup(f"<{element}{given}>")
    return Markup(f"<{element}{given}>{join(*children)}</{element}>")


def join(*children: Child) -> Markup:
    """The children one after the other."""
    return Markup(
        "".join(_text(part) for child in children for part in ([child] if isinstance(child, str) else child or ()))
    )


def _text(part: str) -> str:
    return part if isinstance(part, Markup) else escape(plain(part))


def _attribute(name: str, value: object) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(plain(str(value)))}"'
