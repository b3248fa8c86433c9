"""Rules for every test: what it may need, and when that excuses it."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tests.world import PEERS, kernel

_LACKS = "the kernel lacks "
_IN_CI = os.environ.get("CI") == "true"
_LONG = ("test_mutants.py", "test_build.py", "test_ours.py", "test_reference.py", "test_conformance_file.py")
"""Files of minutes: begun last, one of them would keep a single worker busy in the end."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*options): needs a kernel with all of these CONFIG_ options")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test that this machine cannot run, saying what is missing."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    if item.get_closest_marker("peers") and not (PEERS / "cnitool").exists():
        pytest.skip(f"no cnitool in {PEERS}: run packaging/peers.sh")
    for marker in item.iter_markers("needs"):
        for option in marker.args:
            if not kernel.has(option):
                pytest.skip(f"{_LACKS}{option}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_excuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_excuse(report)
    return report


def _refuse_excuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where CI=true a test that cannot run fails, unless the kernel cannot do what it tests."""
    if not _IN_CI or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.startswith(f"Skipped: {_LACKS}"):
        report.outcome = "failed"
        report.longrepr = f"{reason} (with CI=true nothing may skip but for a kernel option)"
