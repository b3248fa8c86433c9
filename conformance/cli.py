"""The command line: what is asked for is done; the exit code."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from conformance import arguments, data, results, session
from conformance.arguments import Unusable
from conformance.report import FORMATS
from conformance.report.files import Reports
from conformance.report.terminal import silence


def main(words: Sequence[str] | None = None) -> int:
    """0: all MUSTs hold, 1: one failed, 2: the suite could not judge, or a report could not be written."""
    options = arguments.parse(words)
    try:
        if options.compare:
            return _compare(options)
        known = data.load([Path(path) for path in options.profile_file])
        if options.list_profiles or options.list:
            return _print(_profiles(known) if options.list_profiles else _cases(known, options))
        return _judge(known, options)
    except (Unusable, data.BadData, results.NotResults, OSError) as error:
        print(f"cni-conformance: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("cni-conformance: interrupted", file=sys.stderr)
    return 2


def _judge(known: data.Data, options: argparse.Namespace) -> int:
    chosen = session.setting(known, options)
    if os.geteuid() != 0:
        raise Unusable("needs root, for it makes network namespaces")
    with Reports(_paths(options)) as reports:
        terminal, document = session.judge(known, chosen, options)
        try:
            terminal.summary(document)
        finally:
            problems = _told(reports.write([document]))
    return int(document["verdict"]) or (2 if problems else 0)


def _profiles(known: data.Data) -> Iterator[str]:
    for name, profile in sorted(known.profiles.items()):
        yield f"{name:12} {profile['kind']:8} {profile.get('note', '')}".rstrip()


def _cases(known: data.Data, options: argparse.Namespace) -> Iterator[str]:
    for plan in session.plans(known, session.profile(known, options), data.VERSIONS, options):
        yield f"{plan.name:50} {','.join(plan.proves):20} {f'n/a: {plan.na}' if plan.na else plan.case.spec['title']}"


def _print(lines: Iterable[str]) -> int:
    """A reader that has seen enough (head) is no failure."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        silence(sys.stdout)
    return 0


def _compare(options: argparse.Namespace) -> int:
    documents = [results.read(path) for path in options.compare]
    if not _paths(options):
        raise Unusable("--compare needs a report to write: --html FILE, --markdown FILE")
    with Reports(_paths(options)) as reports:
        return 2 if _told(reports.write(documents)) else 0


def _paths(options: argparse.Namespace) -> dict[str, str]:
    """Raises Unusable where two would be mixed on standard output."""
    paths = {name: path for name in FORMATS if (path := getattr(options, name))}
    if len(mixed := [f"--{name} -" for name, path in paths.items() if path == "-"]) > 1:
        raise Unusable(f"{' and '.join(mixed)}: standard output takes one report")
    return paths


def _told(problems: Sequence[str]) -> bool:
    for problem in problems:
        print(f"cni-conformance: {problem}", file=sys.stderr)
    return bool(problems)
