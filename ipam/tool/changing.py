"""`free`, `reclaim`, `reserve`: what is shown is what is asked about, and nothing else is changed."""

from __future__ import annotations

from cni.errors import AddressUnavailable, InvalidConfig
from ipam.lease import RESERVED
from ipam.ranges import ip_text, parse_ip
from ipam.tool import page, reading
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


def reserve(network: Network, texts: list[str], note: str, consent: Consent, is_json: bool) -> int:
    """No pod gets these IPs, and no GC frees them, until `free`. All or none. Raises AddressUnavailable (102)."""
    if "\n" in note or "\r" in note:
        raise InvalidConfig("--note: must be one line")
    names = [ip_text(_parse(text)) for text in texts]
    if not consent.is_dry:
        with network.make() as store:
            for name in names:
                if not store.write(parse_ip(name), RESERVED + note.encode("utf-8", "surrogateescape")):
                    raise AddressUnavailable(f"{name} of network {network.name} is taken", f"cni-ipam show {name}")
    if is_json:
        page.document({"network": network.name, "reserved": [] if consent.is_dry else names})
    else:
        page.say(f"{'would reserve' if consent.is_dry else 'reserved'} {', '.join(names)} in {network.name}")
    return 0


def _remove(found: Found) -> Found:
    removed: Found = []
    for network in dict.fromkeys(one for one, _ in found):
        store = network.find()
        if store is None:
            continue
        with store:
            for one, lease in found:
                if one is network and lease.remove_from(store):
                    removed.append((one, lease))
    return removed


def _parse(text: str) -> tuple[int, int]:
    try:
        return parse_ip(text)
    except ValueError as error:
        raise InvalidConfig(str(error)) from None


def _count(found: Found) -> str:
    return f"{len(found)} lease{'' if len(found) == 1 else 's'}"
