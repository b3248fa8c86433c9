"""cni/schemas themselves, and what is broken of them in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cni import errors
from cni.errors import CNIError
from cni_veth.conf import VethConf
from cni_veth.ipam_plugin import validate_own
from cni_veth.schema import CONFIGURATIONS, canonical, load, problems, validator
from tests.unit.call import VERSIONS, veth_request
from tests.unit.from_schema import resolve

SCHEMAS = load()


def inside(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for child in children:
        yield from inside(child)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one_of_2020_12_and_named_as_its_file(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMAS[name]["$id"] == name
    assert SCHEMAS[name]["title"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_reference_leads_somewhere(name: str) -> None:
    for schema in inside(SCHEMAS[name]):
        if "$ref" in schema:
            assert resolve(schema["$ref"], name)[0]


def keys_of(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key with its schema, but for those of conditions."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        children = [schema.get("items"), *schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
        for child in children:
            yield from keys_of(child)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_key_of_a_configuration_is_described(name: str) -> None:
    found = list(keys_of(SCHEMAS[name]))
    assert found
    for key, schema in found:
        described = resolve(schema["$ref"], name)[0] if "$ref" in schema else schema
        is_condition = set(schema) <= {"if", "then"}
        assert is_condition or schema.get("description") or described.get("description"), key


def test_the_schema_names_every_key_that_the_parser_reads_and_no_other() -> None:
    request = veth_request()
    VethConf(request)
    request.prev_result()
    assert request.conf._known == set(SCHEMAS["veth.json"]["properties"])


def test_the_ipam_schema_names_every_key_that_our_ipam_reads_and_no_other() -> None:
    ranges = [[{"subnet": "10.2.0.0/16"}]]
    request = veth_request(
        ipam={"type": "cni-ipam", "subnet": "10.1.0.0/16", "ranges": ranges, "routes": [{"dst": "::/0"}]}
    )
    validate_own(request)
    ipam = next(section for section in request.conf._children if section.path == "ipam")
    assert ipam._known == set(SCHEMAS["ipam.json"]["properties"])
    known = {section.path: section._known for section in ipam._children}
    assert known["ipam.routes[0]"] == set(SCHEMAS["ipam.json"]["$defs"]["route"]["properties"])
    assert known["ipam.ranges[0][0]"] == set(SCHEMAS["ipam.json"]["$defs"]["range"]["properties"])


def every_error() -> list[CNIError]:
    plain = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CNIError)]
    special: dict[type[CNIError], CNIError] = {
        errors.UnsupportedField: errors.UnsupportedField("mtu", 5),
        errors.InvalidEnvironment: errors.InvalidEnvironment("CNI_ARGS", "bad"),
        errors.KernelRefused: errors.KernelRefused("create a link", 17),
        errors.CheckFailed: errors.CheckFailed(["one", "two"]),
        errors.DelegateFailed: errors.DelegateFailed(99, "its own"),
    }
    return [special.get(kind) or kind("what failed", "why") for kind in plain]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_error_of_ours_fits_the_schema(error: CNIError, version: str) -> None:
    document = error.to_json(version)
    assert list(validator("error.json").iter_errors(document)) == []
    assert document["code"] == error.code


def test_the_codes_are_those_of_the_tree_at_the_top_of_errors() -> None:
    tree = {line.split()[1]: line.split()[2] for line in (errors.__doc__ or "").splitlines() if "──" in line}
    codes = {type(error).__name__: str(error.code) for error in every_error() if type(error) is not CNIError}
    assert codes | {"DelegateFailed": "*"} == tree


@pytest.mark.parametrize(
    "document", [{}, {"cniVersion": "1.1.0", "code": "7", "msg": "x"}, {"cniVersion": "1.1.0", "code": 7, "msg": ""}]
)
def test_what_is_no_error(document: dict[str, Any]) -> None:
    assert list(validator("error.json").iter_errors(document)) != []


# --- in words


def test_keys_are_spelt_as_the_schemas_spell_them() -> None:
    found = canonical({"MTU": 1, "Ipam": {"RANGES": [[{"SUBNET": "a"}]]}, "Unknown": {"ISGATEWAY": 1}})
    assert found == {"mtu": 1, "ipam": {"ranges": [[{"subnet": "a"}]]}, "Unknown": {"isGateway": 1}}


def test_of_two_spellings_the_right_one_counts() -> None:
    assert canonical({"MTU": 1, "mtu": 2}) == {"MTU": 1, "mtu": 2}
    assert canonical({"MTU": 1, "Mtu": 2}) == {"mtu": 1, "Mtu": 2}


def told(**conf: Any) -> dict[str, str]:
    return {
        problem.path: problem.text for problem in problems({"name": "net1", "type": "cni-veth", **conf}, "conf.json")
    }


@pytest.mark.parametrize(
    ("conf", "path", "text"),
    [
        ({"vlan": 5000}, "vlan", "must lie between 0 and 4094, not 5000 (VLAN that the pod is in"),
        ({"vlan": "5"}, "vlan", "must be a whole number, not a string (VLAN that the pod is in"),
        ({"vlan": 0.5}, "vlan", "must be a whole number, not a number with a fraction (VLAN"),
        ({"isGateway": "x"}, "isGateway", "must be true or false, not a string (give the bridge the gateway"),
        ({"ipMasqBackend": "x"}, "ipMasqBackend", 'must be one of "iptables", "nftables", not "x" (what ipMasq'),
        ({"isGatway": 1}, "isGatway", "unknown key; did you mean isGateway?"),
        ({"what": 1}, "what", "unknown key"),
        ({"dns": {"servers": []}}, "dns.servers", "unknown key; did you mean nameservers?"),
        ({"dns": {"search": ["a", 5]}}, "dns.search[1]", "must be a string, not a number"),
        ({"mtu": 30}, "mtu", "30 does not fit (MTU of both ends, 68 to 65535;"),
        ({"vlanTrunk": [{"id": 1}, {}]}, "vlanTrunk[1]", '{} does not fit (either {"id": 101} or {"minID"'),
        ({"ipam": {"type": "cni-ipam", "ranges": [[{}]]}}, "ipam.ranges[0][0].subnet", "is required"),
        ({"ipam": {"type": "cni-ipam", "ranges": [[]]}}, "ipam.ranges[0]", "must not be empty (a range set: one or"),
        ({"name": "a b"}, "name", '"a b" does not fit (name of the network: a letter or digit'),
        ({"capabilities": {"ips": "yes"}}, "capabilities.ips", "must be true or false, not a string"),
        ({"type": "a/b"}, "type", '"a/b" does not fit (name of the plugin'),
        (
            {"type": "bridge", "ipam": {"type": "cni-ipam", "subnet": 5}},
            "ipam.subnet",
            "must be a string, not a number",
        ),
    ],
)
def test_one_problem_in_words(conf: dict[str, Any], path: str, text: str) -> None:
    found = told(**conf)
    assert list(found) == [path]
    assert found[path].startswith(text), found[path]


def test_a_plugin_of_another_type_may_have_any_keys() -> None:
    assert told(type="bridge", isGatway=5, ipam={"type": "static", "x": 1}) == {}


def test_all_problems_are_told_at_once() -> None:
    conf = {"mtu": "x", "vlan": -1, "isGatway": 1, "hairpin": 1, "ipam": {"type": "cni-ipam", "dataDir": 1}}
    assert set(told(**conf)) == {"mtu", "vlan", "isGatway", "hairpin", "ipam.dataDir"}
