"""How much a TCP stream carries through the wiring: kernel time, for neither end looks at what it sends or receives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tests.bench.contenders import Contender, placed
from tests.bench.networks import GUARDED, MASQUERADED, PLAIN, Network
from tests.bench.parts import Say, in_turn
from tests.bench.samples import REFERENCE, STANDALONE, Key, Run
from tests.world import Namespace
from tests.world.node import OUTSIDE_IPS

SUBNET = "10.22.0.0/24"
SECONDS = 0.4
ROUNDS = 25
_RECEIVER = """
import socket, sys, time
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
stream, _ = server.accept()
nothing = bytearray(1 << 20)
taken, begun = 0, time.perf_counter()
while (spent := time.perf_counter() - begun) < float(sys.argv[2]):
    taken += stream.recv_into(nothing, 1 << 20, socket.MSG_TRUNC)
print(taken * 8 / spent, flush=True)
"""
_SENDER = """
import os, socket, sys
data = os.memfd_create("data")
os.truncate(data, 1 << 20)
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])))
try:
    while True:
        os.sendfile(stream.fileno(), data, 0, 1 << 20)
except OSError:
    pass
"""


def throughput(run: Run, contenders: Sequence[Contender], say: Say) -> None:
    """A server or none, the wiring is the same: ours is measured once."""
    wired = [contender for contender in contenders if contender.title in (REFERENCE, STANDALONE)]
    for case, network, is_outside in (
        ("pod to pod", PLAIN, False),
        ("pod to outside", MASQUERADED, True),
        ("pod to pod, guarded", GUARDED, False),
    ):
        say(f"throughput, {case}: {ROUNDS} x {SECONDS} s")
        with ExitStack() as stack:
            ways = [(contender.title, *_way(stack, contender, network, is_outside)) for contender in wired]
            for number in range(ROUNDS):
                for title, source, target, ip in in_turn(ways, number):
                    run.add(Key("throughput", "TCP", case), title, _measured(source, target, ip))


def _way(
    stack: ExitStack, contender: Contender, network: Network, is_outside: bool
) -> tuple[Namespace, Namespace, str]:
    """From where to where a stream goes, and the address there. The reference knows no guard: it goes without."""
    asked = PLAIN if network is GUARDED and contender.title == REFERENCE else network
    site = stack.enter_context(placed(contender, (SUBNET,), 2, asked))
    outside = site.node.outside() if is_outside else None
    for pod in site.pods:
        site.run("ADD", pod)
    source, target = site.pods
    if outside is not None:
        return source, outside, OUTSIDE_IPS[0]
    return source, target, site.results[target.name]["ips"][0]["address"].partition("/")[0]


def _measured(source: Namespace, target: Namespace, ip: str) -> float:
    """Bits per second."""
    receiver = target.start([sys.executable, "-c", _RECEIVER, ip, str(SECONDS)])
    assert receiver.stdout
    port = receiver.stdout.readline().strip()
    sender = source.start([sys.executable, "-c", _SENDER, ip, port])
    try:
        told, complaint = receiver.communicate(timeout=20 * SECONDS)
        if receiver.returncode != 0:
            raise RuntimeError(f"the receiver in {target.name} failed: {complaint}")
        return float(told)
    finally:
        for process in (receiver, sender):
            process.kill()
            process.wait()
