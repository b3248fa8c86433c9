"""The image of packaging/kubernetes under podman: what it has, and what its programs do to a node's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machine import Machine
from tests.e2e.node_image import NAME
from tests.e2e.podman import Podman
from tests.world import Node
from tests.world.places import REPOSITORY

CONFLIST = "etc/cni/net.d/10-cni-veth.conflist"


@pytest.fixture(scope="module")
def podman(node_image: Path) -> Iterator[Podman]:
    with Node() as node, Machine(node, bare=True) as machine:
        yield Podman(machine, [node_image])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node's: the directories that the DaemonSet mounts."""
    for name in ("opt/cni", "etc/cni", "run/cni-veth"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def run(podman: Podman, *arguments: str) -> str:
    """What a container of the image says, with the init container's privileges."""
    limits = ("--read-only", "--cap-drop", "ALL", "--cap-add", "SYS_PTRACE", "--security-opt", "no-new-privileges")
    place = ("--rm", "--network", "none", "--cgroup-parent", podman.machine.cgroup)
    done = podman.attempt("run", *place, *limits, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def install(podman: Podman, root: Path) -> str:
    template = REPOSITORY / "packaging/kubernetes/10-cni-veth.conflist"
    mounts = [f"{template}:/etc/cni-veth/10-cni-veth.conflist:ro"]
    mounts += [f"{root / name}:/host/{name}" for name in ("opt/cni", "etc/cni", "run/cni-veth")]
    volumes = [word for mount in mounts for word in ("--volume", mount)]
    return run(podman, *volumes, "--env", "POD_CIDRS=10.244.3.0/24", "--entrypoint", "/opt/cni-veth/node.sh", NAME)


def test_it_installs_on_a_node(podman: Podman, root: Path) -> None:
    assert "is new" in install(podman, root)
    assert "is new" not in install(podman, root)
    [entry] = json.loads((root / CONFLIST).read_text())["plugins"]
    assert entry["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24"}]]
    names = {path.name for path in (root / "opt/cni/bin").iterdir()}
    assert names == {"cni-veth", "cni-ipam", "loopback"}
    said = podman.machine.run("env", "CNI_COMMAND=VERSION", str(root / "opt/cni/bin/cni-veth")).stdout
    assert "1.1.0" in json.loads(said)["supportedVersions"]


def test_it_leaves_a_node(podman: Podman, root: Path) -> None:
    """As the README says: by the node's root directory at /host."""
    install(podman, root)
    (root / CONFLIST).unlink()
    leave = ("--entrypoint", "env", NAME, "DESTDIR=/host", "/opt/cni-veth/install.sh", "uninstall")
    assert "removed from /host/opt/cni" in run(podman, "--volume", f"{root}:/host", *leave)
    assert [path for path in root.rglob("*") if not path.is_dir()] == []


def test_its_own_program_is_the_server(podman: Podman) -> None:
    assert "--workers" in run(podman, NAME, "--help")


@pytest.mark.parametrize("program", ["curl", "nsenter", "cmp", "sync"])
def test_it_has_what_node_and_probe_call(podman: Podman, program: str) -> None:
    assert run(podman, "--entrypoint", program, NAME, "--version")
