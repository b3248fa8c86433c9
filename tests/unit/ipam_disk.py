"""A store on disk: what lies in it, opening it again, and system calls that fail."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from ipam import lock, reclaim, snapshot
from ipam.failure import report
from ipam.lease import Owner, of_others
from ipam.store import Store

INDEXES = "run/ipam"


def files(network: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in network.iterdir()}


def make(data_dir: Path | str, wait: float = lock.WAIT) -> Store:
    """The store of net1, opened; the indexes lie beside it."""
    return Store.make(str(data_dir), "net1", f"{data_dir}/{INDEXES}", wait)


def reopen(network: Path) -> Store:
    found = Store.find(str(network.parent), network.name, str(network.parent / INDEXES))
    assert found is not None
    return found


def collect(network: Path, *owners: Owner) -> None:
    """As GC does with such a list."""
    contents, errors = snapshot.contents(str(network))
    assert errors == []
    reclaim.remove_contents(of_others(contents, set(owners)), lambda: reopen(network), errors)
    report("release", str(network), errors)


def drift(network: Path) -> list[str]:
    """What the index that the verbs use says wrongly; also where it is not up to date."""
    place = str(network.parent.parent / INDEXES)
    store = Store.find(str(network.parent), network.name, place, is_indexed=False)
    assert store is not None
    with store:
        return store.drift() if store.is_indexed else ["it is out of date"]


def abandon(store: Store) -> None:
    """As a kill does: its descriptors are closed, no more."""
    store.close()


def is_locked(network: Path) -> bool:
    with (network / "lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def fail_with(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


class Listings:
    """How often the store was listed since it was last asked: never, where the index was believed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._number = 0
        self._listdir = os.listdir
        monkeypatch.setattr(os, "listdir", self._count)

    def _count(self, path: int | str = ".") -> list[str]:
        names = self._listdir(path)
        self._number += isinstance(path, int) and "lock" in names  # by a descriptor: not this test's own
        return names

    def since(self) -> int:
        number, self._number = self._number, 0
        return number
