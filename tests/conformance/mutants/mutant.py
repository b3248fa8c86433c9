"""mutants.json, and the plugins that it describes."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RIGHT = HERE / "right"
PROFILE = HERE / "profile.json"


@dataclass(frozen=True)
class Mutant:
    """`lines`: where its replacements are in the files of right/, as (module, line)."""

    id: str
    fault: str
    versions: tuple[str, ...]
    failed_by: frozenset[str]
    sources: dict[str, str]
    lines: frozenset[tuple[str, int]]


def right_sources() -> dict[str, str]:
    """Text by module."""
    return {path.stem: path.read_text() for path in sorted(RIGHT.glob("*.py"))}


def read() -> list[Mutant]:
    """Raises ValueError for a text to be replaced that is not there, or more than once."""
    right = right_sources()
    return [_made(one, right) for one in json.loads((HERE / "mutants.json").read_text())["mutants"]]


def _made(one: dict[str, Any], right: dict[str, str]) -> Mutant:
    sources, lines = dict(right), set()
    for replacement in one["replacements"]:
        old = replacement["old"]
        places = [module for module, text in right.items() for _ in range(text.count(old))]
        if len(places) != 1:
            raise ValueError(f"mutant {one['id']}: in {places or 'no file'}: {old!r}")
        (module,) = places
        first = right[module][: right[module].index(old)].count("\n") + 1
        lines |= {(module, first + number) for number in range(old.count("\n") + 1)}
        sources[module] = sources[module].replace(old, replacement["new"])
    versions, failed_by = tuple(one.get("versions", ["1.1.0"])), frozenset(one["failed by"])
    return Mutant(one["id"], one["fault"], versions, failed_by, sources, frozenset(lines))


def write(sources: dict[str, str], directory: Path) -> Path:
    """The plugin as files; its executable."""
    directory.mkdir(parents=True)
    for module, text in sources.items():
        # The interpreter of the tests, for whatever `env` finds may be another or slow to start.
        (directory / f"{module}.py").write_text(text.replace("/usr/bin/env -S python3", sys.executable))
    executable = directory / "right.py"
    executable.chmod(0o755)
    return executable
