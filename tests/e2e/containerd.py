"""containerd and runc of the distribution on a machine of their own, at the paths of a real node."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.image import PAUSE
from tests.e2e.machine import Machine
from tests.world.server import until

SOCKET = "/run/containerd/containerd.sock"

# Without CAP_SYS_RESOURCE, as in a container, no process may be made less likely to be killed than its parent.
_CONFIG = """
version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{networks}"
"""
PLACES = ("/opt/cni/bin", "/etc/cni/net.d")


class Containerd:
    """The daemon, from `start` on. `places` are where it looks for plugins and networks."""

    def __init__(self, machine: Machine, images: Iterable[Path], places: tuple[str, str] = PLACES) -> None:
        self.machine = machine
        self._config = machine.node.dir / "containerd.toml"
        self._config.write_text(_CONFIG.format(pause=PAUSE, plugins=places[0], networks=places[1]))
        self.start()
        for namespace in ("k8s.io", machine.node.name):
            for image in images:
                self._ctr(namespace, "image", "import", str(image))

    @property
    def socket(self) -> Path:
        return self.machine.path(SOCKET)

    def start(self) -> None:
        """Until it answers; again after `kill`."""
        self.machine.daemon("containerd", "containerd", "--config", str(self._config))
        until(lambda: self.machine.run("ctr", "version", check=False).returncode == 0, 30)

    def kill(self) -> None:
        """As a crash does: shims and pods live on."""
        self.machine.kill("containerd", "KILL")

    def ctr(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """ctr(8) in a namespace whose cgroups are this machine's."""
        return self._ctr(self.machine.node.name, *arguments, check=check)

    def _ctr(self, namespace: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.machine.run("ctr", "--namespace", namespace, *arguments, check=check)
