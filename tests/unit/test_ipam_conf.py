"""ipam.conf: every key of host-local, and the error that each mistake gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.errors import CNIError, InvalidConfig, InvalidEnvironment
from ipam.conf import DATA_DIR, IPAMConf, cooldown, data_dir, lock_timeout, parse, pod, reclaims
from ipam.ranges import ip_text
from tests.unit.ipam_call import ipam_request

V4: dict[str, Any] = {"subnet": "10.1.0.0/16"}
V6: dict[str, Any] = {"subnet": "fd00::/64"}


def read(ipam: dict[str, Any], **call: Any) -> IPAMConf:
    return parse(ipam_request("ADD", ipam, **call))


def requested(conf: IPAMConf) -> list[str | None]:
    return [None if ip is None else ip_text(ip) for ip in conf.requested]


def texts(conf: IPAMConf) -> list[list[str]]:
    return [[f"{one} gw {ip_text(one.gateway)}" for one in ranges] for ranges in conf.sets]


def refused(ipam: dict[str, Any] | None, **call: Any) -> str:
    with pytest.raises(InvalidConfig) as caught:
        parse(ipam_request("ADD", ipam, **call))
    return caught.value.msg


def test_old_style_config() -> None:
    conf = read(V4 | {"rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.20", "gateway": "10.1.2.30"})
    assert texts(conf) == [["10.1.2.9-10.1.2.20 gw 10.1.2.30"]]
    assert conf.data_dir == DATA_DIR


def test_new_style_config() -> None:
    sets = [[{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.20"}, {"subnet": "10.1.4.0/24"}], [V6]]
    assert texts(read({"ranges": sets, "dataDir": "/elsewhere"})) == [
        ["10.1.2.1-10.1.2.20 gw 10.1.2.1", "10.1.4.1-10.1.4.254 gw 10.1.4.1"],
        ["fd00::1-fd00::ffff:ffff:ffff:ffff gw fd00::1"],
    ]


def test_mixed_config_with_runtime_ranges_keeps_the_references_order() -> None:
    conf = read({"ranges": [[V6]]} | V4, runtimeConfig={"ipRanges": [[{"subnet": "10.9.0.0/24"}]]})
    assert [ranges[0].path for ranges in conf.sets] == [
        "runtimeConfig.ipRanges[0][0]",
        "ipam",
        "ipam.ranges[0][0]",
    ]


def test_keys_are_matched_without_regard_to_case() -> None:
    conf = read(
        {"Ranges": [[{"SUBNET": "10.1.0.0/24", "rangestart": "10.1.0.7"}]], "datadir": "/d"},
        RuntimeConfig={"IPRanges": [[V6]], "IPs": ["10.1.0.9"]},
    )
    assert [ranges[0].family for ranges in conf.sets] == [6, 4]
    assert (conf.data_dir, requested(conf)) == ("/d", [None, "10.1.0.9"])


def test_null_and_empty_count_as_absent() -> None:
    conf = read(V4 | {"gateway": "", "rangeStart": None, "ranges": None, "dataDir": "", "routes": None})
    assert texts(conf) == [["10.1.0.1-10.1.255.254 gw 10.1.0.1"]]
    assert conf.data_dir == DATA_DIR


def test_a_gateway_may_lie_outside_of_the_subnet() -> None:
    assert texts(read(V4 | {"gateway": "192.0.2.1"})) == [["10.1.0.1-10.1.255.254 gw 192.0.2.1"]]


def test_network_and_broadcast_are_never_given_even_if_named() -> None:
    subnet = {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.0.255"}
    assert texts(read(subnet)) == [["10.1.0.1-10.1.0.254 gw 10.1.0.1"]]


def test_all_ones_of_ipv6_is_an_address() -> None:
    assert texts(read({"subnet": "fd00::/126"})) == [["fd00::1-fd00::3 gw fd00::1"]]


def test_routes_keep_every_attribute() -> None:
    route = {"dst": "0.0.0.0/0", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 0, "scope": 253}
    conf = read(V4 | {"routes": [route, {"dst": "fd01::/16"}]})
    assert [item.to_json() for item in conf.routes] == [route, {"dst": "fd01::/16"}]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([[{"subnet": "10.0.0.5/24"}]], "[0][0].subnet: 10.0.0.5/24 has host bits set; use 10.0.0.0/24"),
        ([[V4, {"subnet": "192.0.2.1/31"}]], "[0][1].subnet: 192.0.2.1/31 is too small to allocate from"),
        ([[{"subnet": "fd00::1/127"}]], "[0][0].subnet: fd00::1/127 is too small to allocate from"),
        (
            [[{"subnet": "10.0.0.0"}]],
            "[0][0].subnet: '10.0.0.0' is not an address with a prefix length, such as 10.1.0.2/24",
        ),
        (
            [[{"subnet": "10.0.0.0/33"}]],
            "[0][0].subnet: '10.0.0.0/33' is not an address with a prefix length, such as 10.1.0.2/24",
        ),
        ([[{"subnet": 7}]], "[0][0].subnet: must be a string, not a number"),
        ([[{}]], "[0][0].subnet: is required"),
        ([[V4 | {"gateway": "10.1"}]], "[0][0].gateway: '10.1' is not an IP address"),
        ([[V4 | {"rangeStart": "10.2.0.1"}]], "[0][0].rangeStart: 10.2.0.1 is not in subnet 10.1.0.0/16"),
        ([[V4 | {"rangeEnd": "fd00::1"}]], "[0][0].rangeEnd: fd00::1 is not in subnet 10.1.0.0/16"),
        (
            [[V4 | {"rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.8"}]],
            "[0][0].rangeStart: 10.1.0.9 lies after rangeEnd 10.1.0.8",
        ),
        (
            [[V4 | {"rangeStart": "10.1.255.255"}]],
            "[0][0].rangeStart: 10.1.255.255 lies after rangeEnd 10.1.255.254",
        ),
        ([[V4, V6]], "[0]: mixed address families"),
        ([[V4], []], "[1]: empty range set"),
        ([V4], "[0]: must be a list of ranges, not an object"),
        ([["10.1.0.0/16"]], "[0][0]: must be an object, not a string"),
        (
            [[V4, {"subnet": "10.1.8.0/24"}]],
            "[0][1]: 10.1.8.1-10.1.8.254 overlaps with 10.1.0.1-10.1.255.254 of ipam.ranges[0][0]",
        ),
        (
            [[V4], [V6], [{"subnet": "10.1.8.0/24"}]],
            "[2][0]: 10.1.8.1-10.1.8.254 overlaps with 10.1.0.1-10.1.255.254 of ipam.ranges[0][0]",
        ),
    ],
)
def test_a_mistake_in_ranges_is_named_with_its_path(ranges: Any, message: str) -> None:
    assert refused({"ranges": ranges}) == f"ipam.ranges{message}"


def test_runtime_ranges_overlapping_with_the_old_style_one() -> None:
    message = refused(V4, runtimeConfig={"ipRanges": [[{"subnet": "10.1.8.0/24"}]]})
    assert message == "ipam: 10.1.0.1-10.1.255.254 overlaps with 10.1.8.1-10.1.8.254 of runtimeConfig.ipRanges[0][0]"


@pytest.mark.parametrize(
    ("one", "other", "is_refused"),
    [
        ({"subnet": "10.0.0.0/24"}, {"subnet": "10.0.1.0/24"}, False),
        ({"subnet": "0.0.0.0/24"}, {"subnet": "::/24"}, False),
        ({"subnet": "10.0.0.0/24"}, {"subnet": "10.0.0.0/24"}, True),
        ({"subnet": "10.0.0.0/20"}, {"subnet": "10.0.1.0/24"}, True),
        (
            {"subnet": "10.0.0.0/24", "rangeEnd": "10.0.0.127"},
            {"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.128"},
            False,
        ),
        (
            {"subnet": "10.0.0.0/24", "rangeEnd": "10.0.0.127"},
            {"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.127"},
            True,
        ),
    ],
)
@pytest.mark.parametrize("is_turned", [False, True])
def test_overlap_table_of_the_reference(one: Any, other: Any, is_refused: bool, is_turned: bool) -> None:
    sets = [[other], [one]] if is_turned else [[one], [other]]
    if is_refused:
        assert "overlaps with" in refused({"ranges": sets})
    else:
        assert len(read({"ranges": sets}).sets) == 2


def test_no_ranges_at_all() -> None:
    assert refused({"type": "cni-ipam"}) == "no IP ranges specified"
    assert refused({"rangeStart": "10.1.0.7"}) == "no IP ranges specified"
    assert refused(None) == "IPAM config missing 'ipam' key"


def test_status_knows_that_runtime_ranges_come_with_add_only() -> None:
    assert parse(ipam_request("STATUS", {}, capabilities={"ipRanges": True})).sets == []
    with pytest.raises(InvalidConfig, match="no IP ranges specified"):
        parse(ipam_request("STATUS", {}, capabilities={"ipRanges": False}))


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_one_address_per_family_before_0_3_0(version: str) -> None:
    message = f"CNI version {version} does not support more than 1 address per family"
    assert refused({"ranges": [[V4], [{"subnet": "10.2.0.0/16"}], [V6]]}, version=version) == message
    assert refused({"ranges": [[V4], [V6], [{"subnet": "fd01::/64"}]]}, version=version) == message
    assert len(read({"ranges": [[V4], [V6]]}, version=version).sets) == 2
    assert len(read({"ranges": [[V4, {"subnet": "10.2.0.0/16"}]]}, version=version).sets) == 1


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_several_addresses_per_family_since_0_3_0(version: str) -> None:
    assert len(read({"ranges": [[V4], [{"subnet": "10.2.0.0/16"}]]}, version=version).sets) == 2


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"args": "IP=10.1.0.7"}, ["10.1.0.7", None]),
        ({"args": "IP=10.1.0.7/24"}, ["10.1.0.7", None]),
        ({"args": "IP=10.1.0.7,fd00::8/64"}, ["10.1.0.7", "fd00::8"]),
        ({"args": "K8S_POD_NAME=a;MAC=02:00:00:00:00:01;IP=FD00::8"}, [None, "fd00::8"]),
        ({"args": "IP="}, [None, None]),
        ({"args": "IgnoreUnknown=1;FOO=bar"}, [None, None]),
        ({"conf": {"args": {"cni": {"ips": ["10.1.0.7", "fd00::8"]}}}}, ["10.1.0.7", "fd00::8"]),
        ({"conf": {"args": {"cni": {"ips": ["10.1.0.7/8"]}}}}, ["10.1.0.7", None]),
        ({"conf": {"runtimeConfig": {"ips": ["fd00::8/64"]}}}, [None, "fd00::8"]),
        (
            {"conf": {"args": {"cni": {"ips": ["10.1.0.7"]}}, "runtimeConfig": {"ips": ["fd00::8", "10.1.0.7"]}}},
            ["10.1.0.7", "fd00::8"],
        ),
    ],
)
def test_requested_ips_from_every_source(call: dict[str, Any], expected: list[str | None]) -> None:
    conf = read({"ranges": [[V4], [V6]]}, cni_args=call.get("args", ""), **call.get("conf", {}))
    assert requested(conf) == expected


@pytest.mark.parametrize("conf", [{"args": {"cni": {"ips": ["10.1.0.9"]}}}, {"runtimeConfig": {"ips": ["10.1.0.9"]}}])
def test_cni_args_are_ignored_where_the_configuration_asks(conf: dict[str, Any]) -> None:
    assert requested(read(V4, cni_args="IP=10.1.0.7", **conf)) == ["10.1.0.9"]


@pytest.mark.parametrize("args", ["IP=10.1", "IP=10.1.0.7/40", "IP", "IP=10.1.0.7=8", "FOO=bar"])
def test_bad_cni_args_are_code_4_on_add_and_no_matter_elsewhere(args: str) -> None:
    with pytest.raises(InvalidEnvironment, match="CNI_ARGS: "):
        read(V4, cni_args=args)
    for verb in ("CHECK", "DEL"):
        assert parse(ipam_request(verb, V4, cni_args=args)).requested == [None]


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"args": {"cni": {"ips": ["10.1.0.7", "x"]}}}, "args.cni.ips[1]: 'x' is not an IP address"),
        ({"runtimeConfig": {"ips": [7]}}, "runtimeConfig.ips[0]: must be a string, not a number"),
        ({"runtimeConfig": {"ips": "10.1.0.7"}}, "runtimeConfig.ips: must be a list, not a string"),
        (
            {"runtimeConfig": {"ipRanges": [[{"subnet": "x/8"}]]}},
            "runtimeConfig.ipRanges[0][0].subnet: 'x' is not an IP address",
        ),
        ({"runtimeConfig": {"ips": ["10.7.0.1"]}}, "failed to allocate all requested IPs: 10.7.0.1"),
        (
            {"runtimeConfig": {"ips": ["10.1.0.1"]}},
            "failed to allocate for range 0: requested ip 10.1.0.1 is subnet's gateway",
        ),
    ],
)
def test_a_bad_request_is_named_with_its_path(conf: dict[str, Any], message: str) -> None:
    assert refused(V4, **conf) == message


def test_unknown_keys_are_told_and_other_plugins_keys_are_not() -> None:
    ipam = {"type": "cni-ipam", "rangestart": "10.1.0.7", "dataDri": "/x", "ranges": [[V6 | {"gatway": "x"}]]} | V4
    request = ipam_request("ADD", ipam, runtimeConfig={"mac": "02:00:00:00:00:01"}, cni_args="MAC=02:00:00:00:00:01")
    parse(request)
    parse(request)
    unknown = [item for item in request.conf.unknown() if item[0].startswith(("ipam", "runtimeConfig", "args"))]
    assert unknown == [("ipam.dataDri", "dataDir"), ("ipam.ranges[0][0].gatway", "gateway")]


def test_bounds_without_a_subnet_have_no_effect_and_are_told() -> None:
    request = ipam_request("ADD", {"gateway": "10.1.0.9", "ranges": [[V4]]})
    assert texts(parse(request)) == [["10.1.0.1-10.1.255.254 gw 10.1.0.1"]]
    assert ("ipam.gateway", "") in request.conf.unknown()


def test_releasing_reads_the_data_dir_alone() -> None:
    broken = {"DATADIR": "/d", "ranges": [[{"subnet": 7}]], "routes": "x", "resolvConf": []}
    assert data_dir(ipam_request("DEL", broken, cni_args="x")) == "/d"
    assert data_dir(ipam_request("DEL")) == DATA_DIR


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "10.0.0.0/24", "fd00::/64", "10.0.0.9", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["subnet", "rangeStart", "rangeEnd", "gateway", "dst", "gw", "ips"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["subnet", "ranges", "routes", "resolvConf", "dataDir", "gateway"]), values),
    st.dictionaries(st.sampled_from(["ipRanges", "ips"]), values),
)
def test_any_json_is_read_or_refused_with_code_7(ipam: dict[str, Any], runtime: dict[str, Any]) -> None:
    try:
        conf = read(ipam, runtimeConfig=runtime)
    except CNIError as error:
        assert error.code == 7
        return
    assert conf.sets
    for one in (one for ranges in conf.sets for one in ranges):
        assert one.start <= one.end
    assert len(conf.requested) == len(conf.sets)


def test_our_own_keys_and_their_defaults() -> None:
    conf = read(V4)
    assert (conf.cooldown, conf.lock_timeout, conf.reclaims, conf.strict_add, conf.sticky) == (30, 10, True, False, "")
    keys = {"cooldown": 0, "lockTimeout": 3, "reclaim": "never", "strictAdd": True}
    conf = read(V4 | keys)
    assert (conf.cooldown, conf.lock_timeout, conf.reclaims, conf.strict_add) == (0, 3, False, True)
    assert read(V4 | {"reclaim": ""}).reclaims


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"cooldown": -1}, "ipam.cooldown: must lie between 0 and 86400, not -1"),
        ({"cooldown": "30s"}, "ipam.cooldown: must be a whole number, not a string"),
        ({"lockTimeout": 0}, "ipam.lockTimeout: must lie between 1 and 86400, not 0"),
        ({"reclaim": "always"}, 'ipam.reclaim: must be "dead" or "never", not \'always\''),
        ({"reclaim": True}, "ipam.reclaim: must be a string, not a boolean"),
        ({"sticky": 1}, "ipam.sticky: must be true or false, not a number"),
        ({"strictAdd": "yes"}, "ipam.strictAdd: must be true or false, not a string"),
    ],
)
def test_a_mistake_in_our_own_keys_is_named(keys: dict[str, Any], message: str) -> None:
    assert refused(V4 | keys) == message


def test_releasing_reads_single_keys_of_a_broken_configuration() -> None:
    right = ipam_request("GC", {"LockTimeout": 3, "reclaim": "never", "cooldown": 0, "ranges": 5})
    assert (lock_timeout(right), reclaims(right), cooldown(right)) == (3, False, 0)
    empty = ipam_request("GC", {})
    assert (lock_timeout(empty), reclaims(empty), cooldown(empty)) == (10, True, 30)
    broken = ipam_request("GC", {"lockTimeout": "3", "reclaim": 5, "cooldown": -1})
    assert (lock_timeout(broken), reclaims(broken), cooldown(broken)) == (10, False, 30)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;IgnoreUnknown=1", "shop/web-0"),
        ("K8S_POD_NAME=web-0", ""),
        ("K8S_POD_NAMESPACE=shop", ""),
        ("x", ""),
    ],
)
def test_the_name_of_the_pod(args: str, expected: str) -> None:
    assert pod(ipam_request("ADD", V4, cni_args=args)) == expected
