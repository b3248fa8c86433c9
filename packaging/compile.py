"""Compiles what a call runs to C, by mypyc, for the server: OUT/{cni,cni_veth,ipam}, sources and extension modules.

usage: compile.py OUT WORK

The same sources, but for what constants.py adds, run interpreted in the standalone program, where loading extension
modules costs more than it saves.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from constants import declared
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.command.build_ext import build_ext

PACKAGES = ("cni", "cni_veth", "ipam")
# Run for a server's life, not for a call.
LASTING = {
    "__main__",
    "dropin",
    "lint",
    "listen",
    "pool",
    "reconcile",
    "schema",
    "server",
    "status",
    "upgrade",
    "worker",
}
# Around a call: between any two steps of these Python runs the handlers of signals.
AROUND = {"aside", "caller", "connection", "signals", "skel", "visit"}
# Extend classes of C's, which mypyc cannot, or not wholly: an exception loses its class's attributes.
FOREIGN = {"errors", "namespaces"}
INTERPRETED = LASTING | AROUND | FOREIGN


def main(out: Path, work: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(package, out / package, ignore=shutil.ignore_patterns("__pycache__"))
    out, work = out.absolute(), work.absolute()
    os.chdir(out)
    sources = sorted(path for package in PACKAGES for path in Path(package).rglob("*.py"))
    compiled = [path for path in sources if path.stem not in {*INTERPRETED, "__init__"}]
    for path in compiled:
        path.write_text(declared(path.read_text()))
    # 2.31: the oldest C library that PyInstaller's own loader runs on; /usr/include: half of Debian's Python.h.
    zig = f"'{sys.executable}' -m ziglang cc -target {os.uname().machine}-linux-gnu.2.31 -idirafter /usr/include"
    os.environ |= {"CC": zig, "LDSHARED": f"{zig} -shared", "CFLAGS": "-g0", "LDFLAGS": "-s"}
    sysconfig.get_config_vars()["LDSHARED"] = os.environ["LDSHARED"]
    options = ["--python-version", "3.11", "--cache-dir", str(work / "mypy"), *map(str, compiled)]
    modules = mypycify(options, opt_level="2", debug_level="0", target_dir=str(work))
    command = build_ext(Distribution({"name": "cni-veth", "ext_modules": modules}))
    command.build_lib, command.build_temp = str(out), str(work)
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
