"""Writes the modules that a call imports into one file for packaging/entry.py, each behind those that it needs itself.

usage: python -I -S bundle.py PROGRAM BUNDLE

PROGRAM is the frozen program's directory of modules, BUNDLE is "start", what every call needs and VERSION alone, or a
plugin's module, what its other verbs need beyond that. PROGRAM/bundles/BUNDLE is then marshal's [(name, is package,
code)]: of one piece, since what the modules name alike is then written, and read, once.
"""

import marshal
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourcelessFileLoader

START = ("cni_veth.__main__", "cni.skel")
CALL = ("cni.document", "cni.request", "cni.signals")  # which cni.skel imports when it has one
DELEGATES = {"cni_veth.plugin": ("ipam.plugin",)}  # which it imports when a network has an `ipam` of ours

loaded = []


class Loader(SourcelessFileLoader):
    """Notes what it has loaded."""

    def exec_module(self, module):
        super().exec_module(module)
        loaded.append((self.name, self.is_package(self.name), self.get_code(self.name)))


def main(program: str, bundle: str) -> None:
    sys.path.insert(0, program)
    sys.path_hooks.insert(0, FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, [".pyc"])))
    for module in START:
        __import__(module)
    if bundle != "start":
        loaded.clear()
        for module in (*CALL, bundle, *DELEGATES.get(bundle, ())):
            __import__(module)
    os.makedirs(f"{program}/bundles", exist_ok=True)
    with open(f"{program}/bundles/{bundle}", "wb") as file:
        marshal.dump(loaded, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
