"""A node with pods on one machine, made of network namespaces: what tests, demo and benchmark work in.

    with Node() as node:
        pod = node.pod()
        conf = node.network("10.22.0.0/24", isDefaultGateway=True)
        result = node.plugin("cni-veth").add(conf, pod).succeeded()
        assert pod.reaches("10.22.0.1")

Nothing outside those namespaces and `node.dir` is touched, and all of it is removed
again, however the run ends (`ownership`). Root is needed.
"""

from __future__ import annotations

from tests.world.cnitool import CNITool
from tests.world.namespace import Namespace
from tests.world.node import Node, Pod
from tests.world.places import BIN, PEERS
from tests.world.plugin import VERSIONS, Plugin, Reply

__all__ = ["BIN", "PEERS", "VERSIONS", "CNITool", "Namespace", "Node", "Plugin", "Pod", "Reply"]
