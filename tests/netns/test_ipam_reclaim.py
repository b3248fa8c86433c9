"""Leases that heal themselves: what is provably dead is given again, what may live never is."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from ipam import facts
from ipam.facts import Facts
from tests.world import PEERS, Node, Plugin, Pod
from tests.world.server import until

ARGS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"


def two_ips(node: Node, **keys: Any) -> dict[str, Any]:
    """A network with 10.1.0.2 and 10.1.0.3 for pods."""
    ranges = [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.2", "rangeEnd": "10.1.0.3"}]]
    return node.network(ipam={"type": "cni-ipam", "dataDir": str(node.store), "ranges": ranges, **keys})


def read(node: Node, ip: str) -> Facts:
    with open(node.store / "net" / ip) as lease:
        found = facts.read(lease.fileno())
    assert found is not None
    return found


def change(node: Node, *ips: str, **changed: Any) -> None:
    """Facts of these leases."""
    for ip in ips:
        with open(node.store / "net" / ip) as lease:
            found = facts.decode(os.getxattr(lease.fileno(), facts.ATTRIBUTE))
            assert found is not None
            for name, value in changed.items():
                setattr(found, name, value)
            assert facts.write(lease.fileno(), found, int(os.fstat(lease.fileno()).st_mtime))


def address(result: dict[str, Any]) -> str:
    return str(result["ips"][0]["address"])


def host_link(result: dict[str, Any]) -> str:
    return str(result["interfaces"][1]["name"])


def age(node: Node, *ips: str) -> None:
    """As if the node had booted since these were given."""
    older(node, *ips)
    change(node, *ips, boot=facts.digest("an earlier boot"))


def older(node: Node, *ips: str) -> None:
    """Than this boot."""
    when = facts.booted() - 60
    for ip in ips:
        os.utime(node.store / "net" / ip, (when, when))
    change(node, *ips)


def test_a_lease_says_what_it_is_for(node: Node, plugin: Plugin) -> None:
    pod = node.pod()
    result = plugin.add(two_ips(node), pod, args=ARGS).succeeded()
    found = read(node, "10.1.0.2")
    with open("/proc/sys/kernel/random/boot_id") as file:
        assert found.boot == facts.digest(file.read().strip())
    assert (found.netns, found.directory) == (os.stat(pod.path).st_ino, os.path.dirname(pod.path))
    assert found.entry == facts.digest(os.path.basename(pod.path))
    assert (found.link, found.link_netns) == (host_link(result), os.stat(node.path).st_ino)
    assert found.pod == "shop/web-0"
    assert (node.store / "net/10.1.0.2").read_bytes() == f"{pod.container_id}\r\neth0".encode()


def test_the_address_of_a_pod_that_vanished_is_given_again(node: Node, plugin: Plugin) -> None:
    """Its namespace went, and its link with it; no DEL ever came."""
    conf, alive, vanished, late = two_ips(node), node.pod(), node.pod(), node.pod()
    plugin.add(conf, alive).succeeded()
    link = host_link(plugin.add(conf, vanished).succeeded())
    plugin.add(conf, late).failed(102)
    vanished.delete()
    until(lambda: link not in node.links())
    assert address(plugin.add(conf, late).succeeded()) == "10.1.0.3/24"
    assert node.leases() == {"10.1.0.2": (alive.container_id, "eth0"), "10.1.0.3": (late.container_id, "eth0")}


def test_never_leaves_it(node: Node, plugin: Plugin) -> None:
    conf, alive, vanished, late = two_ips(node, reclaim="never"), node.pod(), node.pod(), node.pod()
    plugin.add(conf, alive).succeeded()
    link = host_link(plugin.add(conf, vanished).succeeded())
    vanished.delete()
    until(lambda: link not in node.links())
    plugin.add(conf, late).failed(102)


def test_a_namespace_that_lost_its_name_lives_on(node: Node, plugin: Plugin) -> None:
    """A process is in it: the path leads nowhere, but the link is there."""
    conf, alive, hidden, late = two_ips(node), node.pod(), node.pod(), node.pod()
    plugin.add(conf, alive).succeeded()
    link = host_link(plugin.add(conf, hidden).succeeded())
    process = hidden.start(["sleep", "60"])
    try:
        node.run(["ip", "netns", "delete", hidden.name])
        assert link in node.links()
        plugin.add(conf, late).failed(102)
        assert len(node.leases()) == 2
    finally:
        process.kill()
        process.wait()


def test_who_looks_from_another_namespace_proves_nothing(node: Node, plugin: Plugin) -> None:
    conf = two_ips(node)
    for ip in ("10.1.0.2", "10.1.0.3"):
        plugin.add(conf, node.pod()).succeeded()
        change(node, ip, netns=1, link="veth-gone", link_netns=1, directory="/nonexistent")
    plugin.add(conf, node.pod()).failed(102)
    assert len(node.leases()) == 2


def test_what_an_earlier_boot_left_is_given_again(node: Node, ipam: Plugin) -> None:
    conf = two_ips(node)
    for name in ("c1", "c2"):
        ipam.add(conf, Pod(name)).succeeded()
    ipam.status(conf).failed(50)
    age(node, "10.1.0.2", "10.1.0.3")
    ipam.status(conf).succeeded()
    assert address(ipam.add(conf, Pod("d1")).succeeded()) == "10.1.0.2/24"
    assert node.leases() == {"10.1.0.2": ("d1", "eth0")}


def test_a_real_lease_of_another_boot_is_given_again_if_it_is_older_than_this_one(node: Node, ipam: Plugin) -> None:
    """Under another boot id, as the kernel shows it to that call alone, and systemd-nspawn to a container."""
    conf, boot_id = two_ips(node), node.dir / "boot_id"
    boot_id.write_text("11111111-2222-3333-4444-555555555555\n")
    script = f'mount --bind "$0" {facts.BOOT_ID} && exec "$@"'
    booted = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(boot_id)]
    ipam.cni("ADD", conf, Pod("c1"), wrap=booted).succeeded()
    ipam.add(conf, Pod("c2")).succeeded()
    ipam.cni("GC", conf).succeeded()
    ipam.add(conf, Pod("d1")).failed(102)
    older(node, "10.1.0.2")
    assert address(ipam.add(conf, Pod("d1")).succeeded()) == "10.1.0.2/24"
    assert node.leases() == {"10.1.0.2": ("d1", "eth0"), "10.1.0.3": ("c2", "eth0")}


@pytest.mark.parametrize("listed", [True, False])
def test_gc_removes_what_an_earlier_boot_left_unless_it_is_listed(node: Node, ipam: Plugin, listed: bool) -> None:
    conf = two_ips(node)
    for name in ("c1", "c2"):
        ipam.add(conf, Pod(name)).succeeded()
    age(node, "10.1.0.2")
    keys = {"cni.dev/valid-attachments": [{"containerID": name, "ifname": "eth0"} for name in ("c1", "c2")]}
    ipam.cni("GC", conf | (keys if listed else {})).succeeded()
    kept = {"10.1.0.2": ("c1", "eth0")} if listed else {}
    assert node.leases() == kept | {"10.1.0.3": ("c2", "eth0")}


def test_a_requested_address_is_taken_from_the_dead(node: Node, plugin: Plugin) -> None:
    """A static address, whose pod's node lost power or whose DEL never came."""
    conf, alive, vanished, late = two_ips(node), node.pod(), node.pod(), node.pod()
    link = host_link(plugin.add(conf, vanished, args="IP=10.1.0.3").succeeded())
    plugin.add(conf, alive, args="IP=10.1.0.3").failed(102)
    vanished.delete()
    until(lambda: link not in node.links())
    assert address(plugin.add(conf, late, args="IP=10.1.0.3").succeeded()) == "10.1.0.3/24"
    assert node.leases() == {"10.1.0.3": (late.container_id, "eth0")}


@pytest.mark.peers
def test_what_host_local_wrote_is_never_reclaimed(node: Node, ipam: Plugin) -> None:
    conf, reference = two_ips(node), node.plugin("host-local", PEERS)
    reference.add(conf, Pod("r1")).succeeded()
    ipam.add(conf, Pod("o1")).succeeded()
    age(node, "10.1.0.3")
    assert address(ipam.add(conf, Pod("o2")).succeeded()) == "10.1.0.3/24"
    ipam.add(conf, Pod("o3")).failed(102)
    assert node.leases() == {"10.1.0.2": ("r1", "eth0"), "10.1.0.3": ("o2", "eth0")}


def test_a_repeated_add_gets_the_same_result(node: Node, ipam: Plugin) -> None:
    conf = node.network("10.1.0.0/24", "fd00::/64")
    first = ipam.add(conf, Pod("c1")).succeeded()
    ipam.add(conf, Pod("c2")).succeeded()
    before = {path.name: path.read_bytes() for path in (node.store / "net").iterdir()}
    assert ipam.add(conf, Pod("c1")).succeeded() == first
    assert {path.name: path.read_bytes() for path in (node.store / "net").iterdir()} == before


def test_many_at_once_in_a_set_of_the_dead_get_an_address_each(node: Node, ipam: Plugin) -> None:
    """All of them find it full; whoever removes a dead lease, another may get its address."""
    conf = node.network("10.1.0.0/27")
    ips = [address(ipam.add(conf, Pod(f"dead{number}")).succeeded()).split("/")[0] for number in range(29)]
    age(node, *ips)
    processes = [ipam.begin("ADD", conf, Pod(f"c{number}")) for number in range(29)]
    replies = [process.communicate(timeout=60)[0] for process in processes]
    given = {address(json.loads(reply)).split("/")[0] for reply in replies}
    assert given == set(ips)
    assert {owner for owner, _ in node.leases().values()} == {f"c{number}" for number in range(29)}
    ipam.add(conf, Pod("late")).failed(102)
