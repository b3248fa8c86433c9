"""A delegate made of shell, executed for real."""

from __future__ import annotations

from pathlib import Path

from cni.request import Request
from tests.unit.call import environment

CONF = b'{"cniVersion":"1.1.0",  "name":"net1","ipam":{"type":"toy"}}'


class Toy:
    """A delegate made of shell; `calls` are the verbs that it was executed with."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "toy"

    def __call__(self, script: str) -> str:
        self.path.write_text(f'#!/bin/sh\necho "$CNI_COMMAND" >>{self.directory}/calls\n{script}\n')
        self.path.chmod(0o755)
        return str(self.path)

    @property
    def calls(self) -> list[str]:
        return (self.directory / "calls").read_text().split()


def request_of(conf: bytes = CONF, **environ: str) -> Request:
    return Request.read({**environment("ADD"), "PATH": "/usr/bin:/bin", **environ}, conf)
