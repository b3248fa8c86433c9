"""What strace(1) tells of a call: every system call from the first one on a directory."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

TELL = ["-f", "-q", "-y", "-s", "4096"]
"""Options that make a log for `read`."""

FIRST = ("openat", "mkdir")
LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
UNFINISHED = " <unfinished ...>"
RESULT = re.compile(r"\) += ((-?\d+).*|\?)$")
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\d+|AT_FDCWD)<([^>]*)>|([^,\s][^,]*)')


class Call(NamedTuple):
    name: str
    number: int
    """Which one of that name of its thread, from 1: what inject= counts."""
    text: str
    """Arguments, ")" and result, as strace shows them; a descriptor with its path in angle brackets."""

    @property
    def makes(self) -> bool:
        """Whether an openat(2) makes the file."""
        return "|O_CREAT" in self.text

    @property
    def is_done(self) -> bool:
        """Whether it succeeded."""
        found = RESULT.search(self.text)
        return bool(found and found[2]) and int(found[2]) >= 0

    def arguments(self) -> list[bytes]:
        """A string is its bytes, a descriptor its path, anything else its text."""
        text = RESULT.sub("", self.text)
        return [_bytes(*found.groups()) for found in WORD.finditer(text)]


def read(log: Path, within: Path) -> list[Call]:
    """From the first one that opens or makes the directory or what lies in it, to the end of that thread."""
    calls: list[Call] = []
    counts: Counter[tuple[str, str]] = Counter()
    thread = ""
    for line in log.read_text().splitlines():
        if (resumed := RESUMED.match(line)) and resumed[1] == thread:
            calls[-1] = calls[-1]._replace(text=calls[-1].text + resumed[2])
            continue
        found = LINE.match(line)
        if found is None:
            continue
        pid, name, text = found.groups()
        counts[pid, name] += 1
        if not thread and name in FIRST and str(within) in text:
            thread = pid
        if pid == thread:
            calls.append(Call(name, counts[pid, name], text.removesuffix(UNFINISHED)))
    return calls


def _bytes(string: str | None, _: str | None, path: str | None, other: str | None) -> bytes:
    if string is not None:
        return codecs.escape_decode(string.encode())[0]  # type: ignore[attr-defined,no-any-return]
    return (path if path is not None else other or "").encode()
