"""One program with several names: the name it is called by chooses the plugin (PyInstaller onedir, symlinks)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

VERSION = "0.1.0"
ABOUT = "a veth pair on a bridge, with its IPAM; cni-veth --help says more"
HELP = f"""cni-veth {VERSION}: CNI plugins, called by a container runtime with CNI_* variables and JSON on stdin.

  cni-veth lint FILE...   say what is wrong with network configurations
  cni-veth reconcile      put back the nftables rules of this node's pods, after somebody flushed them
  cni-veth status FILE... say whether pods could be attached to them now
  cni-veth --help         this text
  cni-ipam --help         who has which address, and mending that
  cni-vethd --help        the warm server's options

CNI_VETH_DEBUG=1 in a call's environment prints the traceback of an error on stderr.
"""
SERVER = "cni-vethd"
NAMES = {
    "cni-veth": "cni_veth.plugin",
    "bridge": "cni_veth.plugin",
    "cni-ipam": "ipam.plugin",
    "host-local": "ipam.plugin",
    "loopback": "cni_veth.loopback",
}
TOOLS = {"cni-ipam": "ipam.tool.main", "host-local": "ipam.tool.main"}


def main() -> int:
    """The exit code. Arguments are for people; without any it is a CNI call."""
    name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
    if name == SERVER:
        from cni_veth import server

        return server.main(arguments)
    if arguments:
        return _person(name, arguments)
    if name not in NAMES:
        return _unknown(name)
    from cni import skel

    return skel.run(lambda: _load(NAMES[name]), f"CNI {name} plugin cni-veth {VERSION}: {ABOUT}")


def _person(name: str, arguments: list[str]) -> int:
    if name in TOOLS:
        code: int = _load(TOOLS[name]).main(arguments)
        return code
    if arguments[0] == "lint":
        from cni_veth import lint

        return lint.main(arguments[1:])
    if arguments[0] == "reconcile":
        from cni_veth import reconcile

        return reconcile.main(arguments[1:])
    if arguments[0] == "status":
        from cni_veth import status

        return status.main(arguments[1:])
    is_asked = arguments[0] in ("--help", "-h", "help", "--version")
    os.write(1 if is_asked else 2, HELP.encode())
    return 0 if is_asked else 2


def _load(module: str) -> ModuleType:
    __import__(module)
    return sys.modules[module]


def _unknown(name: str) -> int:
    from cni.skel import refuse

    return refuse(f"this program is called {name!r}", "it is a CNI plugin only as one of " + ", ".join(sorted(NAMES)))


if __name__ == "__main__":
    raise SystemExit(main())
