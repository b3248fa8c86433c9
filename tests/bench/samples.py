"""What a run of the benchmark leaves: every sample, and where it was taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

REFERENCE = "bridge + host-local"
SERVER = "cni-veth, server"
STANDALONE = "cni-veth, standalone"
KILLED = "cni-veth, server killed"
NAMES = {"reference": REFERENCE, "server": SERVER, "standalone": STANDALONE, "killed": KILLED}
"""Short name -> title, in the order of every table."""
IN_PROCESS = "ipam, in one process"
"""The code of cni-ipam called as functions, interpreted: no contender, as nothing is executed."""


class Key(NamedTuple):
    """What was measured. `part` decides the unit of the samples:

    latency, leases: seconds per call, `case` is the stack or the number of leases in the store.
    conflist: seconds per call of all its plugins, `case` is the network's title.
    elements: seconds per call of the whole conflist, `case` is the number of other pods with rules.
    parallel: pods per second, `case` is the number of calls at a time.
    store: calls of the IPAM plugin alone per second, `case` is the number of leases in the store.
    last, collect: seconds per call of it, `case` says of what.
    throughput: bits per second, `case` is from where to where.
    cpu, peak, server cpu, server PSS, server RSS: of one ADD; seconds and bytes, `case` is the stack.
    """

    part: str
    verb: str
    case: str


Samples = dict[Key, dict[str, list[float]]]
"""What was measured -> title of the contender -> its samples, in the order they were taken."""


@dataclass
class Run:
    machine: str
    harness: list[float]
    """Seconds that the start of any program (/bin/true) costs here."""
    samples: Samples = field(default_factory=dict)

    def add(self, key: Key, contender: str, sample: float) -> None:
        self.samples.setdefault(key, {}).setdefault(contender, []).append(sample)

    def part(self, part: str) -> Samples:
        """Its rows; in each the contenders in the order of NAMES, for turns have mixed them."""
        rows = {key: row for key, row in self.samples.items() if key.part == part}
        titles = (*NAMES.values(), IN_PROCESS)
        return {key: {title: row[title] for title in titles if title in row} for key, row in rows.items()}

    def as_json(self) -> dict[str, Any]:
        rows = [{**key._asdict(), "samples": row} for key, row in self.samples.items()]
        return {"machine": self.machine, "harness_seconds": self.harness, "rows": rows}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Run:
        """The inverse of `as_json`; KeyError where it is none of ours."""
        samples = {Key(row["part"], row["verb"], row["case"]): row["samples"] for row in document["rows"]}
        return cls(document["machine"], document["harness_seconds"], samples)
