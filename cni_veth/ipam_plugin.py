"""The IPAM delegate of one call: a program in CNI_PATH, or our own in this process.

Where `ipam.type` resolves to our own executable there is no second process: same request, same files,
same errors, 40 ms less.
"""

from __future__ import annotations

import os
import sys

from cni import delegate
from cni.request import Request
from cni.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

OWN_TYPES = ("cni-ipam", "host-local")


class IPAM:
    """Finds the delegate when made: a missing one is told before anything is touched."""

    def __init__(self, request: Request, plugin_type: str) -> None:
        self._request = request
        self._has_reserved = False
        self._conf: object = None
        self._executable = delegate.find(plugin_type, request.path)
        self._own = _own_plugin() if plugin_type in OWN_TYPES and _is_own(self._executable) else None
        if self._own is None:
            request.caller.expect_delay(f"{self._executable} has a process of its own and may take its time")

    def validate(self) -> None:
        """Our own reads its section before anything is touched; a foreign one does so in its ADD."""
        if self._own is not None:
            self._conf = validate_own(self._request)

    def add(self, host_link: str) -> Result:
        """`host_link` is the name of the host's end of the pod's link: while it is there no lease of ours is dead."""
        if self._own is not None:
            self._request.host_link = host_link
            result: Result = self._own.add(self._request, self._reserved, self._conf, self._found)
            return result
        self._has_reserved = True  # before it is: a signal may come right behind
        try:
            return delegate.add(self._executable, self._request)
        except BaseException:
            self._has_reserved = False  # its DEL has been run
            raise

    def _reserved(self, result: Result) -> None:
        self._has_reserved = True

    def _found(self, result: Result) -> None:
        """The leases were there before this ADD, so they stay whatever becomes of it."""

    def take_back(self) -> None:
        """The undo of `add`: nothing where that failed, for a lease found then is another attachment's."""
        if self._has_reserved:
            self.delete()

    def delete(self) -> None:
        if self._own is not None:
            self._own.delete(self._request)
        else:
            delegate.execute(self._executable, self._request, "DEL")

    def forward(self) -> None:
        """CHECK, GC or STATUS, whichever the request is."""
        if self._own is None:
            delegate.execute(self._executable, self._request, self._request.verb)
        else:
            verbs = {"CHECK": self._own.check, "GC": self._own.gc, "STATUS": self._own.status}
            verbs[self._request.verb](self._request)


def validate_own(request: Request) -> object:
    """Read the ipam section as our own plugin does. Raises InvalidConfig (7), InvalidEnvironment (4)."""
    return _own_plugin().validate(request)


def _is_own(executable: str) -> bool:
    """The launcher, which has all our names, lies beside the frozen program."""
    if not getattr(sys, "frozen", False):
        return False
    try:
        return os.path.samefile(executable, os.path.join(os.path.dirname(sys.executable), "launcher"))
    except OSError:
        return False


def _own_plugin() -> ModuleType:
    from ipam import plugin

    return plugin
