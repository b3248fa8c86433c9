"""packaging/kubernetes/node.sh, what it says; what it installs and writes is in tests/packaging/test_kubernetes.py."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "packaging/kubernetes"


def test_without_subnets_and_an_api_server_one_message_says_what_to_do(tmp_path: Path) -> None:
    shutil.copy2(DIRECTORY / "node.sh", tmp_path)
    (tmp_path / "install.sh").symlink_to("/bin/true")
    environment = {"HOST": f"{tmp_path}/host", "TEMPLATE": f"{DIRECTORY}/10-cni-veth.conflist", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [tmp_path / "node.sh"], env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    [line] = done.stderr.splitlines()
    assert (done.returncode, line.startswith("node.sh: there is no API server to ask")) == (1, True)
    assert not list((tmp_path / "host/etc/cni/net.d").iterdir())
