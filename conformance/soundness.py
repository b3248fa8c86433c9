"""Whether requirements, cases and profiles fit together: what they name is there, and once."""

import pkgutil
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from conformance import change, checks, data, disturb, template
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
    for name, profile in session.profiles.items():
        if not {"name", "type"} <= profile.get("config", {}).keys() or "kind" not in profile:
            yield f"profile {name}: kind, config.name and config.type are needed"
        for waiver in profile.get("waivers", []):
            if waiver["requirement"] not in known:
                yield f"profile {name}: a waiver for {waiver['requirement']}, which is no requirement"


def _undone(case: Case) -> Iterator[str]:
    known = {module.name for module in pkgutil.iter_modules(checks.__path__)}
    for step in case.steps:
        if "change" in step and step["change"] not in {*change.CATALOGUE, *disturb.CATALOGUE}:
            yield f"case {case.id}: nothing changes by {step['change']}"
        if "check" in step and step["check"] not in known:
            yield f"case {case.id}: there is no check {step['check']}"


def _unremembered(case: Case) -> Iterator[str]:
    remembered: set[str] = set()
    for step in case.steps:
        remembered.update([step["remember"]] if "remember" in step else [])
        expect: Mapping[str, Any] = step.get("expect", {})
        since = [expect.get("unchanged"), expect.get("unchanged but", {}).get("since")]
        yield from (f"case {case.id}: nothing remembered as {s!r}" for s in since if s and s not in remembered)
