"""The command line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tests.bench
from tests.bench import addresses, calls, conflists, parts, record, throughput
from tests.bench.contenders import Contender
from tests.bench.plot import svg
from tests.bench.samples import NAMES, REFERENCE, Run
from tests.bench.table import missed, tables
from tests.world import BIN, PEERS

PARTS = ("latency", "parallel", "leases", "ipam", "conflist", "elements", "throughput")


def main(arguments: Sequence[str] | None = None) -> int:
    """0; with --check 1 where a bar that was measured does not hold."""
    parser = _parser()
    options = parser.parse_args(arguments)
    run = Run.from_json(json.loads(options.read.read_text())) if options.read else _measure(parser, options)
    print("\n".join(["", *tables(run), "", f"{run.machine}."]))
    if options.json:
        options.json.write_text(json.dumps(run.as_json(), indent=1))
    if options.svg:
        options.svg.write_text(svg(run))
    if options.record:
        record.write(run)
    return 1 if options.check and missed(run) else 0


def _measure(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Run:
    directories = {title: options.peers if title == REFERENCE else options.bin for title in NAMES.values()}
    contenders = [Contender(NAMES[name], directories[NAMES[name]].absolute()) for name in options.contenders]
    missing = {str(path) for contender in contenders for path in contender.executables if not path.exists()}
    if missing:
        parser.error(f"no {' '.join(sorted(missing))}: run `make build` and packaging/peers.sh first")
    if not 1 <= options.n <= 200:
        parser.error("-n must lie between 1 and 200")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")

    calls.adopt_orphans()
    run = Run(_machine(), parts.harness(options.n))
    if "latency" in options.only:
        parts.latency(run, contenders, options.n, _say)
    if "parallel" in options.only:
        parts.parallel(run, contenders, _say)
    if "leases" in options.only:
        parts.leases(run, contenders, options.n, _say)
    if "ipam" in options.only:
        addresses.measure(run, contenders, options.n, _say)
    if "conflist" in options.only:
        conflists.conflists(run, contenders, options.n, _say)
    if "elements" in options.only:
        conflists.elements(run, contenders, options.n, _say)
    if "throughput" in options.only:
        throughput.throughput(run, contenders, _say)
    return run


def _parser() -> argparse.ArgumentParser:
    title = (tests.bench.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=title)
    parser.add_argument("--bin", type=Path, default=BIN, metavar="DIR", help="our executables (%(default)s)")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="DIR", help="the reference's (%(default)s)")
    parser.add_argument(
        "-n", type=int, default=30, metavar="N", help="counted calls per row (%(default)s, at most 200)"
    )
    parser.add_argument("--only", type=_some(PARTS), default=PARTS, metavar="PARTS", help=f"of {','.join(PARTS)}")
    parser.add_argument(
        "--contenders", type=_some(tuple(NAMES)), default=tuple(NAMES), metavar="WHO", help=f"of {','.join(NAMES)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw there")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="read", help="measure nothing, read this JSON")
    parser.add_argument("--record", action="store_true", help="into docs/performance.md and docs/performance.svg")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bar does not hold")
    return parser


def _some(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if not set(found) <= set(known):
            raise argparse.ArgumentTypeError(f"{text} is not of {','.join(known)}")
        return found

    return names


def _machine() -> str:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = model[0].partition(": ")[2] if model else platform.machine()
    return f"Linux {platform.release()}, {os.cpu_count()} CPUs, {name}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
