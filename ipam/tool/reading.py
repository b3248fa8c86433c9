"""`list`, `show`: who has what."""

from __future__ import annotations

import time

from ipam.tool import page
from ipam.tool.network import Lease, Network

HEAD = ["NETWORK", "ADDRESS", "POD", "CONTAINER", "INTERFACE", "SINCE", "STATE"]
STATES = {
    "empty": "a file without content, left by a crash or made to keep the address from host-local: it is free",
    "reserved": "by `cni-ipam reserve`, until `cni-ipam free`",
    "dead": "what it was given to is provably gone",
    "kept": "nothing proves that what it was given to is gone",
    "unknown": "host-local wrote it, or a file system without extended attributes holds it: nothing can be proven",
}


def list_leases(networks: list[Network], state: str, is_json: bool) -> int:
    """`state`: only those, "" for all."""
    found = [(one, lease) for one in networks for lease in one.leases() if state in ("", lease.state)]
    if is_json:
        page.document([as_json(one, lease) for one, lease in found])
    elif found:
        show_table(found)
    return 0


def show(networks: list[Network], what: str, is_json: bool) -> int:
    """1 where nothing is meant by `what`."""
    found = [(one, lease) for one in networks for lease in one.leases() if lease.is_meant(what)]
    if is_json:
        page.document([as_json(one, lease) for one, lease in found])
    for one, lease in [] if is_json else found:
        for key, value in as_json(one, lease).items():
            if key == "since":
                value = moment(lease.since)
            if key == "state":
                value = f"{value}: {lease.death or STATES[lease.state]}"
            if value:
                page.say(f"{key:12} {value}")
        page.say("")
    if not found:
        page.complain(f"no lease of {what} in {', '.join(one.path for one in networks) or 'any network'}")
    return 0 if found else 1


def show_table(found: list[tuple[Network, Lease]]) -> None:
    rows = [HEAD]
    for one, lease in found:
        container, ifname = lease.owner
        short = container if lease.is_reserved else container[:13]
        rows.append([one.name, lease.name, lease.pod, short, ifname, moment(lease.since), lease.state])
    page.table(rows)


def as_json(one: Network, lease: Lease) -> dict[str, object]:
    container, ifname = lease.owner
    known = lease.facts
    return {
        "network": one.name,
        "ip": lease.name,
        "pod": lease.pod,
        "containerID": container,
        "ifname": ifname,
        "netnsDir": known.directory if known else "",
        "netnsInode": known.netns if known else 0,
        "hostLink": known.link if known else "",
        "since": lease.since,
        "state": lease.state,
        "death": lease.death,
    }


def moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
