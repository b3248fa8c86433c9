"""`make demo` holds with the warm server of its own and without any."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.world import BIN
from tests.world.places import PATH, REPOSITORY
from tests.world.server import NOBODY


@pytest.mark.parametrize(("socket", "says"), [(None, r"(\d+) calls were made and \1 handed"), (NOBODY, r"(\d+) of \1")])
def test_demo(built: None, socket: str | None, says: str) -> None:
    environment = {"PATH": PATH} | ({} if socket is None else {"CNI_VETH_SOCKET": socket})
    command = [sys.executable, "-m", "tests.demo", "--bin", str(BIN)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(says, done.stdout)
    assert ("by the standalone" in done.stdout) == (socket is not None)
    assert ("served by cni-vethd" in done.stdout) == (socket is None)
