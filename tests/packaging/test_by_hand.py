"""A server that somebody started from what is installed, where no systemd looks after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.machine import Machine
from tests.world import Node
from tests.world.load import Load
from tests.world.server import Server, until

pytestmark = pytest.mark.root


def test_it_follows_upgrades_under_load_and_ends_with_the_program(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    machine.install(dist)
    with Node() as home, Node() as node:
        server = Server(home, bin=machine.bin)
        node.server = server.socket
        exe = Path(f"/proc/{server.pid}/exe")
        with Load(node, machine.bin) as load:
            for content in ("second", "third", "fourth"):
                load.until_rounds(4)
                machine.install(newer(content))
                until(lambda: os.readlink(exe) == str((machine.bin / "cni-vethd").resolve()))
            load.until_rounds(4)
        assert load.errors == []
        node.plugin("cni-veth", machine.bin).status(node.network("10.1.2.0/24")).succeeded()
        machine.uninstall(dist)
        assert server.process.wait(10) == 0
        server.stop()
        assert server.served > 0, "the launcher of the last program reached the last server"
        assert machine.files() == set()
        assert not node.leases() and not node.ports()


def test_it_ends_where_a_node_is_to_have_no_server(machine: Machine, dist: Path) -> None:
    machine.install(dist)
    with Node() as home, Node() as node:
        server = Server(home, bin=machine.bin)
        node.server = server.socket
        machine.install(dist, SERVER="0")
        assert server.process.wait(30) == 0
        node.plugin("cni-veth", machine.bin).add(node.network("10.1.2.0/24"), node.pod()).succeeded()
