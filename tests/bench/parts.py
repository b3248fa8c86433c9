"""What is measured: calls one by one, many at a time, and beside many leases."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from tests.bench import calls
from tests.bench.contenders import Contender, Site, placed
from tests.bench.networks import PLAIN, Network
from tests.bench.samples import KILLED, Key, Run
from tests.world import Node

STACKS = {"IPv4": ("10.22.0.0/24",), "dual stack": ("10.22.0.0/24", "fd00:22::/64")}
WARM_UP = 3
WEIGHED = 5

AT_A_TIME = (1, 16, 64)
POD_COUNT = 64
SECONDS_OF_ADD = 2.0
ROUNDS = (5, 20)
"""At least and at most, each of an ADD and a DEL for every pod."""

LEASES = (0, 1_000, 10_000, 60_000)
ROUNDS_AMONG_MOST = 10
"""At 60,000 leases, where one call of the reference takes about a second."""

Say = Callable[[str], None]
T = TypeVar("T")


def harness(rounds: int) -> list[float]:
    """Seconds that the start of any program costs here: /bin/true, measured in the same way."""
    with Node() as node:
        return [calls.run(node, calls.Call(["/bin/true"], {}, b"")).seconds for _ in range(rounds)]


def latency(run: Run, contenders: Sequence[Contender], rounds: int, say: Say) -> None:
    for stack, subnets in STACKS.items():
        with places(contenders, subnets, rounds + WARM_UP) as sites:
            for verb in ("VERSION", "ADD", "CHECK", "DEL"):
                say(f"latency, {stack}: {rounds} x {verb}")
                before = [site.server.cpu_seconds() if site.server else 0 for site in sites]
                one_by_one(run, Key("latency", verb, "" if verb == "VERSION" else stack), sites, rounds)
                if verb == "ADD":
                    _cost_of_servers(run, stack, sites, before, rounds + WARM_UP)
            for site in sites:
                for pod in site.pods[:WEIGHED]:
                    run.add(Key("peak", "ADD", stack), site.title, site.weigh("ADD", pod))
                    site.run("DEL", pod)


def parallel(run: Run, contenders: Sequence[Contender], say: Say) -> None:
    least, most = ROUNDS
    with places(without_killed(contenders), STACKS["IPv4"], POD_COUNT) as sites:
        for at_a_time in AT_A_TIME:
            spent = {site.title: 0.0 for site in sites}
            for number in range(most):
                busy = [site for site in sites if number < least or spent[site.title] < SECONDS_OF_ADD]
                if not busy:
                    break
                say(f"parallel, {at_a_time} at a time, round {number + 1}: {', '.join(site.title for site in busy)}")
                for site in in_turn(busy, number):
                    for verb in ("ADD", "DEL"):
                        seconds = site.run_many(verb, at_a_time)
                        run.add(Key("parallel", verb, str(at_a_time)), site.title, POD_COUNT / seconds)
                        spent[site.title] += seconds if verb == "ADD" else 0


def leases(run: Run, contenders: Sequence[Contender], rounds: int, say: Say) -> None:
    with places(without_killed(contenders), ("10.0.0.0/8",), rounds + WARM_UP) as sites:
        for beside, count in zip((0, *LEASES), LEASES, strict=False):
            for site in sites:
                fill(site.node.store / site.conf["name"], beside, count)
            here = rounds if count < LEASES[-1] else min(rounds, ROUNDS_AMONG_MOST)
            for verb in ("ADD", "DEL"):
                say(f"leases, beside {count}: {here} x {verb}")
                one_by_one(run, Key("leases", verb, str(count)), sites, here)


def one_by_one(run: Run, key: Key, sites: Sequence[Site], rounds: int) -> None:
    """The same call for each pod, after a warm-up; every site has its turn in every round."""
    for number in range(rounds + WARM_UP):
        for site in in_turn(sites, number):
            outcome = site.run(key.verb, site.pods[number])
            if number >= WARM_UP:
                run.add(key, site.title, outcome.seconds)
                if key.part == "latency" and key.verb == "ADD":
                    run.add(Key("cpu", "ADD", key.case), site.title, outcome.cpu_seconds)


def _cost_of_servers(run: Run, stack: str, sites: Iterable[Site], before: list[float], count: int) -> None:
    """Per ADD since `before`. RuntimeError where a server has done nothing: then its launcher measured another."""
    for site, since in zip(sites, before, strict=True):
        if site.server:
            used = site.server.cpu_seconds() - since
            if not used:
                raise RuntimeError(f"{site.title}: {count} ADDs cost the server no CPU, so it did not serve them")
            pss, rss = site.server.memory()
            for part, value in {"server cpu": used / count, "server PSS": pss, "server RSS": rss}.items():
                run.add(Key(part, "ADD", stack), site.title, value)


@contextmanager
def places(
    contenders: Sequence[Contender], subnets: Sequence[str], pods: int, network: Network = PLAIN
) -> Iterator[list[Site]]:
    with ExitStack() as stack:
        sites = [stack.enter_context(placed(contender, subnets, pods, network)) for contender in contenders]
        for site in sites:  # the bridge is made, and what the last part left is gone
            site.run("ADD", site.pods[0])
            site.run("DEL", site.pods[0])
        yield sites


def in_turn(sites: Sequence[T], number: int) -> Iterable[T]:
    return sites if number % 2 else reversed(sites)


def without_killed(contenders: Sequence[Contender]) -> list[Contender]:
    return [contender for contender in contenders if contender.title != KILLED]


def fill(store: Path, begin: int, end: int) -> None:
    """Leases as host-local writes them, from number `begin` on, the last one being the last that was reserved."""
    first = ipaddress.ip_address("10.0.0.2")
    for number in range(begin, end):
        (store / str(first + number)).write_bytes(f"lease-{number:064x}\r\neth0".encode())
    if end > begin:
        (store / "last_reserved_ip.0").write_text(str(first + end - 1))
