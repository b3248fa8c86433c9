"""What a person reads: tables, JSON, questions."""

from __future__ import annotations

import json
import sys


def say(text: str) -> None:
    """A line on stdout, UTF-8 whatever the locale."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def complain(text: str) -> None:
    sys.stderr.write(text.encode("ascii", "backslashreplace").decode() + "\n")


def document(value: object) -> None:
    say(json.dumps(value, indent=2))


def table(rows: list[list[str]]) -> None:
    """The first row is the head; a column in which no row has anything is left out."""
    columns = [column for column in range(len(rows[0])) if any(row[column] for row in rows[1:])]
    widths = [max(len(row[column]) for row in rows) for column in columns]
    for row in rows:
        say("  ".join(row[column].ljust(width) for column, width in zip(columns, widths, strict=True)).rstrip())


def count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def agrees(question: str) -> bool:
    """Whether the person says yes; no answer is no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        complain("\nnobody answers, which is no: --yes does not ask")
    return answer.strip().lower() in ("y", "yes")
