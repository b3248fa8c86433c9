"""The networks that the benchmark compares: one plugin of ours beside the reference's chain."""

from __future__ import annotations

from tests.bench.networks import MASQUERADED, PLAIN, WHOLE

CONF = {"cniVersion": "1.1.0", "name": "net", "type": "x", "ipam": {"type": "y"}}


def test_a_plain_network_is_its_configuration() -> None:
    assert PLAIN.plugins(CONF, True, 5) == PLAIN.plugins(CONF, False, 5) == [CONF]


def test_the_reference_masquerades_with_iptables() -> None:
    assert MASQUERADED.plugins(CONF, True, 0) == [{**CONF, "ipMasq": True, "ipMasqBackend": "iptables"}]
    assert MASQUERADED.plugins(CONF, False, 0) == [{**CONF, "ipMasq": True}]


def test_ours_has_all_keys_of_the_references_chain_in_one_plugin() -> None:
    [ours] = WHOLE.plugins(CONF, False, 7)
    first, *others = WHOLE.plugins(CONF, True, 7)
    assert [plugin["type"] for plugin in others] == ["portmap", "bandwidth", "firewall"]
    runtime = {"portMappings": [{"hostPort": 20_007, "containerPort": 80, "protocol": "tcp"}]}
    assert (ours["type"], ours["runtimeConfig"], others[0]["runtimeConfig"]) == ("x", runtime, runtime)
    merged = {key: value for plugin in (first, *others) for key, value in plugin.items()}
    assert ours == {key: merged[key] for key in ours} | {"type": "x"}
    assert merged.keys() - ours.keys() == {"ipMasqBackend", "backend", "capabilities"}
