"""A store on disk: what lies in it, opening it again, and system calls that fail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ipam.store import Store


def files(network: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in network.iterdir()}


def reopen(network: Path) -> Store:
    found = Store.find(str(network.parent), network.name)
    assert found is not None
    return found


def fail_with(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail
