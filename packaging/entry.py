"""What the frozen program runs. tests/packaging/test_modules.py holds what a call loads of it."""

import gc
import os
import sys

gc.set_threshold(20_000)  # a call makes 12,000 objects and no garbage worth looking for (1 ms)
sys.frozen = True  # so PyInstaller's bootstrap says, which packaging/cni-veth.spec leaves out

if os.path.basename(sys.argv[0]) == "cni-vethd":  # serves with the same modules as C, see packaging/compile.py
    sys.path.insert(0, os.path.join(os.path.dirname(sys.executable), "compiled"))

from cni_veth.__main__ import main  # noqa: E402

code = main()
for stream in (sys.stdout, sys.stderr):
    if stream is not None:
        stream.flush()
os._exit(code)  # Python's own way out takes every object apart (2.5 ms)
