"""What the frozen program runs. tests/packaging/test_modules.py holds what a call loads of it."""

import gc
import marshal
import os
import sys
from _frozen_importlib import ModuleSpec

gc.set_threshold(20_000)  # a call makes 12,000 objects and no garbage worth looking for (1 ms)
sys.frozen = True  # so PyInstaller's bootstrap says, which packaging/cni-veth.spec leaves out
ROOT = sys._MEIPASS


def make(bundle: str) -> None:
    """The modules of a bundle (packaging/bundle.py), past the import system, which would take longer to find them than
    they take to load.

    All or none: after an error none stays, each is imported from its own file, and a call hears of what is wrong there.
    """
    before = set(sys.modules)
    try:
        with open(f"{ROOT}/bundles/{bundle}", "rb") as file:
            modules = marshal.loads(file.read())
        for name, is_package, code in modules:
            if name not in sys.modules:
                _make_module(name, is_package, code)
    except Exception:
        for name in sys.modules.keys() - before:
            parent, _, child = name.rpartition(".")
            if parent in before:
                vars(sys.modules[parent]).pop(child, None)
            del sys.modules[name]


def _make_module(name, is_package, code):
    path = f"{ROOT}/{name.replace('.', '/')}"
    module = type(sys)(name)
    module.__spec__ = ModuleSpec(name, None, is_package=is_package)
    module.__package__ = module.__spec__.parent
    module.__file__ = path + ("/__init__.pyc" if is_package else ".pyc")
    if is_package:
        module.__path__ = module.__spec__.submodule_search_locations = [path]
    sys.modules[name] = module
    exec(code, vars(module))
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


plugin = os.path.basename(sys.argv[0])
if plugin == "cni-vethd":  # serves with the same modules as C, see packaging/compile.py
    sys.path.insert(0, os.path.join(os.path.dirname(sys.executable), "compiled"))
else:
    make("start")

from cni_veth.__main__ import NAMES, main  # noqa: E402

if plugin in NAMES and len(sys.argv) == 1 and os.environ.get("CNI_COMMAND", "") not in ("", "VERSION"):
    make(NAMES[plugin])

code = main()
for stream in (sys.stdout, sys.stderr):
    if stream is not None:
        stream.flush()
os._exit(code)  # Python's own way out takes every object apart (2.5 ms)
