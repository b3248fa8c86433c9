"""A session: a plugin judged by the cases that were chosen, from the arguments to the result document."""

import argparse
import hashlib
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from conformance import data, matrix, namespaces, results, run
from conformance.arguments import Unusable, pair
from conformance.report import FORMATS
from conformance.report.terminal import Terminal
from conformance.world import Setting

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SCRATCH = ("/tmp", "/var/tmp")

Run = dict[str, Any]


def setting(known: data.Data, options: argparse.Namespace) -> Setting:
    """Raises Unusable."""
    if not options.plugin:
        raise Unusable("--plugin PATH is needed")
    plugin = os.path.abspath(options.plugin)
    if not (os.path.isfile(plugin) and os.access(plugin, os.X_OK)):
        raise Unusable(f"{plugin} is no executable file")
    chosen = profile(known, options)
    cni_path = tuple(os.path.abspath(path) for option in options.cni_path for path in option.split(":") if path)
    if missing := [path for path in cni_path if not os.path.isdir(path)]:
        raise Unusable(f"--cni-path {missing[0]} is no directory")
    env = {"PATH": _PATH, **dict(pair(text) for text in options.env)}
    named = [path for value in env.values() for path in value.split(":") if path[:1] == "/"]
    used = [plugin, *cni_path, os.getcwd(), *options.writable, *named, sys.executable, str(data.root())]
    directory = namespaces.free_directory(used)
    scratch = tuple(one for one in _SCRATCH if one != directory and namespaces.is_free(one, used))
    writable = _writable([*options.writable, *(pair(text)[1] for text in options.env if pair(text)[0] != "PATH")])
    return Setting(plugin, chosen, directory, cni_path, tuple(env.items()), options.seed, writable, scratch)


def profile(known: data.Data, options: argparse.Namespace) -> dict[str, Any]:
    """That of --profile, the last of --profile-file, or the one with the plugin's file name. Raises Unusable."""
    own = known.own[-1] if known.own else ""
    name = options.profile or own or os.path.basename(options.plugin or "")
    if not name:
        raise Unusable("--plugin PATH or --profile NAME is needed")
    if name not in known.profiles:
        raise Unusable(f"no profile {name}; --profile takes one of {', '.join(sorted(known.profiles))}")
    found = known.profiles[name]
    if missing := [program for program in found.get("programs", []) if shutil.which(program) is None]:
        raise Unusable(f"the profile {name} needs {', '.join(missing)}")
    return found


def plans(
    known: data.Data, profile: Mapping[str, Any], supported: Sequence[str], options: argparse.Namespace
) -> list[matrix.Plan]:
    """Raises Unusable."""
    only = [part for text in options.only for part in text.split(",")]
    if unknown := matrix.unknown(known, only):
        raise Unusable(f"--only {','.join(unknown)}: no such case, area or requirement of a case")
    found = matrix.plans(known, profile, supported, only, options.level or "may", options.since)
    if not found:
        raise Unusable("no case is chosen by --only, --since and --level")
    return found


def judge(known: data.Data, chosen: Setting, options: argparse.Namespace) -> tuple[Terminal, results.Document]:
    """Play all; what is said at the end is up to the caller. An interrupt (SIGINT) leaves the rest unplayed."""
    begun, started = monotonic(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    plans(known, chosen.profile, data.VERSIONS, options)
    run.prepare(chosen)
    supported = run.supported_versions(chosen)
    planned = plans(known, chosen.profile, supported or data.VERSIONS, options)
    stream = sys.stderr if "-" in [getattr(options, name) for name in FORMATS] else sys.stdout
    terminal = Terminal(stream, dict(Counter(plan.case.area for plan in planned)))
    document = results.build(
        requirements=known.requirements,
        documents=known.documents,
        runs=_played(known, chosen, planned, options, terminal),
        plugin=_plugin(chosen, supported or [], options),
        started=started,
        seconds=monotonic() - begun,
        strict=options.level or "must",
    )
    return terminal, document


def _played(
    known: data.Data, chosen: Setting, planned: Sequence[matrix.Plan], options: argparse.Namespace, terminal: Terminal
) -> list[Run]:
    """The settled runs, in the order of the plans."""
    levels, waivers = results.levels(known.requirements), chosen.profile.get("waivers", [])
    done: dict[str, Run] = {}
    attached = 0

    def arrived(plan: matrix.Plan, found: Run) -> None:
        nonlocal attached
        attached += found.pop("attached", False)
        done[plan.name] = results.settle(_described(plan, chosen, options) | found, levels, waivers)
        terminal.arrived(done[plan.name])

    for plan in planned:
        if plan.na:
            arrived(plan, run.unplayed("na", plan.na))
    binding = matrix.Binding(known.requirements)
    try:
        applicable = [plan for plan in planned if not plan.na]
        for plan, found in run.runs(chosen, applicable, binding, options.jobs, terminal.started):
            arrived(plan, found)
    except KeyboardInterrupt:
        for plan in planned:
            if plan.name not in done:
                arrived(plan, run.unplayed("na", results.INTERRUPTED))
    if not attached:
        terminal.no_add = next((name for name, run in done.items() if _is_stopped_by_add(run)), "")
    return [done[plan.name] for plan in planned]


def _is_stopped_by_add(run: Run) -> bool:
    return any(f["what"] == "call ADD" and f["expected"] == "exit 0" for f in run["failures"])


def _writable(paths: Iterable[str]) -> tuple[str, ...]:
    """Directories as they are; of a file or a socket, there or to be made, the directory."""
    found = [part for path in paths for part in path.split(":") if part[:1] == "/"]
    directories = [path if os.path.isdir(path) else os.path.dirname(path) for path in found]
    return tuple(dict.fromkeys(path for path in directories if path.strip("/")))


def _described(plan: matrix.Plan, chosen: Setting, options: argparse.Namespace) -> Run:
    return {
        "case": plan.case.id,
        "area": plan.case.area,
        "title": plan.case.spec["title"],
        "version": plan.version,
        "proves": list(plan.proves),
        "replay": _replay(plan, chosen, options),
    }


def _replay(plan: matrix.Plan, chosen: Setting, options: argparse.Namespace) -> str:
    """A command that works in any directory."""
    words = [*_program(), "--plugin", chosen.plugin, "--profile", chosen.profile["name"]]
    options_of = {
        "--cni-path": chosen.cni_path,
        "--env": options.env,
        "--writable": options.writable,
        "--profile-file": [os.path.abspath(path) for path in options.profile_file],
        "--level": [options.level] if options.level else [],
        "--seed": [str(options.seed)] if options.seed != 1 else [],
    }
    words += [word for option, values in options_of.items() for value in values for word in (option, value)]
    return shlex.join([*words, "--only", plan.name])


def _program() -> list[str]:
    """How this suite was started: by a name of its own (console script, one file), or as a module."""
    if os.path.basename(sys.argv[0]).startswith("cni-conformance"):
        return [os.path.abspath(shutil.which(sys.argv[0]) or sys.argv[0])]
    place = str(Path(str(data.root())).parent)
    is_installed = place in sys.path[1:] and place not in os.environ.get("PYTHONPATH", "").split(":")
    return [*([] if is_installed else ["env", f"PYTHONPATH={place}"]), sys.executable, "-m", "conformance"]


def _plugin(chosen: Setting, supported: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    name = os.path.basename(chosen.plugin)
    return {
        "path": options.plugin,
        "name": name,
        "profile": chosen.profile["name"],
        "sha256": hashlib.sha256(Path(chosen.plugin).read_bytes()).hexdigest(),
        "versions": list(supported),
        "label": options.label or name,
    }
