"""Where the executables lie: those under test and their peers."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

BIN = Path(os.environ.get("CNI_VETH_BIN") or REPOSITORY / "dist/cni/bin").absolute()
"""cni-veth, cni-ipam and loopback as `make build` leaves them."""

PEERS = Path(os.environ.get("CNI_VETH_PEERS") or REPOSITORY / ".peers/bin").absolute()
"""cnitool and the reference plugins as `packaging/peers.sh` leaves them."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
