"""The index made anew. That reads every lease, so it is done without the store's lock, and by one at a time.

The store's directory first gets, under the lock, an mtime that no change will give it again. If it still has that one
when the index gets the same, nothing has changed meanwhile, and the index is current; if not, it is out of date as
before, and whoever looks reads all. The others wait for who rebuilds, as each would do the same: by a flock on the
index's directory, which nobody else takes.
"""

from __future__ import annotations

import os

from ipam import snapshot
from ipam.directory import Directory
from ipam.index import Index, is_telling


def rebuild(path: str, place: str, wait: float) -> None:
    """Of the store at `path`, at `place`; where that cannot be, nothing. Raises IOFailure (5), TryAgainLater (11)."""
    index = Index(place, 0)
    try:
        index.hold(wait)
        mtime = _stamp(path, index, wait, os.path.basename(place))
        if is_telling(mtime):
            found, errors = snapshot.contents(path)
            if not errors:
                index.rebuild(found, mtime)
    except OSError:
        return
    finally:
        index.close()


def _stamp(path: str, index: Index, wait: float, key: str) -> int:
    """The mtime that the store's directory now has, in ns; 0 where there is nothing to do, or another store by now."""
    store = Directory(path, wait)
    try:
        if store.key != key or index.is_of(store.mtime):
            return 0
        store.discard_unfinished()
        return store.stamp()
    finally:
        store.close()
