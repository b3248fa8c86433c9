"""podman on a machine of its own, configured in /etc/containers: with its CNI backend, or for images alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.image import PAUSE
from tests.e2e.machine import Machine

# Without CAP_SYS_RESOURCE no limit may be raised, and without systemd podman makes the cgroups itself.
_CONTAINERS = """
[containers]
apparmor_profile = ""
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:4096", "nproc=4096:8192"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
infra_image = "{pause}"
"""
_CNI = """
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
network_config_dir = "/etc/cni/net.d"
default_network = "{network}"
"""
_FILES = {
    "storage.conf": '[storage]\ndriver = "overlay"\nrunroot = "/run/containers"\ngraphroot = "/var/lib/containers"\n',
    "policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
}


class Podman:
    """The command; there is no daemon. `network` is the one that containers get unless they name another; without it
    CNI is not asked for, and containers need `--network` none or host."""

    def __init__(self, machine: Machine, images: Iterable[Path] = (), network: str = "") -> None:
        self.machine = machine
        configuration = _CONTAINERS.format(pause=PAUSE) + (_CNI.format(network=network) if network else "")
        files = {**_FILES, "containers.conf": configuration}
        for name, content in files.items():
            machine.path(f"/etc/containers/{name}").write_text(content)
        self.has_cni = "cni support is not enabled" not in self.attempt("info").stderr
        for image in images if self.has_cni else ():
            self("load", "--quiet", "--input", str(image))

    def __call__(self, *arguments: str) -> str:
        """What a command prints, stripped; RuntimeError with its stderr if it fails."""
        return self.machine.run("podman", *arguments).stdout.strip()

    def run(self, *arguments: str) -> str:
        """`podman run` with the machine's cgroups and what ping needs."""
        return self("run", "--cgroup-parent", self.machine.cgroup, "--cap-add", "NET_RAW", *arguments)

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As a call, and neither outcome raises."""
        return self.machine.run("podman", *arguments, check=False)
