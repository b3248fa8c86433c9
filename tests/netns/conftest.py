"""Fixtures of the tests that run the built executables in network namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import BIN, Node, Plugin, Pod


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.root)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node of its own for each test, removed after it."""
    with Node() as node:
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
