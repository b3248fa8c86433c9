"""An IPAM plugin whose every answer the test writes, in shell."""

from __future__ import annotations

import errno
import json
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.world.node import Node

_SECONDS = 20


class ScriptedIPAM:
    """`ScriptedIPAM(node, ADD=answer(...), DEL="exit 1")`: a verb without a script succeeds and says nothing."""

    type = "scripted"

    def __init__(self, node: Node, **scripts: str) -> None:
        self.directory: Path = node.dir / "scripted"
        self.directory.mkdir(exist_ok=True)
        self._log = self.directory / "calls"
        self._stdin = self.directory / "stdin"
        self._reached, self._go = self.directory / "reached", self.directory / "go"
        for fifo in (self._reached, self._go):
            os.mkfifo(fifo)
        self.write(**scripts)

    def write(self, **scripts: str) -> None:
        """Give it other answers."""
        cases = "".join(f"{verb}) {script} ;;\n" for verb, script in scripts.items())
        executable = self.directory / self.type
        executable.unlink(missing_ok=True)  # not overwritten while it runs
        executable.write_text(
            f'#!/bin/sh\ncat >{self._stdin}\necho "$CNI_COMMAND" >>{self._log}\n'
            f"reached={self._reached} go={self._go}\ncase $CNI_COMMAND in\n{cases}esac\n"
        )
        executable.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The verbs in the order they came."""
        return self._log.read_text().split() if self._log.exists() else []

    @property
    def stdin(self) -> dict[str, Any]:
        """What the last call was given."""
        found: dict[str, Any] = json.loads(self._stdin.read_text())
        return found

    def watch(self) -> int:
        """To be called before the script may run; then `wait` returns when it arrives at STOP."""
        return os.open(self._reached, os.O_RDONLY | os.O_NONBLOCK)

    def wait(self, watched: int) -> None:
        readable, _, _ = select.select([watched], [], [], _SECONDS)
        os.set_blocking(watched, True)
        while readable and os.read(watched, 64):
            pass  # to the end: while the writer has it open, the next one to watch would read this again
        os.close(watched)
        assert readable, f"{self.type} was not run to its STOP within {_SECONDS} s"

    def go_on(self) -> None:
        """Let the script that stands at its STOP run on."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                go = os.open(self._go, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError as error:  # ENXIO: it has said that it is there, and is about to read
                assert error.errno == errno.ENXIO and time.monotonic() < deadline, f"{self.type} is not at its STOP"
                time.sleep(0.001)
        os.write(go, b"\n")
        os.close(go)


STOP = "echo >$reached; read line <$go; "
"""A script that says that it was reached and then waits for `go_on`."""


def answer(*ips: str, **keys: Any) -> str:
    """A script that answers with these addresses; `keys` add to the result (routes, dns) or replace."""
    listed = [{"address": ip} for ip in ips]
    return f"cat <<'END'\n{json.dumps({'cniVersion': '1.1.0', 'ips': listed, **keys})}\nEND\n"


def failure(code: int, msg: str) -> str:
    """A script that fails with that error."""
    return f"echo '{json.dumps({'code': code, 'msg': msg})}'; exit 1"
