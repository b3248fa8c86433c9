"""What contradicts itself is refused by name, before anything is created; what is switched off is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod


def test_an_unknown_backend_is_named(node: Node, pod: Pod, plugin: Plugin) -> None:
    error = plugin.add(node.network("10.1.2.0/24", ipMasqBackend="ebtables"), pod).failed(7)
    assert error["msg"].startswith("ipMasqBackend: ") and "'ebtables'" in error["msg"]


@pytest.mark.parametrize("keys", [{"ipMasq": False, "ipMasqBackend": "nftables"}, {"macspoofchk": False}])
def test_what_is_switched_off_is_not_refused(node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any]) -> None:
    plugin.add(node.network("10.1.2.0/24", **keys), pod).succeeded()
    assert node.run(["nft", "list", "ruleset"]).stdout == ""
