"""What a chained plugin is called after: a bridge, a veth pair per pod, and the result that describes them."""

from typing import Any

from conformance import documents, kernel
from conformance.world import World

BRIDGE = "cbr0"


def host_link(pod: int) -> str:
    return f"vethrig{pod}"


def build(world: World, pod: int, ifname: str = "eth0") -> None:
    """Bridge, pair, addresses and default route of a pod, all up."""
    with world.link_layer(0) as ipr:
        if not ipr.link_lookup(ifname=BRIDGE):
            kernel.sysctl("net/ipv6/conf/default/accept_dad", "0")
            ipr.link("add", ifname=BRIDGE, kind="bridge", address="02:88:00:00:00:01")
            index = ipr.link_lookup(ifname=BRIDGE)[0]
            ipr.addr("add", index=index, address="10.88.0.1", prefixlen=24)
            ipr.link("set", index=index, state="up")
        bridge = ipr.link_lookup(ifname=BRIDGE)[0]
        peer = {"ifname": ifname, "net_ns_fd": world.space(pod), "address": f"02:88:00:00:02:{pod:02x}"}
        ipr.link("add", ifname=host_link(pod), kind="veth", address=f"02:88:00:00:01:{pod:02x}", peer=peer)
        ipr.link("set", index=ipr.link_lookup(ifname=host_link(pod))[0], master=bridge, state="up")
    with world.link_layer(pod) as ipr:
        index = ipr.link_lookup(ifname=ifname)[0]
        ipr.addr("add", index=index, address=f"10.88.0.{pod + 1}", prefixlen=24)
        ipr.link("set", index=index, state="up")
        ipr.route("add", dst="0.0.0.0/0", gateway="10.88.0.1")


def renew(world: World, pod: int, ifname: str = "eth0") -> None:
    """The pair made anew: after a DEL the plugin before would have removed it, and made it again at the next ADD."""
    with world.link_layer(0) as ipr:
        for index in ipr.link_lookup(ifname=host_link(pod)):
            ipr.link("del", index=index)
    build(world, pod, ifname)


def prev_result(world: World, version: str, pod: int, ifname: str = "eth0") -> dict[str, Any]:
    """The result of the plugin before, as `build` left things."""
    interfaces = [
        {"name": BRIDGE, "mac": "02:88:00:00:00:01"},
        {"name": host_link(pod), "mac": f"02:88:00:00:01:{pod:02x}"},
        {"name": ifname, "mac": f"02:88:00:00:02:{pod:02x}", "sandbox": world.netns(pod)},
    ]
    ips = [{"interface": 2, "address": f"10.88.0.{pod + 1}/24", "gateway": "10.88.0.1"}]
    return documents.result(version, ips, [{"dst": "0.0.0.0/0", "gw": "10.88.0.1"}], interfaces=interfaces)
