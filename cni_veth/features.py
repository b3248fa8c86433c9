"""What a network may ask for beside link and address: which modules do it, and their part in each verb.

A module is loaded where its keys are in the configuration, or its name in a record: a plain pod pays for none.
"""

from __future__ import annotations

import os
import sys

from cni.errors import KernelRefused, LimitedConnectivity, PluginNotAvailable, TryAgainLater
from cni.request import Request
from cni.result import IPConfig, Result
from cni_veth import links, tag
from cni_veth.netlink import Socket
from cni_veth.netns import OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni_veth.conf import VethConf
    from cni_veth.feature import Feature, Place
    from cni_veth.netns import Netns
    from cni_veth.records import Record
    from cni_veth.veth import Pair


STATUS_SECONDS = 2.0  # for a moment without ADD and DEL; runtimes ask often


class Keys:
    """Of a module: those of the configuration that ask for it, others that it reads, and the capability that asks."""

    def __init__(self, asking: tuple[str, ...], others: tuple[str, ...] = (), capability: str = "") -> None:
        self.asking = asking
        self.others = others
        self.capability = capability


MODULES = {
    "cni_veth.nft.masquerade": Keys(("ipMasq",), ("ipMasqBackend", "ipMasqExclude")),
    "cni_veth.nft.ports": Keys(
        (),
        ("snat", "masqAll", "conditionsV4", "conditionsV6", "markMasqBit", "externalSetMarkChain", "backend"),
        "portMappings",
    ),
    "cni_veth.nft.policy": Keys(("ingressPolicy",)),
    "cni_veth.nft.guard": Keys(("macspoofchk", "spoofGuard")),
}
# by a worker: a caller's place may not hold them
PRELOADED = ("cni_veth.nft.attachment", "cni_veth.feature", "cni_veth.nft.forward", "cni_veth.nft.garbage", *MODULES)


class Features:
    """Those of one network."""

    def __init__(self, asked: list[Feature]) -> None:
        self.asked = asked

    def apply(
        self, host: Socket, netns: Netns, conf: VethConf, request: Request, pair: Pair, ips: list[IPConfig]
    ) -> None:
        """All of them, in the kernel and noted. Raises CNIError; `withdraw` is the undo, whatever came of it."""
        from cni_veth import released
        from cni_veth.feature import Place
        from cni_veth.nft import attachment
        from cni_veth.nft.transaction import Netfilter
        from cni_veth.records import Records

        place = Place(host, netns, conf, request, pair.host, pair.pod_index, pair.pod_mac, ips)
        record, records = _record(self.asked, place), Records(request.run_dir)
        records.share()
        try:
            earlier = records.read(record.name)
            if earlier is not None and earlier.mac != record.mac:  # of a link that vanished without DEL
                gone = released.Released(records)
                try:
                    gone.take_away(host, earlier)
                finally:
                    gone.close()
            records.write(record)
            if record.texts:
                attachment.add(Netfilter(), host, records, record, request.environ)
                records.write_links(record)
            for feature in self.asked:
                feature.apply(place)
        finally:
            records.release()

    def withdraw(self, host: Socket, request: Request) -> None:
        from cni_veth import released

        gone = released.release(host, request)
        if gone is not None:
            gone.forget()
            gone.leave()

    def differences(self, host: Socket, netns: Netns, conf: VethConf, request: Request, result: Result) -> list[str]:
        """For CHECK. What ADD noted is expected, for the configuration may have changed since; a feature of which it
        noted nothing as the configuration has it."""
        from cni_veth.nft import attachment
        from cni_veth.nft.transaction import Netfilter
        from cni_veth.records import Records

        place = _place_again(host, netns, conf, request, result)
        if place is None:
            return []  # its link is missing, which is told
        record = Records(request.run_dir).read(tag.altname(request.name, request.owner))
        if record is None or any(feature.name not in record.parts for feature in self.asked):
            record = _record(self.asked, place)
        found = attachment.differences(Netfilter(), record) if record.texts else []
        for feature in self.asked:
            found += feature.differences(place)
        return found


def read(request: Request, conf: VethConf) -> Features | None:
    """Every key validated. Raises InvalidConfig (7), UnsupportedField (2)."""
    found, runtime = [], request.conf.open_section("runtimeConfig")
    for module, keys in MODULES.items():
        given = [request.conf.has(key) for key in (*keys.asking, *keys.others)]  # of each, so that none is unknown
        if any(given) or (keys.capability and runtime.has(keys.capability)):
            feature = load(module).read(request, conf)
            if feature is not None:
                found.append(feature)
    return Features(found) if found else None


def status(request: Request, conf: VethConf) -> None:
    """Raises PluginNotAvailable (50) where a feature cannot work, LimitedConnectivity (51) where pods lack rules."""
    asked = conf.features.asked if conf.features is not None else []
    if not asked and not _may_have_features(request):
        return
    from cni_veth.nft import ruleset

    try:
        ruleset.program(request.environ)
        lacking = _lacking(request)
    except KernelRefused as error:
        raise PluginNotAvailable(error.msg, error.details) from None
    if lacking:
        from cni_veth.records import words

        raise LimitedConnectivity(
            f"rules of {words(lacking)} are missing in nftables",
            "another program removed them; `cni-veth reconcile` puts them back, after `nft flush ruleset` also an ADD",
        )
    for feature in asked:
        ask = getattr(load(feature.name), "status", None)
        if ask is not None:
            ask(request, conf)


def _may_have_features(request: Request) -> bool:
    """Pods of this network, though STATUS is told none of what the runtime asks for one pod."""
    offered = request.conf.open_section("capabilities")
    if any(keys.capability and offered.raw(keys.capability) for keys in MODULES.values()):
        return True
    if not os.path.isdir(records_directory(request.run_dir)):
        return False
    from cni_veth.records import Records

    return any(record.network == request.name for record in Records(request.run_dir).every())


def _lacking(request: Request) -> list[Record]:
    """The living pods whose rules are not all there. An ADD or DEL under way has some of them: what is found is looked
    at again while there is none, and nobody is blamed while they come all the time."""
    from cni_veth.nft import attachment
    from cni_veth.nft.transaction import Netfilter
    from cni_veth.records import Records

    netfilter, host, records = Netfilter(), Socket(), Records(request.run_dir)
    if not attachment.lacking(netfilter, attachment.living(host, records)):
        return []
    try:
        records.claim(STATUS_SECONDS)
    except TryAgainLater:
        return []
    try:
        return attachment.lacking(netfilter, attachment.living(host, records))
    finally:
        records.release()


def _place_again(host: Socket, netns: Netns, conf: VethConf, request: Request, result: Result) -> Place | None:
    """As ADD had it, from its result."""
    from cni_veth.feature import Place

    link = links.find(host, altname=tag.altname(request.name, request.owner))
    if link is None:
        return None
    ends = [(item.name, item.sandbox) for item in result.interfaces]
    own = next((end for end in ((request.ifname, request.netns), (link.name, "")) if end in ends), None)
    index = ends.index(own) if own is not None else None
    ips = [ip for ip in result.ips if ip.interface in (None, index)]
    is_tap = own == (link.name, "")
    mac = result.interfaces[index].mac if index is not None and not is_tap else ""
    return Place(host, netns, conf, request, link, 0 if is_tap else link.peer_index, mac, ips)


def _record(asked: list[Feature], place: Place) -> Record:
    from cni_veth.records import Record

    record = Record(place.request.name, place.request.owner)
    record.host_link, record.mac = place.host_link.name, place.mac
    record.ips = [ip.address for ip in place.ips]
    for feature in asked:
        rules = feature.rules(place)
        record.texts += rules.texts
        record.elements += rules.elements
        record.parts[feature.name] = feature.part(place)
    return record


def records_directory(run_dir: str) -> str:
    """One for each node: several may share the machine's /run."""
    return f"{run_dir}/attachments/{os.stat(OWN).st_ino}"


def load(module: str) -> Any:
    __import__(module)
    return sys.modules[module]
