"""pyroute2's message codecs without the rest of pyroute2.

`import pyroute2` costs 155 ms, because its __init__ imports asyncio, NDB and everything else; the
codecs are plain classes below it. An empty package of that name, with the real search path, lets
them be imported and is then removed, so that a later `import pyroute2` still gets the real one.
The version is pinned; tests/unit/test_import_budget.py holds the way in and its cost.
"""

from __future__ import annotations

import sys

Attrs = list[tuple[str, object]]  # a netlink attribute and its value, as the codecs take them


def _without_init(name: str) -> bool:
    if name in sys.modules:
        return False
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            package = type(sys)(name)
            package.__path__ = spec.submodule_search_locations or []
            package.__spec__ = spec
            sys.modules[name] = package
            return True
    raise ImportError(f"{name} is not installed")


_is_placeholder = _without_init("pyroute2")
try:
    from pyroute2.netlink import nlmsg
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.rtmsg import rtmsg
finally:
    if _is_placeholder:
        del sys.modules["pyroute2"]

__all__ = ["Attrs", "ifaddrmsg", "ifinfmsg", "nlmsg", "rtmsg"]
