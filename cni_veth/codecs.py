"""pyroute2's message codecs without the rest of pyroute2, and without what they import and our messages never use.

`import pyroute2` costs 155 ms, because its __init__ imports asyncio, NDB and everything else. The codecs are plain
classes below it: 36 ms with all that they import, 8 ms so. An empty package of that name, with the real search path,
lets them be imported, and for as long as that takes stand-ins take the places of other modules. Afterwards
sys.modules is as it was before: a later `import logging`, or `import pyroute2`, gets the real one, and the codecs are
ours alone. No other thread may import meanwhile.
The version is pinned; tests/unit/test_codecs.py compares with the whole of pyroute2.
"""

from __future__ import annotations

import _collections  # type: ignore[import-not-found]
import _functools  # type: ignore[import-not-found]
import _socket
import _thread
import _weakref
import struct  # noqa: F401  (the codecs' own import, made before anything stands in for another)
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

Attrs = list[tuple[str, object]]  # a netlink attribute and its value, as the codecs take them


class _Unused:
    """Whatever is asked of it, itself: an annotation, a logger that nobody reads, a lock that nobody takes."""

    __name__ = "unused"

    def __getattr__(self, name: str) -> _Unused:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *arguments: object, **named: object) -> _Unused:
        return self

    def __getitem__(self, key: object) -> _Unused:
        return self

    def __iter__(self) -> Iterator[str]:
        return iter(())


class _Instead(_Unused):
    """A module of which only these attributes matter."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


_STAND_INS: dict[str, Any] = {
    # their halves in C do
    "collections": _collections,
    "functools": _functools,
    "socket": _Instead(**vars(_socket)),
    "threading": _Instead(local=_thread._local),
    "types": _Instead(FunctionType=type(lambda: None)),
    "weakref": _weakref,
    # annotations
    "typing": _Unused(),
    # warnings beside an exception, or before an attribute is given undecoded
    "logging": _Unused(),
    "traceback": _Unused(),
    # plugins of more link kinds, by path or package name: nobody registers one
    "importlib": _Unused(),
    "pkgutil": _Unused(),
    # imports multiprocessing, platform and re, for what NDB and sockets ask
    "pyroute2.config": _Instead(AF_BRIDGE=7, data_plugins_path=(), data_plugins_pkgs=()),
    # 15 kinds of link that we do not make; IFLA_INFO_DATA of such a one is read as hex, like an unknown kind's
    "pyroute2.netlink.rtnl.ifinfmsg.plugins": _Unused(),
}


def _without_init(name: str) -> ModuleType:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            package = type(sys)(name)
            package.__path__ = spec.submodule_search_locations or []
            package.__spec__ = spec
            return package
    raise ImportError(f"{name} is not installed")


def _taken_out() -> dict[str, ModuleType]:
    """The modules that stand-ins replace, and all of pyroute2, out of sys.modules."""
    names = [name for name in sys.modules if name in _STAND_INS or name.partition(".")[0] == "pyroute2"]
    return {name: sys.modules.pop(name) for name in names}


_package = _without_init("pyroute2")
_real = _taken_out()
try:
    sys.modules.update(_STAND_INS, pyroute2=_package)
    from pyroute2.netlink import nlmsg
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.rtmsg import rtmsg
finally:
    _taken_out()
    sys.modules.update(_real)

__all__ = ["Attrs", "ifaddrmsg", "ifinfmsg", "nlmsg", "rtmsg"]
