"""Which case runs at which version of the specification with a profile, and why others do not apply."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from conformance import data, kernel, results
from conformance.data import Case


@dataclass(frozen=True)
class Plan:
    """One run to be: a case at a version. `proves` is what binds in it; `na` says why it does not apply."""

    case: Case
    version: str
    proves: tuple[str, ...]
    na: str = ""

    @property
    def name(self) -> str:
        return f"{self.case.id}@{self.version}"


class Binding:
    """The requirements by the versions that they bind in."""

    def __init__(self, requirements: Iterable[Mapping[str, Any]]) -> None:
        self._spans = {r["id"]: (r.get("since", "0.1.0"), r.get("until")) for r in requirements}

    def at(self, version: str, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of `ids` that bind in a version."""
        return tuple(name for name in ids if self._binds(name, version))

    def _binds(self, name: str, version: str) -> bool:
        since, until = self._spans.get(name, ("0.1.0", None))
        return data.in_range(version, f">={since}") and (until is None or not data.in_range(until, f"<{version}"))


def plans(
    session: data.Data,
    profile: Mapping[str, Any],
    supported: Collection[str],
    only: Sequence[str] = (),
    level: str = "may",
    since: str = "0.1.0",
) -> list[Plan]:
    """Every case at every version from `since` on; oldest version first within a case."""
    binding = Binding(session.requirements)
    levels = results.levels(session.requirements)
    wanted_levels = results.LEVELS[: results.LEVELS.index(level) + 1]
    found = []
    for case in session.cases:
        for version in data.VERSIONS:
            proves = binding.at(version, case.spec["proves"])
            plan = Plan(
                case, version, proves or tuple(case.spec["proves"]), _na(case, version, proves, profile, supported)
            )
            is_asked = data.in_range(version, f">={since}") and results.highest(plan.proves, levels) in wanted_levels
            if is_asked and _is_wanted(plan, only):
                found.append(plan)
    return found


def unknown(session: data.Data, only: Iterable[str]) -> list[str]:
    """The patterns of `only` that fit nothing at all."""
    names = {name for case in session.cases for name in (case.id, case.area, *case.spec["proves"])}
    names |= {f"{case.id}@{version}" for case in session.cases for version in data.VERSIONS}
    return [pattern for pattern in only if not any(fnmatchcase(name, pattern) for name in names)]


def _is_wanted(plan: Plan, only: Sequence[str]) -> bool:
    names = (plan.case.id, plan.name, plan.case.area, *plan.case.spec["proves"])
    return not only or any(fnmatchcase(name, pattern) for pattern in only for name in names)


def _na(case: Case, version: str, proves: Sequence[str], profile: Mapping[str, Any], supported: Collection[str]) -> str:
    spec = case.spec
    if version not in supported:
        return f"the plugin does not list version {version}"
    for limits, whose in ((spec.get("versions"), "the case"), (profile.get("versions"), "the profile")):
        if not data.in_range(version, limits):
            return f"{whose} is for versions {limits}"
    if not proves:
        return f"nothing that the case proves binds in {version}"
    if profile["kind"] not in spec.get("kinds", [profile["kind"]]):
        return f"for plugins of kind {' or '.join(spec['kinds'])}"
    return _lacks(case, profile) or _unrigged(case, profile) or _unseen(case, profile)


def _lacks(case: Case, profile: Mapping[str, Any]) -> str:
    able = {name for name, is_there in profile.get("capabilities", {}).items() if is_there}
    has = {*profile.get("features", []), *able, *profile.get("vars", {}), *profile.get("other patches", {})}
    has.update(name for name in (*data.PATCHES, "bad configs") if name in profile)
    if "delegate" in profile:
        has.add("delegates")
    needs = [*case.spec.get("needs", []), *sorted(data.patches_of(case))]
    needs += ["delegates"] if data.uses_delegate(case) else []
    for need in needs:
        if need not in has:
            return f"the profile has no {need}"
    for feature in case.spec.get("without", []):
        if feature in has:
            return f"the profile has {feature}"
    return ""


def _unrigged(case: Case, profile: Mapping[str, Any]) -> str:
    """A chained plugin of which the suite makes no surroundings: what asks for these, or for their prevResult."""
    if profile["kind"] != "chained" or profile.get("rig") != "none":
        return ""
    has_result = "prevResult" in profile["config"]
    return "the profile has no rig" if any(_asks_for_rig(step, has_result) for step in case.steps) else ""


def _asks_for_rig(step: Mapping[str, Any], has_result: bool) -> bool:
    if "call" not in step:
        return "remember" not in step
    expect = step.get("expect", {})
    is_told = bool({"code", "mentions"} & expect.keys())
    may_fail = expect.get("exit", "error" if is_told else 0) in (("error",) if is_told else ("error", "any"))
    is_attached = step["call"] in ("ADD", "CHECK", "DEL")
    return bool({"pod", "node"} & expect.keys()) or (is_attached and not may_fail and not has_result)


def _unseen(case: Case, profile: Mapping[str, Any]) -> str:
    """A snapshot without the profile's rule sets would pass whatever is left of them."""
    takes_some = any("remember" in step or step.get("check") in data.SNAPSHOT_CHECKS for step in case.steps)
    missing = kernel.lacking(profile.get("rules", [])) if takes_some else []
    return f"no {' and no '.join(missing)} in PATH to see rules with" if missing else ""
