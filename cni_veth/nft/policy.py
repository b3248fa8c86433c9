"""`ingressPolicy` as the reference firewall plugin has it: from one bridge that has a policy nothing is forwarded to
another; on an "isolated" one nothing from pod to pod either, be it through the gateway. What stays within the bridge
does not come here: for that its ports are isolated (conf.py).
"""

from __future__ import annotations

from cni.request import Request
from cni_veth.conf import VethConf
from cni_veth.feature import Feature, Place, Rules
from cni_veth.nft.ruleset import Text

UNSPEAKABLE = frozenset('"*\\')  # in a name that nft(8) reads


class Policy(Feature):
    def __init__(self, is_isolated: bool) -> None:
        super().__init__(__name__)
        self._is_isolated = is_isolated

    def rules(self, place: Place) -> Rules:
        return Rules([_text(place.carrier, self._is_isolated)], [])


def read(request: Request, conf: VethConf) -> Policy | None:
    """Raises InvalidConfig (7)."""
    if conf.ingress_policy in ("", "open"):
        return None
    if not UNSPEAKABLE.isdisjoint(conf.bridge):
        raise request.conf.error("bridge", f"{conf.bridge!r} cannot stand in a rule of nftables", "rename the bridge")
    return Policy(conf.ingress_policy == "isolated")


def _text(bridge: str, is_isolated: bool) -> Text:
    """Each bridge has a chain of its own; all of them share the set."""
    others = "" if is_isolated else f'iifname != "{bridge}" '
    rule = f'oifname "{bridge}" {others}iifname @policy-bridges drop'
    base = "type filter hook forward priority filter; policy accept;"
    bridges = f'set policy-bridges {{ type ifname; elements = {{ "{bridge}" }}; }}'
    return Text("policy", "inet", [bridges], {"$name": [base, rule]})
