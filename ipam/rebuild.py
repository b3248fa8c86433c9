"""The index made anew without the store's lock, as every lease is read for it, and by one at a time.

The store's directory first gets, under the lock, an mtime that no change will give it again. If it still has that one
when the index gets the same, nothing has changed meanwhile, and the index is current. Otherwise it is out of date as
before, and whoever looks reads all under the lock, and makes it anew there: so there is an end, however often others
change the store. Who finds another at it waits for that one, by a flock on the index's directory.
"""

from __future__ import annotations

import os

from cni.errors import IOFailure
from ipam import lookup
from ipam.directory import Directory
from ipam.index import Index, is_telling


def rebuild(path: str, place: str, wait: float) -> None:
    """Try it for the store at `path`; the index is at `place`. `wait`: in seconds, for each of two locks.

    Raises TryAgainLater (11): somebody holds the store's lock, or a signal ends the call.
    """
    index = Index(place, 0)
    try:
        if index.hold():
            _make(path, index, wait, os.path.basename(place))
        else:
            index.wait(wait)
    except (OSError, IOFailure):
        return  # a hint: what hinders it need not hinder a call
    finally:
        index.close()


def _make(path: str, index: Index, wait: float, key: str) -> None:
    store = Directory(path, wait)
    try:
        if store.key != key or index.is_of(store.mtime):
            return
        store.discard_unfinished()
        mtime = store.stamp()
        store.unlock()
        if is_telling(mtime):
            found, errors = lookup.contents(store)
            if not errors:
                index.rebuild(found, mtime)
    finally:
        store.close()
