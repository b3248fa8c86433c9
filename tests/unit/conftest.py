"""Property tests here have no deadline: a busy machine is no bug."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.ipam_call import TWO_SETS, Conf
from tests.unit.toy_delegate import Toy

settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A delegate to be written: `toy("echo '{}'")` is its path."""
    return Toy(tmp_path)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Where the leases of `net1` lie."""
    return tmp_path / "state/net1"


@pytest.fixture
def ipam(tmp_path: Path) -> Conf:
    """The ipam section of a dual-stack network."""
    return {"type": "cni-ipam", "dataDir": f"{tmp_path}/state", "ranges": TWO_SETS}
