"""The image of packaging/kubernetes/Containerfile, built by podman as the README says, without a registry."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e import debian
from tests.e2e.machine import Machine
from tests.e2e.podman import Podman
from tests.world import Node
from tests.world.places import REPOSITORY

NAME = "localhost/cni-veth:0.1.0"
CONTAINERFILE = "packaging/kubernetes/Containerfile"


def build(directory: Path) -> Path:
    """The image as an archive in `directory`. RuntimeError with podman's words if it fails."""
    base, archive = directory / "base.tar", directory / "cni-veth.tar"
    debian.write(base)
    with Node() as node, Machine(node, bare=True) as machine:
        podman = Podman(machine)
        podman("import", str(base), _base())
        own = ("--network", "none", "--cgroup-parent", machine.cgroup)
        podman("build", *own, "--file", str(REPOSITORY / CONTAINERFILE), "--tag", NAME, str(REPOSITORY))
        podman("save", "--quiet", "--format", "oci-archive", "--output", str(archive), NAME)
    base.unlink()
    return archive


def _base() -> str:
    """What the Containerfile asks for unless it is told otherwise."""
    found = re.search(r"^ARG BASE=(\S+)$", (REPOSITORY / CONTAINERFILE).read_text(), re.MULTILINE)
    assert found
    return found[1]
