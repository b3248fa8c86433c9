"""PyInstaller hook: the `pyroute2` beside this file for the package, the installed one for all below it."""

from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def pre_find_module_path(api):
    installed = find_spec("pyroute2")
    for directory in installed.submodule_search_locations:
        api.module_graph.append_package_path("pyroute2", directory)
    api.search_dirs = [str(HERE)]
