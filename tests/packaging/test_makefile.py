"""The targets of the Makefile that can be run without building anything."""

from __future__ import annotations

import re

from tests.packaging.conftest import REPOSITORY
from tests.packaging.machine import run

TARGETS = {"demo", "test", "test-e2e", "check", "build", "deb", "rpm", "install", "uninstall", "bench", "soak"}
TARGETS |= {"torture", "conformance", "clean", "distclean", "help"}


def test_help_is_the_default_and_names_every_target() -> None:
    done = run("make", "-C", str(REPOSITORY), "--no-print-directory")
    assert done.returncode == 0
    assert set(re.findall(r"^make ([\w-]+) +\S", done.stdout, re.MULTILINE)) >= TARGETS


def test_conformance_judges_another_plugin() -> None:
    done = run("make", "-n", "-C", str(REPOSITORY), "conformance", "PLUGIN=/a/b", "PROFILE=c")
    assert done.returncode == 0 and "-m conformance --plugin /a/b --profile c" in done.stdout
