"""Property tests here have no deadline: a busy machine is no bug."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.toy_delegate import Toy

settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A delegate to be written: `toy("echo '{}'")` is its path."""
    return Toy(tmp_path)
