"""`free`, `reclaim`, `reserve`: what is shown is what is asked about, and nothing else is changed."""

from __future__ import annotations

from cni.errors import AddressUnavailable, CNIError
from ipam.lease import RESERVED
from ipam.ranges import parse_ip, range_of
from ipam.tool import configured, page, reading
from ipam.tool.network import Lease, Network

Found = list[tuple[Network, Lease]]


class Consent:
    """How a person agreed beforehand: `--yes`, or `--dry-run` to see only."""

    __slots__ = ("is_dry", "is_given")

    def __init__(self, is_given: bool, is_dry: bool) -> None:
        self.is_given = is_given
        self.is_dry = is_dry

    def to(self, question: str) -> bool:
        return not self.is_dry and (self.is_given or page.agrees(question))


def free(networks: list[Network], whats: list[str], consent: Consent, is_json: bool) -> int:
    """1 where one of `whats` means nothing, or not all could be removed."""
    found = [(one, lease) for one in networks for lease in one.leases() if any(lease.is_meant(what) for what in whats)]
    missing = [what for what in whats if not any(lease.is_meant(what) for _, lease in found)]
    for what in missing:
        page.complain(f"no lease of {what}")
    return max(1 if missing else 0, remove(found, "free", consent, is_json))


def reclaim(networks: list[Network], booted: float | None, consent: Consent, is_json: bool) -> int:
    """Provably dead leases. `booted`, unix seconds: also those without facts that are older, on the person's word."""
    found = []
    for one in networks:
        for lease in one.leases():
            is_old = booted is not None and lease.state == "unknown" and lease.since < booted
            if lease.state == "dead" or is_old:
                found.append((one, lease))
    return remove(found, "reclaim", consent, is_json)


def remove(found: Found, verb: str, consent: Consent, is_json: bool) -> int:
    """Show, ask, and remove what is still the same. 1 where it was refused or something is left."""
    removed: Found = []
    if found and not is_json:
        reading.show_table(found)
    if found and consent.to(f"{verb} {_count(found)}?"):
        removed = _remove(found)
    if is_json:
        page.document({
            "found": [reading.as_json(one, lease) for one, lease in found],
            "removed": [reading.as_json(one, lease) for one, lease in removed],
        })  # fmt: skip
    elif consent.is_dry:
        page.say(f"would {verb} {_count(found)}")
    else:
        page.say(f"{verb}: {_count(removed)} of {len(found)} removed")
    return 0 if consent.is_dry or len(removed) == len(found) else 1


def reserve(network: Network, names: list[str], note: str, conf_dir: str, consent: Consent, is_json: bool) -> int:
    """No pod gets these IPs, and no GC frees them, until `free`. All or none. Raises AddressUnavailable (102)."""
    for doubt in _doubts(network, names, conf_dir):
        page.complain(f"warning: {doubt}")
    if not consent.is_dry:
        with network.make() as store:
            for name in names:
                if not store.write(parse_ip(name), RESERVED + note.encode("utf-8", "surrogateescape")):
                    raise AddressUnavailable(
                        f"{name} of network {network.name} is taken", network.command("show", name)
                    )
    if is_json:
        page.document({"network": network.name, "reserved": [] if consent.is_dry else names})
    else:
        page.say(f"{'would reserve' if consent.is_dry else 'reserved'} {', '.join(names)} in {network.name}")
    return 0


def _remove(found: Found) -> Found:
    removed: Found = []
    for network in dict.fromkeys(one for one, _ in found):
        store = network.as_it_is()
        if store is None:
            continue
        with store:
            for one, lease in found:
                if one is network and lease.remove_from(store):
                    removed.append((one, lease))
    return removed


def _doubts(network: Network, names: list[str], conf_dir: str) -> list[str]:
    """Why a reservation may keep nothing from anybody; nothing where no configuration can be read."""
    known = configured.networks(conf_dir)
    if known and network.name not in known:
        return [f"no configuration in {conf_dir} is of network {network.name}, only of {', '.join(known)}"]
    place = configured.elsewhere(conf_dir, network.data_dir, network.name)
    try:
        sets = configured.sets(conf_dir, network.name)
    except CNIError:
        sets = []
    outside = [name for name in names if sets and not any(range_of(ranges, parse_ip(name)) for ranges in sets)]
    text = f"no range of network {network.name} has {', '.join(outside)}"
    return ([place] if place else []) + ([text] if outside else [])


def _count(found: Found) -> str:
    return page.count(len(found), "lease")
