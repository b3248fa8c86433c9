"""The schemas and the parsers say the same of a configuration, as far as a schema can say it.

What a schema cannot say, or says better in words than in JSON, stands in PARSER_ONLY; what the parser leaves
to the runtime, which reads those keys before any plugin is called, in THE_RUNTIMES.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cni.errors import CNIError
from cni.request import Request
from cni_veth.conf import report_unknown
from cni_veth.lint import parse
from cni_veth.schema import validator
from tests.unit.call import environment
from tests.unit.from_schema import JUNK, SCHEMAS, instances

CONF = validator("conf.json")
THE_RUNTIMES = ("type", "capabilities", "cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins")
RANGES = {"type": "cni-ipam", "subnet": "10.1.0.0/16"}

# what the parser says -> a configuration that only the parser refuses
PARSER_ONLY: dict[str, dict[str, Any]] = {
    # 1500.0 is a whole number in JSON Schema; Go's decoder and ours refuse it
    "must be a whole number, not a number with a fraction": {"mtu": 1500.0},
    # the exact syntax of IPs
    "is of another family than subnet": {"ipam": RANGES | {"subnet": "10.1.0.0/16", "gateway": "fd00::1"}},
    "is not an IP address": {"ipam": RANGES | {"gateway": "10.1.0"}},
    "is not an address with a prefix length": {"ipam": {"type": "cni-ipam", "subnet": "10.1.0.0/33"}},
    # arithmetic
    "has host bits set; use ": {"ipam": {"type": "cni-ipam", "subnet": "10.1.0.1/16"}},
    "is too small to allocate from": {"ipam": {"type": "cni-ipam", "subnet": "10.1.0.0/31"}},
    "is not in subnet": {"ipam": RANGES | {"rangeStart": "10.2.0.1"}},
    "lies after rangeEnd": {"ipam": RANGES | {"rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.5"}},
    "does not lie in any subnet": {"ipam": RANGES | {"exclude": ["10.2.0.1"]}},
    "exclude: leaves nothing of": {"ipam": RANGES | {"exclude": ["10.1.0.0/16"]}},
    "is no range: its end": {"ipam": RANGES | {"exclude": ["10.1.0.9-10.1.0.5"]}},
    "overlaps with": {"ipam": RANGES | {"ranges": [[{"subnet": "10.1.9.0/24"}]]}},
    "mixed address families": {"ipam": RANGES | {"ranges": [[{"subnet": "10.2.0.0/16"}, {"subnet": "fd01::/64"}]]}},
    "interface name is too long": {"bridge": "\u00e9" * 8},  # a schema counts letters, the kernel bytes
    "interface name contains characters that cannot be printed": {"bridge": "\x1b"},
    # one key against another
    "is greater than maxID": {"vlanTrunk": [{"minID": 9, "maxID": 5}]},
    "cannot be used together with promiscMode": {"hairpinMode": True, "promiscMode": True},
    "cannot be used together with ipam": {"disableContainerInterface": True, "ipam": RANGES},
    "the VLAN's gateway link, is longer than 15 bytes": {
        "bridge": "123456789012345", "vlan": 100, "isGateway": True, "ipam": RANGES
    },
    "ipam.type: is required": {"ipam": {"ranges": []}},
    "no IP ranges specified": {"ipam": {"type": "cni-ipam"}},
    "does not support more than 1 address per family": {
        "cniVersion": "0.2.0", "ipam": RANGES | {"ranges": [[{"subnet": "10.2.0.0/16"}]]}
    },
    "failed to allocate": {"ipam": RANGES, "runtimeConfig": {"ips": ["10.9.0.1"]}},
    # without a subnet the reference ignores these three
    "unsupported field ipam.(rangeStart|rangeEnd|gateway) = ": {
        "ipam": {"type": "cni-ipam", "ranges": [[{"subnet": "10.1.0.0/16"}]], "gateway": "10.1.0.1"}
    },
    "(ingress|egress)(Rate|Burst): needs (ingress|egress)(Rate|Burst) beside it": {"ingressRate": 8000},
    "ipMasqExclude\\[\\d+\\]: .* is no network": {"ipMasqExclude": ["10.1.0.0/33"]},
    "portMappings\\[\\d+\\].hostIP: .* is not an IP address": {
        "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "hostIP": "10.1.0"}]}
    },
    "portMappings\\[\\d+\\].containerPort: must lie between 1": {"runtimeConfig": {"portMappings": [{"hostPort": 80}]}},
    "portMappings: host port .* is mapped to two ports of the pod": {
        "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": port} for port in (80, 81)]}
    },
    # valid for the reference
    "unsupported field externalSetMarkChain = ": {"externalSetMarkChain": "KUBE-MARK-MASQ"},
    # what the kernel has, and what the node's allowlist says
    "sysctl\\..*: is not a parameter of the network": {"sysctl": {"kernel.shmmax": "1"}},
    "sysctl\\..*: names a parameter that another key names too": {
        "sysctl": {"net.core.somaxconn": "1", "net/core/somaxconn": "2"}
    },
    # valid, but not built yet
    "unsupported field .*[Ss]hapedSubnets = ": {"unshapedSubnets": ["10.0.0.0/8"]},
    "spoofGuard: (cannot be used together|needs the pod's addresses)": {"spoofGuard": True},
    # the schemas of results describe what is printed; what is read may be more
    "^prevResult\\.": {"prevResult": {"ips": 1}},
}  # fmt: skip


def refusal(conf: dict[str, Any]) -> str | None:
    """What the parser says of a strict network's configuration on ADD."""
    try:
        request = Request.read(environment("ADD"), json.dumps(conf).encode())
        request.validate()
        parse(request)
        request.prev_result()
        report_unknown(request, is_strict=True)
    except CNIError as error:
        return error.msg
    return None


def broken(conf: dict[str, Any]) -> list[str]:
    return [error.message for error in CONF.iter_errors(conf)]


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration of a few keys, mostly right, now and then with a key that nobody knows."""
    properties = SCHEMAS["veth.json"]["properties"]
    keys = draw(
        st.sets(
            st.sampled_from([key for key in properties if key not in (*THE_RUNTIMES, "strict", "ipam")]), max_size=6
        )
    )
    conf = {"name": "net1", "type": "cni-veth"} | {key: draw(instances(properties[key], "veth.json")) for key in keys}
    kind = draw(st.sampled_from(["own", "other", "none"]))
    if kind == "own":
        conf["ipam"] = draw(instances(SCHEMAS["ipam.json"], "ipam.json"))
        if isinstance(conf["ipam"], dict):
            conf["ipam"]["type"] = draw(st.sampled_from(["cni-ipam", "host-local"]))
            subnet = draw(st.sampled_from([None, "10.1.0.0/16", "fd01::/64"]))
            conf["ipam"] |= {} if subnet is None else {"subnet": subnet}
        ips = draw(st.none() | st.lists(st.sampled_from(["10.1.0.5", "10.1.0.5/16", "x", ""]), max_size=1) | JUNK)
        conf.setdefault("runtimeConfig", {"ips": ips})
        conf.setdefault("args", {"cni": {"ips": draw(st.just([]) | JUNK)}})
    elif kind == "other":
        conf["ipam"] = draw(JUNK | st.fixed_dictionaries({"type": JUNK | st.just("static")}))
    if draw(st.integers(0, 9)) == 9:
        conf[draw(st.sampled_from(["isGatway", "x", "cni.dev/x", "cni.devx"]))] = draw(JUNK)
    return conf


@settings(max_examples=400)
@given(configurations())
@example({"name": "net1\n", "type": "cni-veth"})
@example({"name": "net1", "type": "cni-veth", "bridge": "a\n"})
@example({"name": "net1", "type": "cni-veth", "bridge": ".\n"})
@example({"name": "net1", "type": "cni-veth", "bridge": "..."})
@example({"name": "net1", "type": "cni-veth", "runtimeConfig": {"mac": "\n"}})
@example({"name": "net1", "type": "cni-veth", "runtimeConfig": {"mac": "02:00:00:00:00:01\n"}})
@example(
    {"name": "net1", "type": "cni-veth", "runtimeConfig": {"mac": "02:00:00:00:00:01"}, "args": {"cni": {"mac": 5}}}
)
@example({"name": "net1", "type": "cni-veth", "ipam": {"type": "cni-ipam", "subnet": "10.1.0.0/16", "gateway": None}})
@example({"name": "net1", "type": "cni-veth", "ipam": {"type": "cni-ipam", "subnet": ""}})
def test_parser_and_schema_agree(conf: dict[str, Any]) -> None:
    said, found = refusal(conf), broken(conf)
    if said is None:
        assert found == []
    elif not found:
        assert any(re.search(rule, said) for rule in PARSER_ONLY), f"only the parser refuses it: {said}"


@pytest.mark.parametrize("rule", PARSER_ONLY)
def test_what_only_the_parser_refuses(rule: str) -> None:
    conf = {"cniVersion": "1.1.0", "name": "net1", "type": "cni-veth"} | PARSER_ONLY[rule]
    said = refusal(conf)
    assert said is not None
    assert re.search(rule, said)
    assert broken(conf) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a b"}, {"name": None}, {"name": 5}, {"cniVersion": "9.9.9"}, {"cniVersion": 1}, {"mtu": "1500"},
        {"mtu": 67}, {"mtu": 65536}, {"vlan": 4095}, {"isGateway": 1}, {"bridge": "a/b"}, {"bridge": ".."},
        {"bridge": "1234567890123456"}, {"vlanTrunk": [{"id": 0}]}, {"vlanTrunk": [{"minID": 1}]},
        {"vlanTrunk": [{"id": 1, "maxID": 2}]}, {"vlanTrunk": [{}]}, {"vlanTrunk": {"id": 1}}, {"dns": {"search": "a"}},
        {"dns": []}, {"ipMasqBackend": "x"}, {"ipMasqExclude": ["pods"]}, {"snat": "no"}, {"markMasqBit": 32},
        {"backend": 4},
        {"conditionsV4": ["-s", "10.0.0.0/8"]}, {"conditionsV6": ["ip6; flush ruleset"]}, {"masqAll": 1},
        {"runtimeConfig": {"portMappings": [{"hostPort": 65536}]}}, {"runtimeConfig": {"portMappings": {}}},
        {"runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "icmp"}]}},
        {"args": {"cni": {"mac": "03:00:00:00:00:01"}}}, {"args": []},
        {"runtimeConfig": {"mac": "00:00:00:00:00:00"}}, {"isGatway": True}, {"dns": {"nameserver": []}}, {"ipam": []},
        {"ipam": {"type": 5}}, {"ipam": RANGES | {"ranges": [[]]}}, {"ipam": RANGES | {"ranges": [{}]}},
        {"ipam": RANGES | {"rangeStart": 5}}, {"ipam": RANGES | {"routes": [{"gw": "10.1.0.1"}]}},
        {"ipam": RANGES | {"routes": [{"dst": "::/0", "scope": 256}]}}, {"ipam": RANGES | {"dataDir": 5}},
        {"ipam": RANGES | {"exclude": [5]}}, {"ipam": RANGES | {"cooldown": -1}}, {"ipam": RANGES | {"reclaim": "all"}},
        {"ipam": RANGES | {"lockTimeout": 0}}, {"ipam": RANGES | {"sticky": "x"}}, {"ipam": RANGES | {"strictAdd": 1}},
        {"ipam": RANGES | {"rangestar": "x"}}, {"ipam": {"type": "cni-ipam", "subnet": "x"}}, {"prevResult": []},
        {"ingressRate": 7, "ingressBurst": 8}, {"egressRate": "8M"},
        {"runtimeConfig": {"bandwidth": {"egressRate": -8}}},
        {"egressRate": 8, "egressBurst": 34359738360}, {"runtimeConfig": {"bandwidth": []}}, {"sysctl": {"net.a.b": 1}},
        {"sysctl": {"net.a.b": ""}}, {"sysctl": []}, {"promisc": 1}, {"allmulti": "yes"}, {"txQLen": -1},
        {"promisc": 1, "args": {"cni": {"promisc": True}}}, {"args": {"cni": {"sysctl": {"net.a.b": None}}}},
        {"runtimeConfig": {"dns": {"servers": "10.1.0.1"}}}, {"runtimeConfig": {"dns": []}},
        {"ipam": RANGES, "runtimeConfig": {"ips": [5]}}, {"ipam": RANGES, "runtimeConfig": {"ipRanges": [[]]}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_what_both_refuse(wrong: dict[str, Any]) -> None:
    conf = {"cniVersion": "1.1.0", "name": "net1", "type": "cni-veth"} | wrong
    assert refusal(conf) is not None
    assert broken(conf) != []


@pytest.mark.parametrize(
    "key", [key for key in SCHEMAS["veth.json"]["properties"] if key not in ("name", *THE_RUNTIMES)]
)
def test_null_and_absent_are_the_same_to_both(key: str) -> None:
    conf = {"name": "net1", "type": "cni-veth", key: None}
    assert (refusal(conf), broken(conf)) == (None, [])
