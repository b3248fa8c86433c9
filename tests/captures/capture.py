"""What real runtimes sent to the reference plugins, and what those answered (data/README.md)."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_DATA = Path(__file__).with_name("data")
CLIENTS = tuple(sorted(path.stem for path in _DATA.glob("*.jsonl")))

Attachment = tuple[str, str, str]
"""(network, container_id, ifname)"""


class Call:
    """One line of a capture."""

    def __init__(self, line: str, where: str) -> None:
        recorded = json.loads(line)
        self.where = where
        self.plugin: str = recorded["plugin"]
        self.caller: str = recorded["client"]
        self.env: dict[str, str] = recorded["env"]
        self.stdin: str = recorded["stdin"]
        self.stdout: str = recorded["stdout"]
        self.code: int = recorded["rc"]
        self.conf: dict[str, Any] = json.loads(self.stdin)

    @property
    def verb(self) -> str:
        return self.env["CNI_COMMAND"]

    @property
    def netns(self) -> str:
        return self.env["CNI_NETNS"]

    @property
    def container_id(self) -> str:
        return self.env["CNI_CONTAINERID"]

    @property
    def is_delegated(self) -> bool:
        """Executed by a plugin, not by the runtime."""
        return self.caller == "bridge"

    @property
    def attachment(self) -> Attachment:
        return self.conf["name"], self.container_id, self.env["CNI_IFNAME"]

    def __repr__(self) -> str:
        return f"{self.where} {self.plugin} {self.verb} of {self.caller}"


@functools.cache
def calls(client: str) -> tuple[Call, ...]:
    """Everything that one client made happen, in its order."""
    lines = (_DATA / f"{client}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Call(line, f"{client}.jsonl:{number}") for number, line in enumerate(lines, 1))


def living(sequence: Sequence[Call], plugin: str) -> set[Attachment]:
    """The attachments of a plugin that were added and never deleted."""
    found: set[Attachment] = set()
    for call in sequence:
        if call.plugin == plugin and call.verb in ("ADD", "DEL"):
            (found.add if call.verb == "ADD" else found.discard)(call.attachment)
    return found
