"""The captures run on the same nodes as the other tests of the executables."""

from __future__ import annotations

from tests.netns.conftest import built, mode, node, pytest_generate_tests, server

__all__ = ["built", "mode", "node", "pytest_generate_tests", "server"]
