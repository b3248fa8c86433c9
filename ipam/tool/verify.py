"""`verify`: every inconsistency of a network, in words; `--fix` mends what loses nothing that a pod may use."""

from __future__ import annotations

from cni.request import ifname_problem, is_identifier
from ipam import allocate, overlap
from ipam.directory import UNFINISHED
from ipam.ranges import IP, Range, ip_text, parse_ip, range_of
from ipam.tool import configured, page
from ipam.tool.changing import Consent
from ipam.tool.network import Lease, Network, is_canonical


class Finding:
    """`what` is a word for the kind, `text` explains it, `lease` is what may be removed to mend it."""

    __slots__ = ("is_mended", "lease", "network", "text", "what", "where")

    def __init__(self, network: Network, what: str, where: str, text: str, lease: Lease | None = None) -> None:
        self.network = network
        self.what = what
        self.where = where
        self.text = text
        self.lease = lease
        self.is_mended = False

    @property
    def can_be_mended(self) -> bool:
        return self.lease is not None or self.what in ("index", "unfinished")


def verify(
    networks: list[Network], others: list[Network], data_dir: str, conf_dir: str, fix: Consent | None, is_json: bool
) -> int:
    """1 where something is left to be mended. `others`: all networks of `data_dir`. `fix`: mend, if agreed."""
    found, number = [], 0
    for network in networks:
        leases = network.leases()
        number += sum(lease.content != b"" for lease in leases)
        sets = configured.sets(conf_dir, network.name)
        found += _files(network, leases) + _owners(network, leases, sets) + _places(network, leases, sets)
        found += _state(network) + _shared(network, leases, others) + _overlaps(network, sets)
    mendable = [one for one in found if one.can_be_mended]
    if not is_json:
        _print(found)
    if fix and mendable and fix.to(f"mend {len(mendable)}?"):
        _mend(mendable)
        if not is_json:
            _print([one for one in mendable if not one.is_mended])  # it changed while the person thought
    if is_json:
        page.document([_as_json(one) for one in found])
    elif not found:
        places = page.count(len(networks), "network")
        page.say(f"nothing is wrong in {places}, {page.count(number, 'lease')} of {data_dir}")
    elif fix and fix.is_dry:
        page.say(f"would mend {len(mendable)}")
    else:
        page.say(f"{len(found)} found, {sum(one.is_mended for one in found)} mended")
    return 0 if all(one.is_mended for one in found) else 1


def _files(network: Network, leases: list[Lease]) -> list[Finding]:
    found = []
    for lease in leases:
        if not lease.content:
            if _is_still_empty(network, lease):
                keep = network.command("reserve", ip_text(lease.ip))
                text = "has no content: a crash left it, or somebody made it to keep the address from host-local; "
                text += f"`{keep}` keeps it, `--fix` frees it"
                found.append(Finding(network, "empty", lease.name, text, lease))
            continue
        if not is_canonical(lease.name):
            text = f"no plugin looks for a file of this name; {ip_text(lease.ip)} is the right one"
            found.append(Finding(network, "name", lease.name, text))
        container, ifname = lease.owner
        if not lease.is_reserved and (not is_identifier(container) or (ifname and ifname_problem(ifname))):
            text = f"{lease.content!r} names no container, so no DEL will ever remove it"
            found.append(Finding(network, "content", lease.name, text))
        if lease.death:
            found.append(Finding(network, "dead", lease.name, f"{_owner(lease)} is gone: {lease.death}", lease))
    return found


def _owners(network: Network, leases: list[Lease], sets: list[list[Range]]) -> list[Finding]:
    """Where the sets are not known an owner may have one IP of each family."""
    having: dict[tuple[tuple[str, str], int], list[Lease]] = {}
    for lease in leases:
        if lease.content and not lease.is_reserved:
            place = next((number for number, ranges in enumerate(sets) if range_of(ranges, lease.ip)), -lease.ip[0])
            having.setdefault((lease.owner, place), []).append(lease)
    return [
        Finding(
            network,
            "duplicate",
            ", ".join(lease.name for lease in several),
            f"{_owner(several[0])} has all of them, out of one range set; its DEL removes them together",
        )
        for several in having.values()
        if len(several) > 1
    ]


def _places(network: Network, leases: list[Lease], sets: list[list[Range]]) -> list[Finding]:
    found = []
    for lease in leases if sets else []:
        ranges = next((ranges for ranges in sets if range_of(ranges, lease.ip)), None)
        if not lease.content or lease.is_reserved or (ranges and allocate.is_given(ranges, lease.ip)):
            continue
        one = range_of(ranges, lease.ip) if ranges else None
        what = "outside" if one is None else "excluded" if one.excludes(lease.ip) else "gateway"
        text = {
            "outside": "lies in no range of the configuration",
            "excluded": "is excluded by the configuration",
            "gateway": "is a gateway",
        }[what]
        found.append(Finding(network, what, lease.name, f"{text}, and {_owner(lease)} has it"))
    return found


def _state(network: Network) -> list[Finding]:
    """What is seen under the lock only."""
    store = network.as_it_is()
    if store is None:
        return []
    found = []
    with store:
        names = network.names()
        if UNFINISHED in names:
            text = "a call that was killed left it; the next one removes it"
            found.append(Finding(network, "unfinished", UNFINISHED, text))
        found += [Finding(network, "index", "index", text) for text in store.drift()]
        for name in names:
            number = name.removeprefix("last_reserved_ip.")
            if number != name and number.isdecimal() and store.last_reserved(int(number)) is None:
                text = "names no address: the round begins anew at the start of the range"
                found.append(Finding(network, "last", name, text))
    return found


def _shared(network: Network, leases: list[Lease], others: list[Network]) -> list[Finding]:
    having: dict[IP, str] = {}
    for other in others:
        if other.name != network.name:
            having |= {parse_ip(name): other.name for name in other.names() if is_canonical(name)}
    return [
        Finding(
            network, "shared", lease.name, f"network {having[lease.ip]} has given it as well: do their ranges overlap?"
        )
        for lease in leases
        if lease.content and lease.ip in having
    ]


def _overlaps(network: Network, sets: list[list[Range]]) -> list[Finding]:
    found = overlap.find(network.data_dir, network.name, sets) if sets else []
    return [Finding(network, "overlap", "ranges", text) for text in found]


def _mend(found: list[Finding]) -> None:
    for network in dict.fromkeys(one.network for one in found):
        store = network.find()
        if store is None:
            continue
        with store:
            for one in found:
                if one.network is not network:
                    continue
                if one.lease:
                    one.is_mended = one.lease.remove_from(store)
                elif one.what == "unfinished":
                    store.leases()  # removes it
                    one.is_mended = UNFINISHED not in network.names()
                elif one.what == "index":
                    store.doubt()
        anew = network.find()
        if anew is not None:
            with anew:
                for one in found:
                    if one.network is network and one.what == "index":
                        one.is_mended = anew.is_indexed


def _is_still_empty(network: Network, lease: Lease) -> bool:
    """host-local makes a file first and writes into it then, both under the lock."""
    store = network.as_it_is()
    if store is None:
        return False
    with store:
        return not store.content(lease.ip)


def _print(found: list[Finding]) -> None:
    for one in found:
        page.say(f"{one.network.name}: {one.what}: {one.where}: {one.text}{' (--fix)' if one.can_be_mended else ''}")


def _as_json(one: Finding) -> dict[str, object]:
    return {
        "network": one.network.name,
        "kind": one.what,
        "where": one.where,
        "text": one.text,
        "canBeMended": one.can_be_mended,
        "isMended": one.is_mended,
    }


def _owner(lease: Lease) -> str:
    container, ifname = lease.owner
    who = f"container {container} {ifname}".strip()
    return f"{who} (pod {lease.pod})" if lease.pod else who
