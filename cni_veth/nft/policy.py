"""`ingressPolicy` as the reference firewall plugin has it: from one bridge that has a policy nothing is forwarded to
another; on an "isolated" one nothing from pod to pod either, be it through the gateway. What stays within the bridge
does not come here: for that its ports are isolated (conf.py).
"""

from __future__ import annotations

import os

from cni.request import Request
from cni_veth import tag
from cni_veth.conf import VethConf
from cni_veth.feature import Feature, Place, Rules, refuse_unspeakable
from cni_veth.features import records_directory
from cni_veth.nft import elements, ruleset
from cni_veth.nft.elements import Element
from cni_veth.nft.ruleset import Text
from cni_veth.nft.transaction import Netfilter

SET = "policy-bridges"


class Policy(Feature):
    def __init__(self, policy: str) -> None:
        super().__init__(__name__)
        self._policy = policy

    def rules(self, place: Place) -> Rules:
        return Rules([_text(place.carrier, self._policy)], [])


def read(request: Request, conf: VethConf) -> Policy | None:
    """An "open" one is a rule's absence, and matters where the bridge had another. Raises InvalidConfig (7)."""
    if not conf.ingress_policy:
        return None
    refuse_unspeakable(request.conf, conf.bridge)
    kind = ruleset.kind_for("policy", conf.vlan_gateway or conf.bridge)
    if conf.ingress_policy == "open" and not os.path.exists(
        f"{records_directory(request.run_dir)}/{tag.PREFIX}-{kind}"
    ):
        return None
    return Policy(conf.ingress_policy)


def close(netfilter: Netfilter, bridge: str) -> None:
    """Before its text goes, others forget it. Raises KernelRefused (100)."""
    netfilter.remove([elements.delete(Element(("inet", SET), elements.link(bridge), f"{bridge}'s policy"))])


def _text(bridge: str, policy: str) -> Text:
    """Each bridge has a chain of its own, with its latest policy; all of them share the set."""
    kind, element = ruleset.kind_for("policy", bridge), f'element {SET} {{ "{bridge}" }}'
    sets = [f"set {SET} {{ type ifname; }}", element]
    chain = ["type filter hook forward priority filter; policy accept;"]
    if policy == "open":
        sets.append(f"delete {element}")  # to delete what is not there would be an error
    else:
        others = "" if policy == "isolated" else f'iifname != "{bridge}" '
        chain.append(f'oifname "{bridge}" {others}iifname @{SET} drop')
    return Text(kind, "inet", sets, {kind: chain}, is_frame=True, link=bridge)
