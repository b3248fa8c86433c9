"""Limits of what a pod receives and sends: keys, capability and figures of the reference `bandwidth`.

What the pod receives is a token bucket at the root of the host's end. What it sends comes in there, where the kernel
has no queue: it goes through an ifb, a link with nothing but such a queue. A bucket on the pod's own end would need no
ifb, but root in the pod could take it away, and a packet socket may go past it (PACKET_QDISC_BYPASS).

The ifb is known by its name, a digest of its owner, and carries the alias and group by which GC collects.
"""

from __future__ import annotations

import errno

from cni.conf import Section
from cni.errors import InterfaceConflict, UnsupportedField
from cni.request import Request
from cni_veth import links, qdisc, sysctl, tag
from cni_veth.links import Link
from cni_veth.netlink import Answer, Message, Socket
from cni_veth.qdisc import Bucket
from cni_veth.wire import Attrs

RATES = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
SUBNETS = ("unshapedSubnets", "shapedSubnets")
LATENCY_MS = 25  # how long a packet may queue, beside the burst: the reference's
FRAMING = 18  # Ethernet header and VLAN tag: a packet longer than the burst would never pass
LARGEST_BURST = 8 * qdisc.U32 - 1  # bits, of a length of 32 bits in bytes
LARGEST_RATE = 2**64 - 1


class Limits:
    """(bits per second, burst in bits) of what the pod receives and of what it sends, None where it is not limited."""

    def __init__(self, ingress: tuple[int, int] | None, egress: tuple[int, int] | None) -> None:
        self.ingress = ingress
        self.egress = egress
        self._filters = False  # the link has an ingress discipline of ours

    def apply(self, host: Socket, request: Request, link: Link) -> Link | None:
        """Limit the host's end of the pod's link and set it up; the ifb if one was made. What a failure leaves goes by
        `withdraw`.

        Raises KernelRefused (100), InterfaceConflict (101).
        """
        messages = []
        ifb = None
        if self.egress is not None:
            ifb = _create(host, request, link.mtu)
            self._filters = True
            messages += [
                qdisc.tbf(ifb.index, ifb.name, _bucket(self.egress, link.mtu)),
                links.up(index=ifb.index),
                qdisc.ingress(link.index, link.name),
                qdisc.redirect(link.index, link.name, ifb.index),
            ]
        if self.ingress is not None:
            messages.append(qdisc.tbf(link.index, link.name, _bucket(self.ingress, link.mtu)))
        messages.append(links.up(index=link.index))
        answers = host.batch(*messages)
        for answer in answers:
            if answer.errno == errno.EEXIST and answer.message.body.fields.get("parent") == qdisc.INGRESS:
                self._filters = False
        for answer in answers:
            _raise_failure(answer, link)
        return ifb

    def withdraw(self, host: Socket, request: Request, link: Link) -> None:
        """The undo of `apply`, whatever came of it."""
        messages = [qdisc.remove(link.index, link.name), links.delete(tag.ifb(request.name, request.owner))]
        if self._filters:
            messages.append(qdisc.remove_ingress(link.index, link.name))
        host.ask(*messages)

    def differences(self, host: Socket, request: Request, link: Link) -> list[str]:
        """What CHECK finds; a limit that nobody asked for is another's."""
        found = []
        if self.ingress is not None:
            found += _root_differences(host, link, _bucket(self.ingress, link.mtu))
        if self.egress is not None:
            name = tag.ifb(request.name, request.owner)
            ifb = links.find(host, name)
            if ifb is None:
                return [*found, f"{name}, which limits what {request.ifname} sends, is missing"]
            if not ifb.is_up:
                found.append(f"{ifb.name} is down")
            if qdisc.redirected(host, link.index, link.name) != [ifb.index]:
                found.append(f"what {request.ifname} sends does not go through {ifb.name}")
            found += _root_differences(host, ifb, _bucket(self.egress, ifb.mtu))
        return found


def read(request: Request) -> Limits | None:
    """The limits that the network, or else the runtime, asks for. Raises InvalidConfig (7), UnsupportedField (2)."""
    conf, asked = request.conf, request.conf.open_section("runtimeConfig").open_section("bandwidth")
    own, runtimes = _limits(conf), _limits(asked)
    return own if any(conf.has(key) for key in RATES) else runtimes


def lift(host: Socket, link: Link, ifb: Link | None) -> None:
    """Take the limits from a link that stays; a discipline that is not ours stays too."""
    messages = [qdisc.remove(link.index, link.name)]
    if ifb is not None:
        messages += [qdisc.remove_ingress(link.index, link.name), links.delete(index=ifb.index)]
    host.ask(*messages)


def _limits(section: Section) -> Limits | None:
    for key in SUBNETS:
        if section.strings(key):
            raise UnsupportedField(section.dotted(key), section.raw(key), "all of a pod's traffic is limited, or none")
    ingress, egress = _limit(section, *RATES[:2]), _limit(section, *RATES[2:])
    return Limits(ingress, egress) if ingress or egress else None


def _limit(section: Section, rate_key: str, burst_key: str) -> tuple[int, int] | None:
    rate = section.integer(rate_key, high=LARGEST_RATE)
    burst = section.integer(burst_key, high=LARGEST_BURST)
    if rate and not burst:
        raise section.error(rate_key, f"needs {burst_key} beside it", "the bits that may pass at once, e.g. a tenth")
    if burst and not rate:
        raise section.error(burst_key, f"needs {rate_key} beside it", "in bits per second")
    if 0 < rate < 8:
        raise section.error(rate_key, f"must be at least 8 bits per second, not {rate}")
    return (rate, burst) if rate else None


def _bucket(limit: tuple[int, int], mtu: int) -> Bucket:
    rate, burst = limit[0] // 8, max(limit[1] // 8, mtu + FRAMING)
    return Bucket(rate, burst, min(rate * LATENCY_MS // 1000 + burst, qdisc.U32))


def _create(host: Socket, request: Request, mtu: int) -> Link:
    """An ifb that is still down: up, it would look for routers."""
    name = tag.ifb(request.name, request.owner)
    answers = host.batch(*_creation(name, request, mtu))
    if answers[0].errno == errno.EEXIST:  # of an attachment that is gone, for this one is being made
        answers = host.batch(links.delete(name), *_creation(name, request, mtu))[1:]
    for answer in answers:
        if answer.failure is not None:
            raise answer.failure
    sysctl.write_new(f"ipv6/conf/{name}/disable_ipv6", "1", is_optional=True)
    return links.one(answers[2], name)


def _creation(name: str, request: Request, mtu: int) -> list[Message]:
    attrs: Attrs = [
        ("IFLA_IFNAME", name),
        ("IFLA_ADDRESS", links.random_mac()),
        ("IFLA_MTU", mtu),
        ("IFLA_GROUP", tag.GROUP),
        ("IFLA_NUM_TX_QUEUES", 1),
        ("IFLA_NUM_RX_QUEUES", 1),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "ifb")]}),
    ]
    alias: Attrs = [("IFLA_IFALIAS", tag.alias(request.name, request.owner))]
    return [
        links.create(attrs, 0, f"create ifb {name}"),
        links.change(f"set alias of {name}", alias, name),
        links.get(name),
    ]


def _raise_failure(answer: Answer, link: Link) -> None:
    if answer.errno == errno.EEXIST:
        what = f"{link.name} has a limit already: cannot {answer.message.what}"
        raise InterfaceConflict(what, "does another plugin of the chain, or a program of the node, limit it too?")
    if answer.failure is not None:
        raise answer.failure


def _root_differences(host: Socket, link: Link, expected: Bucket) -> list[str]:
    answers = host.ask(qdisc.root(link.index, link.name), links.get(index=link.index))
    root = qdisc.Root(answers[0].replies[0]) if answers[0].replies else None
    if root is None or root.kind != "tbf":
        return [f"the rate of {link.name} is not limited, expected {expected.rate * 8} bit/s"]
    if root.rate != expected.rate:
        return [f"the rate of {link.name} is {root.rate * 8} bit/s, expected {expected.rate * 8}"]
    if not expected.is_as(root):
        return [f"the burst of {link.name} is another one, expected {expected.burst * 8} bits"]
    return []
