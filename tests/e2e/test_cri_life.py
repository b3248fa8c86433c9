"""containerd's Container Runtime Interface, as the kubelet calls it: the life of a pod, and its odder ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.e2e import networks
from tests.e2e.containerd import Containerd
from tests.e2e.cri import CRI
from tests.e2e.machine import Machine
from tests.world.server import until

MANY = 30


@pytest.fixture(autouse=True)
def network(machine: Machine, cri: CRI) -> None:
    networks.write(machine, *networks.whole())
    until(cri.is_network_ready)


def is_empty(machine: Machine) -> bool:
    """No link, no address, and no rule that names one; the comments of elements name the network."""
    rules = machine.node.run(["nft", "list", "ruleset"]).stdout
    return not machine.leases(networks.NAME) and machine.pods() == 0 and f'"{networks.NAME} ' not in rules


def test_a_pod_gets_its_addresses_and_gives_them_back(machine: Machine, cri: CRI) -> None:
    served = machine.served()
    first, second = cri.run("first"), cri.run("second")
    assert set(first.ips + second.ips) == machine.leases(networks.NAME)
    assert [("." in ip, ":" in ip) for ip in first.ips] == [(True, False), (False, True)]
    for ip in (*second.ips, *networks.GATEWAYS):
        assert first.reaches(ip), ip
    second.serve()
    assert not is_empty(machine)
    for sandbox in (first, second):
        sandbox.stop()
        sandbox.stop()  # the kubelet repeats it: DEL without a namespace and without prevResult
        sandbox.remove()
    assert is_empty(machine) and cri.sandboxes() == {}
    if served:
        assert machine.served() - served >= 6


def test_thirty_pods_at_once(machine: Machine, cri: CRI) -> None:
    with ThreadPoolExecutor(MANY) as pool:
        sandboxes = list(pool.map(lambda number: cri.run(f"pod{number}"), range(MANY)))
    ips = [ip for sandbox in sandboxes for ip in sandbox.ips]
    assert len(set(ips)) == len(ips) == 2 * MANY
    assert machine.pods() == MANY
    assert sandboxes[0].reaches(sandboxes[-1].ips[0])
    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(lambda sandbox: (sandbox.stop(), sandbox.remove()), sandboxes))
    assert is_empty(machine)


def test_containerd_killed_between_add_and_del(machine: Machine, containerd: Containerd, cri: CRI) -> None:
    sandbox = cri.run("survivor")
    containerd.kill()
    containerd.start()
    again = CRI(containerd)
    try:
        assert again.sandboxes() == {sandbox.id: True}
        other = again.run("other")
        assert not set(sandbox.ips) & set(other.ips)
        assert other.reaches(sandbox.ips[0])
        for sandbox_id in (sandbox.id, other.id):
            again.stop(sandbox_id)
            again.remove(sandbox_id)
    finally:
        again.close()
    assert is_empty(machine)


def test_a_pod_whose_namespace_vanished(machine: Machine, cri: CRI) -> None:
    sandbox = cri.run("lost")
    netns = sandbox.netns
    machine.run("umount", netns)
    machine.run("rm", "-f", netns)
    sandbox.stop()
    sandbox.remove()
    assert is_empty(machine)


def test_a_network_that_cannot_be_is_told_and_leaves_nothing(machine: Machine, cri: CRI) -> None:
    wrong = networks.entry(ipam={"type": "cni-ipam", "ranges": [[{"subnet": "10.22.0.0/33"}]]})
    networks.write(machine, wrong)
    with pytest.raises(grpc.RpcError) as raised:
        until(lambda: not cri.run("refused"))
    assert "10.22.0.0/33" in raised.value.details()
    networks.write(machine, *networks.whole())
    for sandbox_id in cri.sandboxes():
        cri.stop(sandbox_id)
        cri.remove(sandbox_id)
    assert is_empty(machine)
