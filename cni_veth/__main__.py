"""One program with several names: the name it is called by chooses the plugin (PyInstaller onedir, symlinks)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

VERSION = "0.1.0"
ABOUT = "a veth pair on a bridge, with its IPAM"
NAMES = {
    "cni-veth": "cni_veth.plugin",
    "bridge": "cni_veth.plugin",
    "cni-ipam": "ipam.plugin",
    "host-local": "ipam.plugin",
    "loopback": "cni_veth.loopback",
}


def main() -> int:
    """The exit code. `cni-veth lint FILE` is for people; all else is a CNI call."""
    name = os.path.basename(sys.argv[0])
    if name == "cni-veth" and sys.argv[1:2] == ["lint"]:
        from cni_veth import lint

        return lint.main(sys.argv[2:])
    if name not in NAMES:
        return _unknown(name)
    from cni import skel

    return skel.run(lambda: _load(NAMES[name]), f"CNI {name} plugin cni-veth {VERSION}: {ABOUT}")


def _load(module: str) -> ModuleType:
    __import__(module)
    return sys.modules[module]


def _unknown(name: str) -> int:
    from cni.skel import refuse

    return refuse(f"this program is called {name!r}", "it is a CNI plugin only as one of " + ", ".join(sorted(NAMES)))


if __name__ == "__main__":
    raise SystemExit(main())
