"""What a feature of a network gives an attachment: its rules in nftables, and what it does beside them.

A feature module stands in features.MODULES and has

    read(request, conf) -> Feature | None    every key validated (7, 2); None where nothing is asked for
    release(host, record, part) -> None      optional: DEL, GC and a failed ADD take away what `apply` made; missing is
                                             success; `part` is what `Feature.part` gave, None where the record is lost
    status(request, conf) -> None            optional: raises PluginNotAvailable (50), LimitedConnectivity (51)
"""

from __future__ import annotations

from cni.conf import Section
from cni.request import Request
from cni.result import IPConfig
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import Socket
from cni_veth.netns import Netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_veth.nft.elements import Element
    from cni_veth.nft.ruleset import Text


UNSPEAKABLE = frozenset('"*\\')  # in a name that nft(8) reads


def refuse_unspeakable(section: Section, bridge: str) -> None:
    """Raises InvalidConfig (7)."""
    if not UNSPEAKABLE.isdisjoint(bridge):
        raise section.error("bridge", f"{bridge!r} cannot stand in a rule of nftables", "rename the bridge")


class Place:
    """Where it is asked for: `host_link` is our port of the bridge; `ips` are the pod's own; `carrier` is the link that
    has the gateway's address, the bridge or its VLAN's; `pod_index` is 0 for a VM's tap, `mac` is "" then."""

    def __init__(
        self,
        host: Socket,
        netns: Netns,
        conf: VethConf,
        request: Request,
        host_link: Link,
        pod_index: int,
        mac: str,
        ips: list[IPConfig],
    ) -> None:
        self.host = host
        self.netns = netns
        self.conf = conf
        self.request = request
        self.host_link = host_link
        self.pod_index = pod_index
        self.mac = mac
        self.ips = ips
        self.carrier = conf.vlan_gateway or conf.bridge


class Rules:
    """The texts that must be there, and the attachment's own elements; a function of Place alone, so that CHECK
    expects what ADD made."""

    def __init__(self, texts: list[Text], elements: list[Element]) -> None:
        self.texts = texts
        self.elements = elements


class Feature:
    """One feature as a network asks for it; `name` is its module's. Every hook may be left as it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def rules(self, place: Place) -> Rules:
        return Rules([], [])

    def part(self, place: Place) -> object:
        """What the record keeps for `release`, as JSON."""
        return None

    def apply(self, place: Place) -> None:
        """After the rules are in the kernel. A failure is followed by the module's `release`."""

    def differences(self, place: Place) -> list[str]:
        """For CHECK; the rules are compared elsewhere."""
        return []
