"""The real cnitool drives our executables: add, check, del, gc and status, in every version that it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.world import VERSIONS, Node, Plugin, Pod
from tests.world.cnitool import conflist
from tests.world.places import REPOSITORY

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("built")]

SUBNETS = ("10.22.0.0/24", "fd00:22::/64")
SAMPLE: dict[str, Any] = json.loads((REPOSITORY / "packaging/10-cni-veth.conflist").read_text())


@pytest.mark.parametrize("version", VERSIONS)
def test_add_check_status_del(node: Node, pod: Pod, version: str) -> None:
    cnitool = node.cnitool(conflist(node.network(*SUBNETS, cniVersion=version, isDefaultGateway=True)))
    assert cnitool.succeed("add", pod)["cniVersion"] == version
    assert pod.addresses("eth0") == ["10.22.0.2/24", "fd00:22::2/64"]
    checked = cnitool.call("check", pod)
    if version >= "0.4.0":
        assert checked.returncode == 0, checked.stderr
    else:
        assert "does not support the CHECK command" in checked.stderr  # libcni's own words
    cnitool.succeed("status", pod)
    for _ in range(2):
        cnitool.succeed("del", pod)
        assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo", "cni0"}, {"lo"})


def test_check_tells_what_is_missing(node: Node, pod: Pod) -> None:
    cnitool = node.cnitool(conflist(node.network(*SUBNETS, isDefaultGateway=True)))
    cnitool.succeed("add", pod)
    pod.batch("addr del 10.22.0.2/24 dev eth0")
    checked = cnitool.call("check", pod)
    assert checked.returncode == 1
    assert "address 10.22.0.2/24 is missing on eth0" in checked.stderr


def test_a_second_add_is_refused_and_harms_nothing(node: Node, pod: Pod) -> None:
    cnitool = node.cnitool(conflist(node.network(*SUBNETS, isDefaultGateway=True)))
    cnitool.succeed("add", pod)
    leases = node.leases()
    again = cnitool.call("add", pod)
    assert again.returncode == 1
    assert "interface eth0 already exists" in again.stderr
    cnitool.succeed("check", pod)
    assert node.leases() == leases


def test_del_after_the_namespace_is_gone(node: Node, pod: Pod) -> None:
    cnitool = node.cnitool(conflist(node.network(*SUBNETS)))
    cnitool.succeed("add", pod)
    pod.delete()
    cnitool.succeed("del", pod)
    assert (node.leases(), set(node.links())) == ({}, {"lo", "cni0"})


@pytest.mark.parametrize("version", ["0.4.0", "1.1.0"])
def test_gc_by_cnitool_means_that_everything_it_knows_is_garbage(
    node: Node, plugin: Plugin, pod: Pod, version: str
) -> None:
    """It names no valid attachment: libcni sends a DEL for each one in its cache, then GC without a list.

    That list is absent, not empty, so what another runtime made on the same network survives.
    """
    network = node.network(*SUBNETS, cniVersion=version)
    cnitool = node.cnitool(conflist(network))
    plugin.add(network, pod).succeeded()
    elsewhere = node.leases()
    mine = [node.pod(), node.pod()]
    for each in mine:
        cnitool.succeed("add", each)
    mine[1].delete()
    assert len(node.leases()) == 6
    cnitool.succeed("gc", pod)
    assert node.leases() == elsewhere
    assert len(node.ports()) == 1
    assert (set(mine[0].links()), set(pod.links())) == ({"lo"}, {"lo", "eth0"})


def test_status_says_why_no_pod_can_be_added(node: Node, pod: Pod) -> None:
    cnitool = node.cnitool(conflist(node.network("10.22.0.0/30")))
    cnitool.succeed("add", pod)
    exhausted = cnitool.call("status", pod)
    assert exhausted.returncode == 1
    assert "0 free, 1 used" in exhausted.stderr
    cnitool.succeed("del", pod)
    cnitool.succeed("status", pod)
    node.batch("link del cni0", "link add cni0 type veth peer name other")
    taken = cnitool.call("status", pod)
    assert taken.returncode == 1
    assert "'cni0' is not a bridge" in taken.stderr


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [(["0.3.1"], "0.4.0"), (["0.3.1", "1.0.0"], "1.0.0"), (["1.1.0", "0.3.1"], "1.1.0"), (["1.0.0", "9.0.0"], "1.0.0")],
)
def test_the_highest_of_several_cni_versions_is_spoken(node: Node, pod: Pod, versions: list[str], chosen: str) -> None:
    listed = conflist(node.network(*SUBNETS, cniVersion="0.4.0")) | {"cniVersions": versions}
    cnitool = node.cnitool(listed)
    assert cnitool.succeed("add", pod)["cniVersion"] == chosen
    cnitool.succeed("check", pod)
    cnitool.succeed("del", pod)
    assert node.leases() == {}


def test_the_sample_conflist_works_as_it_is_installed(node: Node, pod: Pod) -> None:
    """Down to its default dataDir: below /var/lib/cni, where the node has a directory of its own."""
    cnitool = node.cnitool(SAMPLE)
    store = cnitool.cache / "networks" / SAMPLE["name"]
    result = cnitool.succeed("add", pod, cap_args={"mac": "02:11:22:33:44:55", "ips": ["10.22.7.7"]})
    assert result["cniVersion"] == "1.1.0"
    assert result["interfaces"][2]["mac"] == "02:11:22:33:44:55"
    assert pod.addresses("eth0") == ["10.22.7.7/16", "fd00:22::2/64"]
    assert (store / "10.22.7.7").exists()
    assert pod.reaches("10.22.0.1") and pod.reaches("fd00:22::1")
    for verb in ("check", "status", "del"):
        cnitool.succeed(verb, pod)
    assert not (store / "10.22.7.7").exists()
    assert (set(node.links()), set(pod.links())) == ({"lo", "cni0"}, {"lo"})
