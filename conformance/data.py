"""Requirements, cases and profiles: loaded, checked against their schemas and against each other."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

from conformance import template
from conformance.excerpt import short

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""Every released version of the specification, oldest first."""

PATCHES = ("exhausted", "broken store")
"""Keys of a profile that are merge patches, besides its `other patches`."""

FEATURES = (
    *("interface", "addresses", "routes", "gateway", "bridge", "port", "host-link", "reservation", "store", "many"),
    *("existing-interface", "forwarding", "masquerade", "firewall-rules", "ipv6", "dns", "dns-capability"),
    *("loopback", "own-result", "delegates"),
)
"""What a profile may list as `features`, besides what its cases ask for."""

CAPABILITIES = (
    *("portMappings", "ipRanges", "bandwidth", "dns", "ips", "mac", "infinibandGUID", "deviceID", "aliases"),
    *("cgroupPath", "io.kubernetes.cri.pod-annotations"),
)
"""Keys of runtimeConfig that CONVENTIONS.md has."""

RIG = "bridge+veth"
"""What a chained plugin is called after, unless its profile says otherwise."""

SNAPSHOT_CHECKS = ("concurrency", "fuzz", "killed")
"""Checks that compare snapshots."""

_RELEVANCE = jsonschema.exceptions.by_relevance(strong={"additionalProperties"})  # a wrong key before a missing one

PLACES = ("type", "plugin", "dir", "version", "network", "delegate")


class BadData(ValueError):
    """A file of the suite is wrong; the text says which, where and why."""


@dataclass(frozen=True)
class Case:
    """One case of cases/<area>.json; `spec` is the object as it stands there."""

    area: str
    spec: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.spec["id"])

    @property
    def steps(self) -> list[dict[str, Any]]:
        return list(self.spec["steps"])


@dataclass(frozen=True)
class Data:
    """All that a session judges by."""

    documents: list[dict[str, Any]]
    requirements: list[dict[str, Any]]
    cases: list[Case]
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    """Names of the profiles that are the user's, in the order of their files."""


def root() -> Traversable:
    """The directory of the suite's data."""
    return resources.files("conformance")


def load(profile_files: Iterable[Path] = ()) -> Data:
    """Everything; `profile_files` are profiles of the user's own. Raises BadData."""
    written = _read(root() / "requirements.json", "requirements")
    cases = [
        Case(path.name.removesuffix(".json"), case)
        for path in _json_files("cases")
        for case in _read(path, "case")["cases"]
    ]
    own = [_read(path, "profile") for path in profile_files]
    profiles = _profiles([*(_read(path, "profile") for path in _json_files("profiles")), *own])
    names = tuple(profile["name"] for profile in own)
    data = Data(written["documents"], written["requirements"], cases, profiles, names)
    from conformance import soundness  # which needs this module

    if found := list(soundness.problems(data)):
        raise BadData("\n".join(dict.fromkeys(found)))
    return data


@cache
def validator(name: str) -> Any:
    """The jsonschema validator of schemas/<name>.schema.json; references between the files resolve."""
    path = f"{name}.schema.json"
    schemas = {file.name: json.loads(file.read_text()) for file in _json_files("schemas")}
    registry: Any = Registry().with_resources(
        (key, Resource.from_contents(schema))
        for file, schema in schemas.items()
        for key in {file, schema.get("$id", file)}
        if "$schema" in schema
    )
    return jsonschema.Draft202012Validator(schemas[path], registry=registry)


def wrong(name: str, document: Any) -> str:
    """What a document violates of that schema; empty if nothing."""
    error = jsonschema.exceptions.best_match(validator(name).iter_errors(document), key=_RELEVANCE)
    if error is None:
        return ""
    alternatives = dict.fromkeys(one.message for one in error.context or [error])
    return f"{error.json_path}: {short('; '.join(alternatives), 300)}"


def in_range(version: str, limits: str | None) -> bool:
    """Whether a version lies in ">=V", "<V" or ">=V <W"; in None every one does."""
    number = _number(version)
    for limit in (limits or "").split():
        if limit.startswith(">=") and number < _number(limit[2:]):
            return False
        if limit.startswith("<") and number >= _number(limit[1:]):
            return False
    return True


def patches_of(case: Case) -> set[str]:
    """Names of the profile's patches and lists that the case uses."""
    named: set[str] = set()
    for holder in (case.spec, *case.steps):
        config = holder.get("config", {})
        named.update(patch for patch in (config if isinstance(config, list) else [config]) if isinstance(patch, str))
        named.update([holder["each"]] if "each" in holder else [])
    return named


def uses_delegate(case: Case) -> bool:
    return any("delegate" in holder for holder in (case.spec, *case.steps))


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _json_files(directory: str) -> list[Traversable]:
    return sorted((f for f in (root() / directory).iterdir() if f.name.endswith(".json")), key=lambda f: f.name)


def _read(path: Traversable, schema: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadData(f"{path.name}: {error}") from None
    if text := wrong(schema, document):
        raise BadData(f"{path.name}: {text}")
    return dict(document)


def _profiles(read: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    written = {profile["name"]: profile for profile in read}

    def extended(name: str, below: tuple[str, ...] = ()) -> dict[str, Any]:
        if name not in written or name in below:
            raise BadData(f"profile {name}: {'extends itself' if name in below else 'no such profile'}")
        profile = written[name]
        if "extends" not in profile:
            return profile
        patch = {key: value for key, value in profile.items() if key != "extends"}
        return dict(template.merge(extended(profile["extends"], (*below, name)), patch))

    def furnished(profile: dict[str, Any]) -> dict[str, Any]:
        return {"rig": RIG, **profile} if profile.get("kind") == "chained" else profile

    return {name: furnished(extended(name)) for name in written}
