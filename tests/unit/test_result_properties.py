"""Any result: read and printed it is the same; converted up and down it keeps what the version can hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.conf import Section
from cni.document import decode, encode
from cni.result import Result
from cni_veth.schema import validator
from tests.unit.call import VERSIONS
from tests.unit.result_documents import RESULTS, Document

SCHEMAS = {
    version: f"result-{first}.json"
    for first, versions in (("0.1.0", VERSIONS[:2]), ("0.3.0", VERSIONS[2:5]), ("1.0.0", VERSIONS[5:]))
    for version in versions
}
VALIDATORS = {name: validator(name) for name in sorted(set(SCHEMAS.values()))}
any_result = st.sampled_from(VERSIONS).flatmap(RESULTS.__getitem__)
newest = st.sampled_from(VERSIONS[5:]).flatmap(RESULTS.__getitem__)


def read(document: Document, version: str | None = None) -> Result:
    return Result.from_conf(Section(document), version or document["cniVersion"])


def broken(document: object, version: str) -> list[str]:
    return [error.message for error in VALIDATORS[SCHEMAS[version]].iter_errors(document)]


@given(any_result)
def test_a_result_that_is_read_prints_as_it_was(document: Document) -> None:
    version = document["cniVersion"]
    assert read(document).to_json(version) == document
    assert decode(encode(document).encode(), "result") == document


@given(any_result)
def test_up_to_1_1_0_and_back_nothing_is_lost(document: Document) -> None:
    version = document["cniVersion"]
    up = read(document).to_json("1.1.0")
    assert read(up).to_json(version) == document


@given(any_result, st.sampled_from(VERSIONS))
def test_whatever_is_printed_fits_the_schema_of_its_version(document: Document, to: str) -> None:
    if to in VERSIONS[:2] and not read(document).ips:
        return
    assert broken(read(document).to_json(to), to) == []


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_the_schema_takes_every_result_of_its_version(version: str, data: st.DataObject) -> None:
    assert broken(data.draw(RESULTS[version]), version) == []


@given(newest)
def test_down_to_0_4_0_only_the_newer_keys_of_interfaces_go(document: Document) -> None:
    down = read(document).to_json("0.4.0")
    expected = {"dns": {}, **document, "cniVersion": "0.4.0"}
    if "interfaces" in document:
        newer = ("mtu", "socketPath", "pciID")
        expected["interfaces"] = [
            {key: value for key, value in link.items() if key not in newer} for link in document["interfaces"]
        ]
    if "ips" in document:
        expected["ips"] = [{**ip, "version": "6" if ":" in ip["address"] else "4"} for ip in document["ips"]]
    assert down == expected


@given(newest.filter(lambda document: "ips" in document), st.sampled_from(VERSIONS[:2]))
def test_down_to_0_2_0_the_first_address_of_each_family_is_left(document: Document, to: str) -> None:
    expected: Document = {"cniVersion": to, "dns": document.get("dns", {})}
    for key, is_ipv6 in (("ip4", False), ("ip6", True)):
        of_family = [ip for ip in document["ips"] if (":" in ip["address"]) is is_ipv6]
        if of_family:
            expected[key] = {"ip": of_family[0]["address"]}
            if "gateway" in of_family[0]:
                expected[key]["gateway"] = of_family[0]["gateway"]
            routes = [route for route in document.get("routes", []) if (":" in route["dst"]) is is_ipv6]
            if routes:
                expected[key]["routes"] = [{k: route[k] for k in ("dst", "gw") if k in route} for route in routes]
    assert read(document).to_json(to) == expected


@given(any_result, st.sampled_from(["cniVersion", "dns", "interfaces", "ips", "routes", "ip4", "ip6"]), st.data())
def test_the_schemas_refuse_what_no_result_has(document: Document, key: str, data: st.DataObject) -> None:
    version = document["cniVersion"]
    wrong: Any = data.draw(st.sampled_from([None, 5, "", "x", [], [{}], {"x": 1}, [None], [{"x": 1}]]))
    assert broken({**document, key: wrong}, version) != []


@given(any_result, st.sampled_from(VERSIONS))
def test_a_schema_takes_no_result_of_another_shape(document: Document, version: str) -> None:
    is_same = SCHEMAS[version] == SCHEMAS[document["cniVersion"]]
    assert (broken(document, version) == []) is is_same
