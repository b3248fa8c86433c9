"""Result documents for the tests of the reports."""

from typing import Any

from conformance import results

VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
HOSTILE = "<script>alert(1)</script>\x1b[31m\x00\x07\ud800\u202e]]>`````|](http://evil)&amp;\"'\n# head\n"

REQUIREMENTS: list[dict[str, Any]] = [
    {"id": "ADD-1", "level": "must", "text": "ADD makes the interface", "anchor": "SPEC.md#add"},
    {"id": "DEL-3", "level": "must", "text": "DEL of what is gone succeeds", "anchor": "SPEC.md#del"},
    {"id": "GC-1", "level": "should", "text": "GC goes on after an error", "anchor": "SPEC.md#gc"},
    {"id": "CHK-9", "level": "must", "text": "CHECK asks its delegates", "anchor": "SPEC.md#check"},
    {"id": "RT-1", "level": "must", "text": "It may wait", "anchor": "SPEC.md#add", "observable": False},
    {"id": "DNS-1", "level": "may", "text": "DNS settings are passed on", "anchor": "CONVENTIONS.md#dns"},
]
LEVEL_OF = results.levels(REQUIREMENTS)
PLUGIN = {
    "path": "/opt/cni/bin/bridge",
    "name": "bridge",
    "profile": "bridge",
    "sha256": "ab" * 32,
    "versions": VERSIONS,
    "label": "",
}


def failure(*proves: str, **more: Any) -> dict[str, Any]:
    """What expect.py says of one thing that does not hold."""
    return {"step": 1, "what": "call DEL", "proves": list(proves), "expected": "exit 0", "actual": "exit 1"} | more


def run(case: str, *proves: str, waivers: list[dict[str, Any]] | None = None, **more: Any) -> results.Run:
    """A settled run; passed unless `failures` or `verdict` say otherwise."""
    made = {
        "case": case,
        "area": case.split("-")[0],
        "title": f"The title of {case}",
        "version": "1.1.0",
        "proves": list(proves),
        "seconds": 0.25,
        "failures": [],
        "replay": f"python -m conformance --plugin /opt/cni/bin/bridge --profile bridge --only {case}",
    }
    return results.settle(made | more, LEVEL_OF, waivers or [])


def document(*runs: results.Run, requirements: list[dict[str, Any]] = REQUIREMENTS, **plugin: Any) -> results.Document:
    """The document of these runs."""
    return results.build(
        requirements=requirements, runs=runs, plugin=PLUGIN | plugin, started="2026-11-21T18:00:00Z", seconds=12.5
    )


def mixed(**plugin: Any) -> results.Document:
    """Each verdict once or more, over several versions."""
    waivers = [{"requirement": "GC-1", "cases": ["gc-*"], "reason": "there is no GC by design"}]
    runs = [run("add-plain", "ADD-1", version=version) for version in VERSIONS]
    runs += [run("del-twice", "DEL-3", version=v, failures=[failure("DEL-3")] if v >= "1" else []) for v in VERSIONS]
    runs += [run("gc-error", "GC-1", failures=[failure("GC-1")], waivers=waivers)]
    runs += [run("gc-old", "GC-1", verdict="na", reason="GC is of 1.1.0", version="1.0.0")]
    runs += [run("del-hang", "DEL-3", verdict="broken", reason="the world could not be made")]
    return document(*runs, **plugin)


def hostile() -> results.Document:
    """A plugin that prints what breaks reports, under a hostile path and label."""
    call = {"step": 1, "verb": "ADD", "exit": 1, "seconds": 0.1, "stdout": HOSTILE, "stderr": HOSTILE}
    failed = failure("DEL-3", actual=HOSTILE, expected=HOSTILE, what="call " + HOSTILE)
    runs = [
        run("del-hostile", "DEL-3", failures=[failed], calls=[call], replay=HOSTILE),
        run("del-broken", "DEL-3", verdict="broken", reason=HOSTILE),
    ]
    return document(*runs, path=HOSTILE, label=HOSTILE, name=HOSTILE, profile=HOSTILE, versions=[HOSTILE])


def large(count: int = 1500, **plugin: Any) -> results.Document:
    """Many runs, one in thirteen failed."""
    runs = []
    for n in range(count):
        failures = [failure("DEL-3", actual='{"code": 999, "msg": "x"}' * 20)] if n // 7 % 13 == 0 else []
        area = ("add", "check", "del", "gc", "outages", "version")[n // 7 % 6]
        runs.append(run(f"{area}-{n // 7}", "ADD-1", "DEL-3", version=VERSIONS[n % 7], failures=failures))
    return document(*runs, **plugin)
