"""`cni-veth status` of the built program: STATUS for people and for a DaemonSet's readiness."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.world import BIN, Node

pytestmark = [pytest.mark.usefixtures("built"), pytest.mark.standalone]


@pytest.fixture
def conflist(node: Node) -> Path:
    """Of a network that is ready. 0.4.0, which knows no STATUS."""
    conf = {**node.network("10.1.0.0/24"), "cniVersion": "0.4.0"}
    common = {key: conf.pop(key) for key in ("cniVersion", "name")}
    return write(node, {**common, "plugins": [conf, {"type": "another"}]})


def write(node: Node, network: dict[str, Any]) -> Path:
    path = node.dir / "net.conflist"
    path.write_text(json.dumps(network))
    return path


def status(node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    return node.run([str(BIN / "cni-veth"), "status", *arguments], env={"CNI_PATH": str(BIN)}, check=False)


def test_ready(node: Node, conflist: Path) -> None:
    done = status(node, str(conflist))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{conflist}: ready\n", "")


def test_a_link_has_the_bridges_name(node: Node, conflist: Path) -> None:
    node.batch("link add cni0 type veth")
    done = status(node, str(conflist))
    assert done.returncode == 1 and "'cni0' is not a bridge" in done.stdout


def test_no_address_is_left(node: Node) -> None:
    conf = node.network("10.1.0.0/30")
    node.plugin().add(conf, node.pod()).succeeded()
    done = status(node, str(write(node, {"name": "net", "plugins": [conf]})))
    assert done.returncode == 1 and "0 free, 1 used" in done.stdout


def test_no_plugin_of_ours(node: Node) -> None:
    path = write(node, {"name": "net", "plugins": [{"type": "another"}]})
    done = status(node, str(path))
    assert (done.returncode, done.stdout) == (1, f"{path}: no plugin of type cni-veth\n")


@pytest.mark.parametrize("is_ours", [True, False])
def test_the_references_name_is_asked_where_it_is_ours(node: Node, is_ours: bool) -> None:
    directory = node.dir / "bin"
    directory.mkdir()
    for name, own in (("bridge", "cni-veth"), ("host-local", "cni-ipam"), ("cni-veth", "cni-veth")):
        (directory / name).symlink_to(BIN / own)
    if not is_ours:
        (directory / "bridge").unlink()
        (directory / "bridge").symlink_to("/bin/true")
    conf = node.network(ipam={**node.ipam("10.1.0.0/24"), "type": "host-local"})
    path = write(node, {"name": "net", "plugins": [{**conf, "type": "bridge"}]})
    done = node.run([str(BIN / "cni-veth"), "status", str(path)], env={"CNI_PATH": str(directory)}, check=False)
    assert done.stdout == f"{path}: {'ready' if is_ours else 'no plugin of type cni-veth'}\n"
    node.batch("link add cni0 type veth")
    done = node.run([str(BIN / "cni-veth"), "status", str(path)], env={"CNI_PATH": str(directory)}, check=False)
    assert done.returncode == 1 and ("'cni0' is not a bridge" in done.stdout) == is_ours


def test_no_json(node: Node) -> None:
    path = node.dir / "net.conflist"
    path.write_text("{")
    assert status(node, str(path)).returncode == 1


def test_a_file_that_is_not_there(node: Node) -> None:
    done = status(node, "/nowhere")
    assert done.returncode == 2 and "/nowhere: cannot be read: No such file" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--all",)])
def test_wrong_usage(node: Node, arguments: tuple[str, ...]) -> None:
    done = status(node, *arguments)
    assert done.returncode == 2 and "usage: cni-veth status FILE" in done.stderr
