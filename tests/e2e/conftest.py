"""Fixtures of the tests that let real runtimes start pods on the installed plugins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import debian, image, networks
from tests.e2e import node_image as built
from tests.e2e.containerd import Containerd
from tests.e2e.cri import CRI
from tests.e2e.machine import Machine
from tests.e2e.podman import Podman
from tests.world import BIN, PEERS, Node

PROGRAMS = ("containerd", "runc", "podman", "busybox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.root)


@pytest.fixture(scope="session")
def programs() -> None:
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        pytest.skip(f"no {' '.join(missing)}: run packaging/bootstrap.sh test")
    for path, remedy in ((BIN / "cni-veth", "make build"), (PEERS / "portmap", "packaging/peers.sh")):
        if not path.exists():
            pytest.skip(f"no {path}: run {remedy}")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return image.write(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def node_image(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """packaging/kubernetes/Containerfile, built."""
    missing = debian.missing()
    if missing:
        pytest.skip(f"{missing}, from which the base is made: run packaging/bootstrap.sh test on Debian or Ubuntu")
    return built.build(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module", params=["server", "standalone"])
def machine(programs: None, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """One for the tests of a file, with the warm server and without it. It has the installer's own network."""
    with Node() as node, Machine(node) as machine:
        if request.param == "server":
            machine.serve()
        yield machine


@pytest.fixture(scope="module")
def containerd(machine: Machine, images: dict[str, Path]) -> Containerd:
    return Containerd(machine, images.values())


@pytest.fixture
def cri(containerd: Containerd) -> Iterator[CRI]:
    """A kubelet that takes its pods away in the end."""
    cri = CRI(containerd)
    yield cri
    for sandbox_id in cri.sandboxes():
        cri.stop(sandbox_id)
        cri.remove(sandbox_id)
    cri.close()


@pytest.fixture(scope="module")
def podman(machine: Machine, images: dict[str, Path]) -> Podman:
    podman = Podman(machine, images.values(), networks.NAME)
    if not podman.has_cni:
        pytest.skip("this podman was built without its CNI backend, which 5.0 dropped")
    return podman
