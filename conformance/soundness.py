"""Whether requirements, cases and profiles fit together: what they name is there, and once."""

import inspect
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

from conformance import change, checks, data, disturb, subset, template
from conformance.data import Case, Data


def problems(session: Data) -> Iterator[str]:
    """What refers to nothing, or is there twice."""
    known = {requirement["id"] for requirement in session.requirements}
    for kind, ids in (
        ("case", [c.id for c in session.cases]),
        ("requirement", [r["id"] for r in session.requirements]),
    ):
        yield from (f"{kind} {name}: twice" for name, count in Counter(ids).items() if count > 1)
    patches = {
        *data.PATCHES,
        "bad configs",
        *(n for p in session.profiles.values() for n in p.get("other patches", {})),
    }
    names = {*data.PLACES, *(name for profile in session.profiles.values() for name in profile.get("vars", {}))}
    for case in session.cases:
        for holder in (case.spec, *case.steps):
            yield from (f"case {case.id}: no requirement {r}" for r in holder.get("proves", []) if r not in known)
        yield from (f"case {case.id}: no profile has a patch {p!r}" for p in data.patches_of(case) - patches)
        yield from (
            f"case {case.id}: nothing is called ${{{place}}}"
            for place in template.places(case.spec)
            if place not in names and not place.startswith("pod.")
        )
        yield from _unremembered(case)
        yield from _undone(case)
        yield from _incomparable(case)
    yield from _unknown_needs(session)
    for name, profile in session.profiles.items():
        yield from (f"profile {name}: {text}" for text in _of_profile(profile, session, known))


def _of_profile(profile: Mapping[str, Any], session: Data, requirements: set[str]) -> Iterator[str]:
    if not {"name", "type"} <= profile.get("config", {}).keys() or "kind" not in profile:
        yield "kind, config.name and config.type are needed"
    asked = {need for case in session.cases for key in ("needs", "without") for need in case.spec.get(key, [])}
    for kind, key, known in (
        ("feature", "features", data.FEATURES),
        ("capability", "capabilities", data.CAPABILITIES),
    ):
        unknown = [word for word in profile.get(key, []) if word not in {*known, *asked}]
        yield from (f"no {kind} {word}; there are {', '.join(known)}" for word in unknown)
    for waiver in profile.get("waivers", []):
        if waiver["requirement"] not in requirements:
            yield f"a waiver for {waiver['requirement']}, which is no requirement"
        for pattern in waiver.get("cases", []):
            if not any(fnmatchcase(case.id, pattern) for case in session.cases):
                yield f"a waiver for the cases {pattern}, which are none"


def _unknown_needs(session: Data) -> Iterator[str]:
    parts = ("features", "capabilities", "vars", "other patches")
    offered = {name for profile in session.profiles.values() for part in parts for name in profile.get(part, [])}
    known = {*data.FEATURES, *data.CAPABILITIES, *data.PATCHES, "bad configs", *offered}
    for case in session.cases:
        named = [*case.spec.get("needs", []), *case.spec.get("without", [])]
        yield from (f"case {case.id}: no profile has the feature {name}" for name in named if name not in known)


def _undone(case: Case) -> Iterator[str]:
    known = {module.name for module in pkgutil.iter_modules(checks.__path__)}
    changes = {**change.CATALOGUE, **disturb.CATALOGUE}
    for step in case.steps:
        function: Callable[..., Any] | None = None
        if "change" in step:
            function = changes.get(step["change"])
            if function is None:
                yield f"case {case.id}: nothing changes by {step['change']}"
        elif "check" in step:
            if step["check"] in known:
                function = import_module(f"conformance.checks.{step['check']}").check
            else:
                yield f"case {case.id}: there is no check {step['check']}"
        if function is not None:
            _, *takes = inspect.signature(function).parameters
            for name in step.get("args", {}).keys() - takes:
                told = f"it takes {', '.join(takes)}" if takes else "it takes none"
                yield f"case {case.id}: {step.get('change') or step['check']} has no argument {name}; {told}"


def _incomparable(case: Case) -> Iterator[str]:
    """Operators of a subset that are none, or refer to a pod that no ADD is for."""
    added = {str(step.get("pod", 1)) for step in case.steps if step.get("call") == "ADD"}
    for step in case.steps:
        for name, value in _operators(step.get("expect", {})):
            if name not in subset.OPERATORS:
                yield f"case {case.id}: no operator {name}; there are {', '.join(subset.OPERATORS)}"
            elif name == "$same" and (pod := str(value).partition(".")[0]) not in added:
                yield f"case {case.id}: $same {value}: no ADD is for pod {pod}"


def _operators(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if key.startswith("$") and not key.startswith("${"))
        yield from (found for item in value.values() for found in _operators(item))
    elif isinstance(value, list):
        yield from (found for item in value for found in _operators(item))


def _unremembered(case: Case) -> Iterator[str]:
    remembered: set[str] = set()
    for step in case.steps:
        remembered.update([step["remember"]] if "remember" in step else [])
        expect: Mapping[str, Any] = step.get("expect", {})
        since = [expect.get("unchanged"), expect.get("unchanged but", {}).get("since")]
        yield from (f"case {case.id}: nothing remembered as {s!r}" for s in since if s and s not in remembered)
