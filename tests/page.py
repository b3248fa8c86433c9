"""What the reader of the demo sees: numbered steps, and under each what held and what did not."""

from __future__ import annotations

import json
import sys
from typing import Any


class Page:
    """Prints as the story goes and counts the claims; coloured on a terminal only."""

    def __init__(self) -> None:
        self.steps = 0
        self.held = 0
        self.broken = 0
        self._is_coloured = sys.stdout.isatty()

    def step(self, title: str) -> None:
        self.steps += 1
        print(f"\n{self._in('1', f'{self.steps:2}. {title}')}")

    def tell(self, subject: str, text: str) -> None:
        print(f"      {subject:<22} {text}")

    def show(self, document: dict[str, Any]) -> None:
        for line in _layout(document):
            print(self._in("2", f"      {line}"))

    def claim(self, subject: str, text: str, holds: bool, otherwise: object = "") -> bool:
        """A line with its verdict; `otherwise` says what was found where it does not hold."""
        self.held += holds
        self.broken += not holds
        print(f"  {self._in('32', 'ok') if holds else self._in('31', 'NO')}  {subject:<22} {text}")
        if not holds and otherwise:
            print(self._in("31", f"      found: {otherwise}"))
        return holds

    def end(self) -> int:
        """The exit code: 0 only if every claim held."""
        verdict = self._in("32", "all held") if not self.broken else self._in("31", f"{self.broken} did NOT hold")
        print(f"\nDemo: {self.held + self.broken} claims in {self.steps} steps, {verdict}.")
        return 1 if self.broken else 0

    def _in(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._is_coloured else text


def _layout(value: object, width: int = 110, key: str = "") -> list[str]:
    """JSON, with on one line what fits there."""
    line = key + json.dumps(value)
    if len(line) <= width or not isinstance(value, dict | list):
        return [line]
    items = [(f"{json.dumps(name)}: ", item) for name, item in value.items()] if isinstance(value, dict) else []
    blocks = [_layout(item, width - 2, name) for name, item in items or [("", item) for item in value]]
    for block in blocks[:-1]:
        block[-1] += ","
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return [key + opening, *(f"  {line}" for block in blocks for line in block), closing]
