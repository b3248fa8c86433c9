"""The command line: what is asked for is done; the exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance import arguments, data, results, session
from conformance.arguments import Unusable
from conformance.report import FORMATS
from conformance.report.files import Reports


def main(words: Sequence[str] | None = None) -> int:
    """0: all MUSTs hold, 1: one failed, 2: the suite could not judge, or a report could not be written."""
    options = arguments.parse(words)
    try:
        if options.compare:
            return _compare(options)
        known = data.load([Path(path) for path in options.profile_file])
        if options.list_profiles:
            print("\n".join(f"{name:12} {profile['kind']}" for name, profile in sorted(known.profiles.items())))
            return 0
        return _list(known, options) if options.list else _judge(known, options)
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


def _list(known: data.Data, options: argparse.Namespace) -> int:
    for plan in session.plans(known, session.setting(known, options), data.VERSIONS, options):
        print(f"{plan.name:50} {','.join(plan.proves):20} {f'n/a: {plan.na}' if plan.na else plan.case.spec['title']}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    documents = [results.read(path) for path in options.compare]
    if not _paths(options):
        raise Unusable("--compare needs a report to write: --html FILE, --markdown FILE")
    with Reports(_paths(options)) as reports:
        return 2 if _told(reports.write(documents)) else 0


def _paths(options: argparse.Namespace) -> dict[str, str]:
    return {name: path for name in FORMATS if (path := getattr(options, name))}


def _told(problems: Sequence[str]) -> bool:
    for problem in problems:
        print(f"cni-conformance: {problem}", file=sys.stderr)
    return bool(problems)
