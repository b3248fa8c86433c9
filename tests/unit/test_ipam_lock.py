"""ipam.lock: bounded, and its failure names the holder."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cni.errors import CNIError, TryAgainLater
from ipam import plugin
from tests.unit.ipam_call import Conf, add, ipam_request
from tests.unit.ipam_disk import make, reopen

HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print('held'); input()"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return tmp_path / "net1"


def hold_lock(network: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its stdin is closed."""
    command = [sys.executable, "-c", HOLD, str(network / "lock")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_wait_for_the_lock_is_bounded_and_names_the_holder(tmp_path: Path, network: Path) -> None:
    with make(tmp_path):
        pass
    holder = hold_lock(network)
    try:
        began = time.monotonic()
        with pytest.raises(TryAgainLater) as caught:
            make(tmp_path, wait=0.3)
        assert 0.25 < time.monotonic() - began < 5
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    finally:
        holder.communicate("\n")
    assert caught.value.code == 11
    assert caught.value.msg.startswith(f"the store {network} is locked by ")
    assert f"pid {holder.pid} (" in caught.value.msg or "unknown process" in caught.value.msg
    assert caught.value.details == f"waited 0.3 s for flock on {network}/lock"
    with reopen(network) as store:
        assert store.leases() == {}


def test_the_lock_is_taken_as_soon_as_it_is_free(tmp_path: Path, network: Path) -> None:
    with make(tmp_path):
        pass
    holder = hold_lock(network)
    release = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3); print()"], stdout=holder.stdin)
    began = time.monotonic()
    with reopen(network):
        assert 0.1 < time.monotonic() - began < 5
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert (release.wait(), holder.wait()) == (0, 0)


def test_an_alarm_that_comes_with_the_lock_changes_nothing(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make(tmp_path):
        pass
    holder = hold_lock(network)
    real = signal.setitimer

    def setitimer(which: int, seconds: float) -> None:
        real(which, seconds)
        if seconds == 0:
            signal.raise_signal(signal.SIGALRM)
        else:
            holder.communicate("\n")

    monkeypatch.setattr(signal, "setitimer", setitimer)
    with reopen(network) as store:
        assert store.leases() == {}
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_the_lock_of_a_cleared_directory_is_not_held(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rm <dataDir>/*/*` at boot, between our open and our flock: the next one would lock another file."""
    import fcntl

    flock, cleared = fcntl.flock, []

    def clear_then_flock(fd: int, how: int) -> None:
        if not cleared:
            cleared.append((network / "lock").unlink())
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", clear_then_flock)
    with make(tmp_path):
        monkeypatch.undo()
        assert (network / "lock").exists()
        with pytest.raises(TryAgainLater):
            make(tmp_path, wait=0.1)


@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_lock_timeout_bounds_the_wait_of_every_verb(ipam: Conf, verb: str) -> None:
    network = Path(ipam["dataDir"]) / "net1"
    add(ipam)
    holder = hold_lock(network)
    request = ipam_request(verb, ipam | {"lockTimeout": 1}, **{"cni.dev/valid-attachments": []})
    calls = {
        "ADD": lambda: plugin.add(request, lambda result: None),
        "DEL": lambda: plugin.delete(request),
        "CHECK": lambda: plugin.check(request),
        "GC": lambda: plugin.gc(request),
        "STATUS": lambda: plugin.status(request),
    }
    try:
        began = time.monotonic()
        with pytest.raises(CNIError, match=f"the store {network} is locked by ") as caught:
            calls[verb]()
        assert 0.9 < time.monotonic() - began < 5
        assert f"pid {holder.pid} (" in caught.value.msg or "unknown process" in caught.value.msg
        assert caught.value.code == (50 if verb == "STATUS" else 11)
    finally:
        holder.communicate("\n")
