"""The toy plugin run as a runtime runs a plugin, and what it left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from cni_veth.schema import validator

REPOSITORY = Path(__file__).resolve().parents[2]
TOY = [sys.executable, "-I", "-S", str(Path(__file__).with_name("toy_plugin.py")), str(REPOSITORY)]
ERROR = validator("error.json")
CONF = {"cniVersion": "1.1.0", "name": "net1", "type": "toy"}


class Answer:
    """What the process left behind; `calls` are those that reached the plugin."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.stdout = done.stdout
        self.stderr = done.stderr.decode("utf-8", "replace")
        lines = [line for line in self.stderr.splitlines() if line.startswith('{"verb"')]
        self.calls: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def error(self, code: int) -> dict[str, Any]:
        """The only document on stdout is an error with that code."""
        document: dict[str, Any] = json.loads(self.stdout)
        assert list(ERROR.iter_errors(document)) == []
        assert (self.code, document["code"]) == (1, code), document
        return document


def toy(
    environ: dict[str, str],
    conf: dict[str, Any] | str | bytes = b"",
    *arguments: str,
    stdin: int | IO[bytes] | None = None,
    stdout: int = subprocess.PIPE,
) -> Answer:
    data = conf if isinstance(conf, bytes) else (conf if isinstance(conf, str) else json.dumps(conf)).encode()
    given: dict[str, Any] = {"input": data} if stdin is None else {"stdin": stdin}
    done = subprocess.run([*TOY, *arguments], env=environ, stdout=stdout, stderr=subprocess.PIPE, timeout=60, **given)
    return Answer(done)
