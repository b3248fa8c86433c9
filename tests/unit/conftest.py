"""Property tests here have no deadline: a busy machine is no bug."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ipam import facts, liveness
from tests.unit.ipam_call import TWO_SETS, Conf, single
from tests.unit.ipam_pods import Reboot
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


@pytest.fixture
def reboot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Reboot:
    """Another boot id from now on, no link and no namespace of before; the store stays, as on a /var."""
    boots = []
    links = tmp_path / "links"
    monkeypatch.setattr(liveness, "LINKS", str(links))
    links.write_text("Inter-|\n face |\nalive0: 0 0\n")

    def reboot() -> None:
        monkeypatch.setattr(facts, "booted", lambda: time.time() + 60)
        links.write_text("Inter-|\n face |\n")
        for path in tmp_path.glob("*.ns"):
            path.unlink()
        boots.append(tmp_path / f"boot{len(boots)}")
        boots[-1].write_text(f"boot-{len(boots)}\n")
        monkeypatch.setattr(facts, "BOOT_ID", str(boots[-1]))

    return reboot


@pytest.fixture
def small(ipam: Conf) -> Conf:
    """Two IPs for pods: 10.1.2.2 and 10.1.2.3, and a gateway outside."""
    return single(ipam, subnet="10.1.2.0/29", rangeStart="10.1.2.2", rangeEnd="10.1.2.3")
