"""What is measured of whole networks: masquerade, a host port, limits, isolation; and beside many pods' rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack

from tests.bench.contenders import Contender, Site, placed
from tests.bench.networks import CONTAINER_PORT, FIRST_PORT, MASQUERADED, WHOLE
from tests.bench.parts import WARM_UP, Say, in_turn, one_by_one, places, without_killed
from tests.bench.samples import REFERENCE, Key, Run

SUBNETS = ("10.22.0.0/16",)
ELEMENTS = 5_000
"""Pods whose elements are in the tables. One pod has an element in each of several sets."""
_SET = re.compile(r"(?:set|map) (\S+) \{[^}]*?elements = \{ ([^}]*comment[^}]*) \}")


def conflists(run: Run, contenders: Sequence[Contender], rounds: int, say: Say) -> None:
    for network in (MASQUERADED, WHOLE):
        with places(without_killed(contenders), SUBNETS, rounds + WARM_UP, network) as sites:
            for verb in ("ADD", "CHECK", "DEL"):
                say(f"{network.title}: {rounds} x {verb}")
                one_by_one(run, Key("conflist", verb, network.title), sites, rounds)


def elements(run: Run, contenders: Sequence[Contender], rounds: int, say: Say) -> None:
    """Each of ours beside itself: on a node whose tables are empty and on one where they are full."""
    for contender in without_killed(contenders):
        if contender.title == REFERENCE:
            continue
        with ExitStack() as stack:
            cases = {0: stack.enter_context(placed(contender, SUBNETS, rounds + WARM_UP + 1, WHOLE))}
            cases[ELEMENTS] = stack.enter_context(placed(contender, SUBNETS, rounds + WARM_UP + 1, WHOLE))
            for count, site in cases.items():
                site.run("ADD", site.pods[-1])
                _fill(site, count)
            for verb in ("ADD", "DEL"):
                say(f"{contender.title}, beside the elements of {ELEMENTS} pods: {rounds} x {verb}")
                for number in range(rounds + WARM_UP):
                    for count, site in in_turn(list(cases.items()), number):
                        seconds = site.run(verb, site.pods[number]).seconds
                        if number >= WARM_UP:
                            run.add(Key("elements", verb, str(count)), contender.title, seconds)


def _fill(site: Site, count: int) -> None:
    """The tables as so many pods would have filled them: the elements of the last pod, again and again."""
    if not count:
        return
    pod = site.pods[-1]
    [ip] = [ip["address"].partition("/")[0] for ip in site.results[pod.name]["ips"]]
    port = str(FIRST_PORT + site.pods.index(pod))
    found = _SET.findall(site.node.run(["nft", "list", "table", "inet", "cni-veth"]).stdout)
    lines = []
    for name, element in found:
        if pod.container_id not in element:
            continue
        assert ip in element and "," not in element, f"one element of the one pod was expected in {name}: {element}"
        for number in range(count):
            address = f"10.22.{100 + number // 250}.{number % 250}"
            other = element.replace(ip, address).replace(pod.container_id, f"filler{number}")
            if port in other:
                other = other.replace(port, str(FIRST_PORT + 10_000 + number))
            lines.append(f"add element inet cni-veth {name} {{ {other} }}")
    assert len(lines) >= count, f"the elements of a pod were not found among {CONTAINER_PORT=} {found}"
    site.node.run(["nft", "-f", "-"], "\n".join(lines), timeout=120)
