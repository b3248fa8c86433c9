"""The command line's arguments."""

import argparse
import os
from collections.abc import Sequence

from conformance import data, results
from conformance.report import FORMATS


class Unusable(ValueError):
    """Arguments that no session can be made of."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """SystemExit 2 where they cannot be used."""
    return parser().parse_args(arguments)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "cni-conformance", description="Judge a CNI plugin, clause by clause.", allow_abbrev=False
    )
    _plugin(made)
    _choice(made)
    _reports(made)
    return made


def pair(text: str) -> tuple[str, str]:
    """Of --env. Raises Unusable."""
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise Unusable(f"--env {text}: NAME=VALUE is meant")
    return name, value


def _plugin(made: argparse.ArgumentParser) -> None:
    made.add_argument("--plugin", metavar="PATH", help="the executable to be judged")
    made.add_argument(
        "--profile", metavar="NAME", help="how to drive it; that of --profile-file, or the plugin's file name"
    )
    _many(made, "--profile-file", "FILE", "a profile of your own")
    _many(made, "--cni-path", "DIR", "where delegates are; the plugin's own directory always is")
    _many(made, "--env", "NAME=VALUE", "a further variable for the plugin; directories that it names stay writable")
    _many(made, "--writable", "DIR", "a directory that the plugin, or a server of it, may write to")
    made.add_argument("--label", metavar="TEXT", help="what reports call the plugin")


def _choice(made: argparse.ArgumentParser) -> None:
    _many(made, "--only", "ID", "cases (id, id@version, area, requirement; * and ?), several by comma")
    made.add_argument(
        "--level", choices=results.LEVELS, help="only cases of this level and above; it fails the session as well"
    )
    made.add_argument(
        "--since",
        metavar="VERSION",
        choices=data.VERSIONS,
        default=data.VERSIONS[0],
        help="only specification versions from this one on",
    )
    jobs = 2 * (os.cpu_count() or 1)
    made.add_argument("--jobs", metavar="N", type=_positive, default=jobs, help="cases at once (%(default)s)")
    made.add_argument("--seed", metavar="N", type=int, default=1, help="of the cases that roll dice (%(default)s)")
    made.add_argument("--list", action="store_true", help="the cases, with what does not apply, and no run")
    made.add_argument("--list-profiles", action="store_true", help="the profiles, with what they are for")


def _reports(made: argparse.ArgumentParser) -> None:
    for name in FORMATS:
        made.add_argument(f"--{name}", metavar="FILE", help=f"write a report: {name}")
    made.add_argument(
        "--compare", metavar="FILE", nargs="+", help="no run: reports of these --json files, side by side"
    )


def _many(made: argparse.ArgumentParser, option: str, metavar: str, text: str) -> None:
    made.add_argument(option, metavar=metavar, action="append", default=[], help=text)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number
