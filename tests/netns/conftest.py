"""Fixtures of the tests that run the built executables in network namespaces."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns import earlier as before
from tests.world import BIN, Node, Plugin, Pod
from tests.world.server import NOBODY, Server

F_SETPIPE_SZ = 1031


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.root)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a node runs twice: served by cni-vethd, and without it. Where a test follows the system calls of
    the process that it starts, that must be the program itself."""
    if "mode" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("standalone")
        metafunc.parametrize("mode", ["standalone"] if marker else ["server", "standalone"], indirect=True)


@pytest.fixture(scope="session")
def server(built: None) -> Iterator[Server]:
    """One for all nodes of all tests."""
    with Server.running() as server:
        yield server


@pytest.fixture
def mode(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def node(mode: str, request: pytest.FixtureRequest) -> Iterator[Node]:
    """A node of its own for each test, removed after it."""
    socket = request.getfixturevalue("server").socket if mode == "server" else NOBODY
    with Node(socket) as node:
        yield node


@pytest.fixture
def pod(node: Node) -> Pod:
    return node.pod()


@pytest.fixture
def plugin(built: None, node: Node) -> Plugin:
    """The built cni-veth."""
    return node.plugin("cni-veth")


@pytest.fixture
def ipam(built: None, node: Node) -> Plugin:
    """The built cni-ipam."""
    return node.plugin("cni-ipam")


@pytest.fixture(scope="session")
def built() -> None:
    if not (BIN / "cni-veth").exists():
        pytest.skip(f"no executables in {BIN}: run `make build`")


@pytest.fixture
def tap(node: Node, pod: Pod) -> before.Conf:
    """The result of a plugin that made a tap for a VM."""
    return before.tap(node, pod)


@pytest.fixture
def pair(node: Node, pod: Pod) -> before.Conf:
    """The result of a plugin that made a pair between node and pod."""
    return before.pair(node, pod)


@pytest.fixture(params=["tap", "pair"])
def earlier(request: pytest.FixtureRequest) -> before.Conf:
    found: before.Conf = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def full() -> Iterator[tuple[int, int]]:
    """A pipe that takes no more until it is read: (reading end, writing end)."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
    os.write(writing, b" " * 4096)
    yield reading, writing
    for fd in (reading, writing):
        try:
            os.close(fd)
        except OSError:
            pass
