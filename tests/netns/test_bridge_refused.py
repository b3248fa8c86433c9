"""What this version does not build yet is refused by name, before anything is created (reference-behaviour 3.1)."""

from __future__ import annotations

from typing import Any

import pytest

from cni.versions import SUPPORTED
from tests.world import Node, Plugin, Pod

CHAINING = [version for version in SUPPORTED if version >= "0.3.0"]
MASQUERADES: dict[str, dict[str, Any]] = {
    "default": {"ipMasq": True},
    "iptables": {"ipMasq": True, "ipMasqBackend": "iptables"},
    "nftables": {"ipMasq": True, "ipMasqBackend": "nftables"},
}


def assert_refused(node: Node, pod: Pod, plugin: Plugin, key: str, version: str, keys: dict[str, Any]) -> None:
    conf = node.network("10.1.2.0/24", isGateway=True, cniVersion=version, **keys)
    before = node.state(), pod.state()
    error = plugin.add(conf, pod).failed(2)
    assert error["msg"] == f"unsupported field {key} = true", "SPEC section 5: key and value"
    assert "not built yet" in error["details"]
    assert (node.state(), pod.state()) == before
    assert not node.store.exists()
    plugin.delete(conf, pod).succeeded()


@pytest.mark.parametrize("version", CHAINING)
@pytest.mark.parametrize("backend", MASQUERADES)
def test_configures_a_bridge_and_ip_masq_rules_is_refused(
    node: Node, pod: Pod, plugin: Plugin, version: str, backend: str
) -> None:
    assert_refused(node, pod, plugin, "ipMasq", version, MASQUERADES[backend])


@pytest.mark.parametrize("verb", ["CHECK", "STATUS"])
@pytest.mark.parametrize("key", ["ipMasq"])
def test_check_and_status_do_not_promise_it_either(node: Node, pod: Pod, plugin: Plugin, verb: str, key: str) -> None:
    conf = node.network("10.1.2.0/24", **{key: True})
    reply = plugin.status(conf) if verb == "STATUS" else plugin.check(conf, pod, {"cniVersion": "1.1.0"})
    assert key in reply.failed(2)["msg"]


def test_an_unknown_backend_is_named(node: Node, pod: Pod, plugin: Plugin) -> None:
    error = plugin.add(node.network("10.1.2.0/24", ipMasqBackend="ebtables"), pod).failed(7)
    assert error["msg"].startswith("ipMasqBackend: ") and "'ebtables'" in error["msg"]


@pytest.mark.parametrize("keys", [{"ipMasq": False, "ipMasqBackend": "nftables"}, {"macspoofchk": False}])
def test_what_is_switched_off_is_not_refused(node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any]) -> None:
    plugin.add(node.network("10.1.2.0/24", **keys), pod).succeeded()
