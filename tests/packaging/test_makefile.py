"""The targets of the Makefile that can be run without building anything."""

from __future__ import annotations

import re

from tests.packaging.conftest import REPOSITORY
from tests.packaging.machine import run

TARGETS = {"demo", "test", "check", "build", "install", "uninstall", "bench", "soak", "conformance", "clean", "help"}


def test_help_is_the_default_and_names_every_target() -> None:
    done = run("make", "-C", str(REPOSITORY), "--no-print-directory")
    assert done.returncode == 0
    assert set(re.findall(r"^make (\w+) +\S", done.stdout, re.MULTILINE)) >= TARGETS


def test_conformance_does_not_pretend() -> None:
    done = run("make", "-C", str(REPOSITORY), "conformance")
    assert done.returncode == 2
    assert "not built yet" in done.stderr
