"""Whether another table of the node drops what pods send beyond their bridge. A verdict of ours could not help them:
"accept" ends only the chains of its own table at a hook (nft(8), VERDICT STATEMENTS). Foreign tables are read, never
changed; of xtables those of iptables-nft alone.
"""

from __future__ import annotations

from cni.errors import KernelRefused, PluginNotAvailable
from cni.request import Request
from cni.stderr import tell
from cni_veth import links, routes
from cni_veth.conf import VethConf
from cni_veth.netlink import Message, Socket
from cni_veth.nft import foreign
from cni_veth.nft.attributes import CHAIN_LAYOUT, RULE_LAYOUT
from cni_veth.nft.elements import TABLE
from cni_veth.nft.masquerade import ranges
from cni_veth.nft.transaction import NO_NFTABLES, Netfilter
from cni_veth.wire import Body, Reply

NFT_MSG_GETCHAIN, NFT_MSG_GETRULE = 0xA04, 0xA07
NFPROTO_UNSPEC, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6 = 0, 1, 2, 10
FAMILIES = {NFPROTO_INET: "inet", NFPROTO_IPV4: "ip", NFPROTO_IPV6: "ip6"}
NF_INET_FORWARD = 2


def status(request: Request, conf: VethConf) -> None:
    """Of a network whose pods are to get beyond their bridge. Where it has `ingressPolicy`, and so no firewall plugin
    behind it that might let them through: PluginNotAvailable (50). Else it is said on stderr."""
    found = dropping(Socket(), conf.vlan_gateway or conf.bridge, _families(request)) if conf.is_gateway else ""
    if not found:
        return
    what = f"{found} drops what pods of {conf.bridge} send beyond it"
    remedy = f'let it accept what comes from and goes to "{conf.bridge}", or chain the firewall plugin'
    if conf.ingress_policy:
        raise PluginNotAvailable(what, remedy)
    tell(f"cni-veth: network {request.name}: {what}; {remedy}\n".encode())


def dropping(host: Socket, bridge: str, families: set[int]) -> str:
    """The first foreign chain that lets nothing new pass from the bridge to the default route's link, as `nft list
    chain` names it; "" where none does. Without a default route "beyond" may be anywhere."""
    uplinks = [links.find(host, index=index) for index in routes.default_links(host)]
    beyond = next((link.name for link in uplinks if link is not None), "")
    try:
        netfilter = Netfilter()
        chains = _chains(netfilter)
    except KernelRefused as error:
        if error.errno in NO_NFTABLES:
            return ""
        raise
    for chain in chains:
        family, table, name = chain["family"], chain.get("NFTA_CHAIN_TABLE"), chain.get("NFTA_CHAIN_NAME")
        hook = chain.get("NFTA_CHAIN_HOOK")
        is_asked = hook is not None and hook.get("NFTA_HOOK_HOOKNUM") == NF_INET_FORWARD and family in families
        if not is_asked or table == TABLE:
            continue
        outcomes = foreign.Walk(_rules(netfilter, family, table), bridge, beyond).outcomes(name)
        if foreign.ON in outcomes:
            policy = foreign.DROP if chain.get("NFTA_CHAIN_POLICY") == foreign.NF_DROP else foreign.PASS
            outcomes = outcomes - {foreign.ON} | {policy}
        if outcomes == {foreign.DROP}:
            return f"chain {FAMILIES[family]} {table} {name}"
    return ""


def _families(request: Request) -> set[int]:
    """Of the network's ranges; IPv4 where it does not tell."""
    subnets = ranges(request.conf) or ["0.0.0.0/0"]
    return {NFPROTO_INET, *(NFPROTO_IPV6 if ":" in subnet else NFPROTO_IPV4 for subnet in subnets)}


def _chains(netfilter: Netfilter) -> list[Reply]:
    every = Body(CHAIN_LAYOUT, [], family=NFPROTO_UNSPEC)
    return netfilter.dump(Message(every, NFT_MSG_GETCHAIN, 0, "list the chains of nftables"))


def _rules(netfilter: Netfilter, family: int, table: str) -> foreign.Rules:
    body = Body(RULE_LAYOUT, [("NFTA_RULE_TABLE", table)], family=family)
    found: foreign.Rules = {}
    for reply in netfilter.dump(Message(body, NFT_MSG_GETRULE, 0, f"list the rules of table {table}")):
        listed = reply.get("NFTA_RULE_EXPRESSIONS")
        rule = [] if listed is None else listed.every("NFTA_LIST_ELEM")
        found.setdefault(reply.get("NFTA_RULE_CHAIN"), []).append(rule)
    return found
