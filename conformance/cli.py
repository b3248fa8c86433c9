"""The command line: arguments, the session, the exit code."""

import argparse
import hashlib
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from conformance import data, matrix, namespaces, report, results, run
from conformance.report.terminal import Terminal
from conformance.world import Setting

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FORMATS = ("json", "junit", "markdown", "html", "badge")


class Unusable(ValueError):
    """Arguments that no session can be made of."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all MUSTs hold, 1: one failed, 2: the suite could not judge."""
    options = _parser().parse_args(arguments)
    try:
        if options.compare:
            return _compare(options)
        session = data.load([Path(path) for path in options.profile_file])
        if options.list_profiles:
            print("\n".join(f"{name:12} {profile['kind']}" for name, profile in sorted(session.profiles.items())))
            return 0
        return _judge(session, options)
    except (Unusable, data.BadData, results.NotResults, OSError) as error:
        print(f"cni-conformance: {error}", file=sys.stderr)
        return 2


def _judge(session: data.Data, options: argparse.Namespace) -> int:
    setting = _setting(session, options)
    if options.list:
        return _list(session, setting, options)
    if os.geteuid() != 0:
        raise Unusable("needs root, for it makes network namespaces")
    begun, started = monotonic(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run.prepare(setting)
    supported = run.supported_versions(setting)
    plans = _plans(session, setting, supported or data.VERSIONS, options)
    terminal = Terminal(
        sys.stderr if options.json == "-" else sys.stdout, dict(Counter(plan.case.area for plan in plans))
    )
    levels = results.levels(session.requirements)
    done: list[dict[str, Any]] = []

    def arrived(plan: matrix.Plan, found: dict[str, Any]) -> None:
        settled = results.settle(_described(plan, setting, options) | found, levels, setting.profile.get("waivers", []))
        done.append(settled)
        terminal.arrived(settled)

    for plan in plans:
        if plan.na:
            arrived(plan, {"verdict": "na", "reason": plan.na, "seconds": 0.0, "failures": [], "calls": []})
    binding = matrix.Binding(session.requirements)
    applicable = [plan for plan in plans if not plan.na]
    for plan, found in run.runs(setting, applicable, binding, options.jobs, terminal.started):
        arrived(plan, found)
    order = {plan.name: number for number, plan in enumerate(plans)}
    done.sort(key=lambda one: order[f"{one['case']}@{one['version']}"])
    document = results.build(
        requirements=session.requirements,
        documents=session.documents,
        runs=done,
        plugin=_plugin(setting, supported or [], options),
        started=started,
        seconds=monotonic() - begun,
        strict=options.level or "must",
    )
    terminal.summary(document)
    _write(options, [document])
    return int(document["verdict"])


def _setting(session: data.Data, options: argparse.Namespace) -> Setting:
    if not options.plugin:
        raise Unusable("--plugin PATH is needed")
    plugin = os.path.abspath(options.plugin)
    if not (os.path.isfile(plugin) and os.access(plugin, os.X_OK)):
        raise Unusable(f"{plugin} is no executable file")
    name = options.profile or os.path.basename(plugin)
    if name not in session.profiles:
        raise Unusable(f"no profile {name}; there are {', '.join(sorted(session.profiles))}")
    profile = session.profiles[name]
    if missing := [program for program in profile.get("programs", []) if shutil.which(program) is None]:
        raise Unusable(f"the profile {name} needs {', '.join(missing)}")
    cni_path = tuple(os.path.abspath(path) for option in options.cni_path for path in option.split(":") if path)
    env = {"PATH": _PATH, **dict(_pair(text) for text in options.env)}
    used = [
        plugin,
        *cni_path,
        os.getcwd(),
        *(path for value in env.values() for path in value.split(":") if path[:1] == "/"),
    ]
    return Setting(plugin, profile, namespaces.free_directory(used), cni_path, tuple(env.items()), options.seed)


def _plans(
    session: data.Data, setting: Setting, supported: Sequence[str], options: argparse.Namespace
) -> list[matrix.Plan]:
    only = [part for text in options.only for part in text.split(",")]
    plans = matrix.plans(session, setting.profile, supported, only, options.level or "may", options.since)
    if not plans:
        raise Unusable("no case is chosen by --only, --since and --level")
    return plans


def _list(session: data.Data, setting: Setting, options: argparse.Namespace) -> int:
    for plan in _plans(session, setting, data.VERSIONS, options):
        print(f"{plan.name:50} {','.join(plan.proves):20} {f'n/a: {plan.na}' if plan.na else plan.case.spec['title']}")
    return 0


def _described(plan: matrix.Plan, setting: Setting, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "case": plan.case.id,
        "area": plan.case.area,
        "title": plan.case.spec["title"],
        "version": plan.version,
        "proves": list(plan.proves),
        "replay": _replay(plan, setting, options),
    }


def _replay(plan: matrix.Plan, setting: Setting, options: argparse.Namespace) -> str:
    words = ["python", "-m", "conformance", "--plugin", options.plugin, "--profile", setting.profile["name"]]
    for option in ("cni_path", "env", "profile_file"):
        words += [word for value in getattr(options, option) for word in (f"--{option.replace('_', '-')}", value)]
    words += ["--seed", str(options.seed)] if options.seed != 1 else []
    return shlex.join([*words, "--only", plan.name])


def _plugin(setting: Setting, supported: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    name = os.path.basename(setting.plugin)
    return {
        "path": options.plugin,
        "name": name,
        "profile": setting.profile["name"],
        "sha256": hashlib.sha256(Path(setting.plugin).read_bytes()).hexdigest(),
        "versions": list(supported),
        "label": options.label or name,
    }


def _compare(options: argparse.Namespace) -> int:
    documents = [results.read(path) for path in options.compare]
    if not any(getattr(options, name) for name in _FORMATS):
        raise Unusable("--compare needs a report to write: --html FILE, --markdown FILE")
    _write(options, documents)
    return 0


def _write(options: argparse.Namespace, documents: list[dict[str, Any]]) -> None:
    for name in _FORMATS:
        if path := getattr(options, name):
            text = report.render(name, documents)
            if path == "-":
                print(text)
            else:
                results.save(text, path)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise Unusable(f"--env {text}: NAME=VALUE is meant")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "cni-conformance", description="Judge a CNI plugin, clause by clause.", allow_abbrev=False
    )
    parser.add_argument("--plugin", metavar="PATH", help="the executable to be judged")
    parser.add_argument("--profile", metavar="NAME", help="how to drive it; the plugin's file name if not given")
    parser.add_argument("--profile-file", metavar="FILE", action="append", default=[], help="a profile of your own")
    parser.add_argument(
        "--cni-path",
        metavar="DIR",
        action="append",
        default=[],
        help="where delegates are; the plugin's own directory always is",
    )
    parser.add_argument(
        "--env", metavar="NAME=VALUE", action="append", default=[], help="a further variable for the plugin"
    )
    parser.add_argument("--label", metavar="TEXT", help="what reports call the plugin")
    parser.add_argument(
        "--only",
        metavar="ID",
        action="append",
        default=[],
        help="cases (id, id@version, area, requirement; * and ?), several by comma",
    )
    parser.add_argument(
        "--level", choices=results.LEVELS, help="only cases of this level and above; it fails the session as well"
    )
    parser.add_argument(
        "--since",
        metavar="VERSION",
        choices=data.VERSIONS,
        default=data.VERSIONS[0],
        help="only specification versions from this one on",
    )
    parser.add_argument(
        "--jobs", metavar="N", type=int, default=2 * (os.cpu_count() or 1), help="cases at once (%(default)s)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the cases that roll dice (%(default)s)")
    parser.add_argument("--list", action="store_true", help="the cases, with what does not apply, and no run")
    parser.add_argument("--list-profiles", action="store_true")
    for name in _FORMATS:
        parser.add_argument(f"--{name}", metavar="FILE", help=f"write a report: {name}")
    parser.add_argument(
        "--compare", metavar="FILE", nargs="+", help="no run: reports of these --json files, side by side"
    )
    return parser
