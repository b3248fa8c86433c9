"""`stats`: how full a network is, in figures and as a map."""

from __future__ import annotations

from ipam import allocate
from ipam.ranges import IP, Range, ip_text, set_text
from ipam.tool import configured, page
from ipam.tool.network import Lease, Network

WIDTH, HEIGHT = 64, 16  # cells of a map, at most
SHADES = "·░▒▓█"
LEGEND = "· free  ░▒▓ partly used  █ used  - never given (gateway, excluded)"


def stats(networks: list[Network], conf_dir: str, is_json: bool) -> int:
    documents = []
    for number, network in enumerate(networks):
        leases = [lease for lease in network.leases() if lease.content]
        taken = {lease.ip for lease in leases}
        cooling = [ip for ip in _cooling(network) if ip not in taken]
        sets = configured.sets(conf_dir, network.name)
        if is_json:
            documents.append(_as_json(network, leases, cooling, sets))
            continue
        if number:
            page.say("")
        _print(network, leases, cooling, sets, conf_dir)
    if is_json:
        page.document(documents)
    return 0


def draw(one: Range, taken: list[IP], ranges: list[Range]) -> list[str]:
    """Lines of cells, each with the IP that it begins with; of a large range twice what has leases, no more."""
    numbers = [ip[1] for ip in taken if ip in one]
    cells = WIDTH * HEIGHT
    reach = max([cells, *((number - one.start + 1) * 2 for number in numbers)])
    total = min(one.end - one.start + 1, reach)
    size = -(-total // cells)
    counts: dict[int, int] = {}
    for number in numbers:
        counts[(number - one.start) // size] = counts.get((number - one.start) // size, 0) + 1
    lines = []
    for first in range(0, -(-total // size), WIDTH):
        row = range(first, min(first + WIDTH, -(-total // size)))
        text = "".join(_cell(one, one.start + cell * size, size, counts.get(cell, 0), ranges) for cell in row)
        lines.append(f"{ip_text((one.family, one.start + first * size)):>15} {text}")
    if total < one.end - one.start + 1:
        lines.append(f"{'':15} … and nothing given up to {ip_text((one.family, one.end))}")
    if size > 1:
        lines.append(f"{'':15} a cell is {size} addresses")
    return lines


def _cell(one: Range, first: int, size: int, used: int, ranges: list[Range]) -> str:
    if not used and size == 1 and not allocate.is_given(ranges, (one.family, first)):
        return "-"
    share = min(used / size, 1.0)
    return SHADES[4] if share == 1.0 else SHADES[0] if not used else SHADES[1 + min(int(share * 3), 2)]


def _print(network: Network, leases: list[Lease], cooling: list[IP], sets: list[list[Range]], conf_dir: str) -> None:
    states = [lease.state for lease in leases]
    page.say(f"network {network.name}: {page.count(len(leases), 'lease')} ({_states(states)}), {len(cooling)} cooling")
    taken = [lease.ip for lease in leases]
    for number, ranges in enumerate(sets):
        free, used = allocate.occupancy(ranges, taken)
        share = 100 * used / (free + used) if free + used else 100
        page.say(f"range set {number} {set_text(ranges)}: {used} used, {free} free ({share:.1f} % used)")
        for one in ranges:
            for line in draw(one, taken, ranges):
                page.say(line)
    if sets:
        page.say(f"{'':15} {LEGEND}")
    else:
        page.say(f"no configuration of it in {conf_dir}: its ranges are not known")
    outside = [lease.name for lease in leases if sets and not any(lease.ip in one for each in sets for one in each)]
    if outside:
        page.say(f"outside of every range: {', '.join(outside[:10])}{' …' if len(outside) > 10 else ''}")


def _as_json(network: Network, leases: list[Lease], cooling: list[IP], sets: list[list[Range]]) -> dict[str, object]:
    states = [lease.state for lease in leases]
    counted = [allocate.occupancy(ranges, [lease.ip for lease in leases]) for ranges in sets]
    return {
        "network": network.name,
        "leases": len(leases),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "cooling": len(cooling),
        "sets": [
            {"ranges": set_text(ranges), "free": free, "used": used}
            for ranges, (free, used) in zip(sets, counted, strict=True)
        ],
    }


def _states(states: list[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "none"


def _cooling(network: Network) -> list[IP]:
    store = network.as_it_is()
    if store is None:
        return []
    with store:
        return store.cooling()
