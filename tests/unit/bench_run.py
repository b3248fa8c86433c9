"""A run of the benchmark that never took place."""

from __future__ import annotations

from tests.bench.samples import IN_PROCESS, KILLED, REFERENCE, SERVER, STANDALONE, Key, Run

_FACTORS = {REFERENCE: 1.0, SERVER: 0.2, STANDALONE: 2.5, KILLED: 2.6}
_CALLS = [("VERSION", ""), *((verb, stack) for stack in ("IPv4", "dual stack") for verb in ("ADD", "CHECK", "DEL"))]


def invented() -> Run:
    """Every row of a whole run. The server misses the bars of DEL, of 60,000 leases and of every conflist, standalone
    those of 60,000 leases and of the whole conflist; beside 5,000 pods the server takes half as long again, and a
    stream carries 5 % less than the reference's."""
    run = Run("Linux & two <CPUs>", [0.001, 0.002, 0.003])
    rows = [(Key("latency", verb, stack), 0.010) for verb, stack in _CALLS]
    rows += [(Key("leases", "ADD", str(count)), 0.010 + count / 60_000) for count in (0, 1_000, 10_000, 60_000)]
    titles = ("bridge + ipMasq", "whole conflist")
    rows += [(Key("conflist", verb, title), 0.300) for title in titles for verb in ("ADD", "CHECK", "DEL")]
    rows += [(Key("cpu", "ADD", "IPv4"), 0.015), (Key("peak", "ADD", "IPv4"), 5e6)]
    for key, of_reference in rows:
        for title, factor in _FACTORS.items():
            for noise in (0.9, 1.0, 1.1):
                run.add(key, title, of_reference * factor * noise)
    for title, pods in {REFERENCE: 100.0, SERVER: 400.0, STANDALONE: 50.0}.items():
        run.add(Key("parallel", "ADD", "16"), title, pods)
    for title, rate in {REFERENCE: 200.0, SERVER: 700.0, STANDALONE: 60.0, IN_PROCESS: 4000.0}.items():
        for verb in ("ADD", "DEL"):
            run.add(Key("store", verb, "0"), title, rate)
            run.add(Key("store", verb, "60000"), title, rate * (0.01 if title == REFERENCE else 0.9))
        run.add(Key("last", "ADD", "/16"), title, 1.2 / rate)
        if title != REFERENCE:
            run.add(Key("collect", "GC", "10,000 leases"), title, 0.4)
    for count, seconds in (("0", 0.010), ("5000", 0.015)):
        run.add(Key("elements", "ADD", count), SERVER, seconds)
    for case in ("pod to pod", "pod to outside", "pod to pod, guarded"):
        run.add(Key("throughput", "TCP", case), REFERENCE, 20e9)
        run.add(Key("throughput", "TCP", case), STANDALONE, 19e9)
    run.add(Key("server PSS", "ADD", "IPv4"), SERVER, 40e6)
    return run
