"""Runs in parallel, each in a forked child. Whatever happens to a plugin, or to a run, stays with that run."""

import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance import data, descendants, namespaces, steps
from conformance.matrix import Binding, Plan
from conformance.world import Setting

HANGS = 5
"""After so many runs in which the plugin hung, the others are not played: each would take its time limit."""

_GRACE = 25.0  # beyond a run's own limit: then it is the harness that hangs
_LOCK = "/run/xtables.lock"  # of iptables-legacy, which cannot do without


@dataclass
class _Child:
    plan: Plan
    pid: int
    pipe: int
    until: float
    text: bytes = b""


def prepare(setting: Setting) -> None:
    """Once, before the first run: this process gets a mount namespace of its own, and becomes the parent of orphans."""
    descendants.adopt()
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.make_mounts_private()
    namespaces.provide(setting.private, [_LOCK] if "iptables" in setting.profile.get("rules", []) else [])
    gc.freeze()


def runs(
    setting: Setting,
    plans: Sequence[Plan],
    binding: Binding,
    jobs: int,
    started: Callable[[str], object] = lambda name: None,
) -> Iterator[tuple[Plan, dict[str, Any]]]:
    """Play the plans, `jobs` at once (from 1); each with its run as it comes in. After `prepare`."""
    if jobs < 1:
        raise ValueError(f"{jobs} runs at once")
    waiting = deque(plans)
    hung = 0
    living: dict[int, _Child] = {}
    foreign = set(descendants.children(os.getpid()))
    poll = select.poll()
    try:
        while waiting or living:
            while waiting and len(living) < jobs:
                plan = waiting.popleft()
                started(plan.name)
                child = _start(setting, plan, binding, [other.pipe for other in living.values()])
                living[child.pipe] = child
                poll.register(child.pipe, select.POLLIN)
            for child in _ended(living, poll):
                poll.unregister(child.pipe)
                del living[child.pipe]
                found = _finish(child, foreign | {other.pid for other in living.values()})
                hung += found.pop("hung", False)
                yield child.plan, found
            while waiting and hung >= HANGS:
                yield waiting.popleft(), unplayed("na", f"not judged: the plugin hung in {hung} runs")
    finally:
        for child in living.values():
            os.close(child.pipe)
        descendants.kill_children(foreign)


def unplayed(verdict: str, reason: str) -> dict[str, Any]:
    """The run of a plan that is not played."""
    return {"verdict": verdict, "reason": reason, "seconds": 0.0, "failures": [], "calls": []}


def supported_versions(setting: Setting) -> list[str] | None:
    """What the plugin answers to VERSION, in a world of its own; None where that is no list of versions."""
    plan = Plan(data.Case("", {"id": "version", "proves": ["VER-1"], "steps": [{"call": "VERSION"}]}), "1.1.0", ())

    def ask() -> dict[str, Any]:
        outcome = steps.Player(setting, plan, Binding([])).call({"call": "VERSION", "config": {}})
        return {"document": outcome.document()}

    child = _fork(setting, plan, ask, [])
    poll = select.poll()
    poll.register(child.pipe, select.POLLIN)
    while not _ended({child.pipe: child}, poll):
        pass
    answer = _finish(child, set(descendants.children(os.getpid())) - {child.pid})
    listed = (answer.get("document") or {}).get("supportedVersions")
    return [str(version) for version in listed] if isinstance(listed, list) else None


def _start(setting: Setting, plan: Plan, binding: Binding, others: Sequence[int]) -> _Child:
    return _fork(setting, plan, lambda: steps.play(setting, plan, binding), others)


def _fork(setting: Setting, plan: Plan, work: Callable[[], dict[str, Any]], others: Sequence[int]) -> _Child:
    reading, writing = os.pipe()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _be_child(parent, work, writing, [reading, *others])
    os.close(writing)
    return _Child(plan, pid, reading, time.monotonic() + steps.limit(setting, plan) + _GRACE)


def _be_child(parent: int, work: Callable[[], dict[str, Any]], writing: int, unused: Sequence[int]) -> None:
    """Never returns."""
    try:
        signal.signal(signal.SIGTERM, _end)
        os.setsid()
        descendants.adopt()
        descendants.die_with_parent(parent)
        for descriptor in unused:
            os.close(descriptor)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        try:
            run = work()
        except steps.TooSlow as error:
            run = unplayed("broken", f"too slow: {error}")
        except Exception as error:
            text = "".join(traceback.format_exception(error)[-4:])
            run = unplayed("broken", f"{type(error).__name__}: {error}\n{text}")
        with os.fdopen(writing, "w") as pipe:
            json.dump(run, pipe)
    finally:
        _end()


def _end(*_: object) -> None:
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        descendants.kill_children()
    finally:
        os._exit(0)


def _ended(living: dict[int, _Child], poll: "select.poll") -> list[_Child]:
    """Those whose pipe is at its end, or whose time is."""
    done = []
    for descriptor, _ in poll.poll(500):
        child = living[descriptor]
        if part := os.read(descriptor, 1 << 20):
            child.text += part
        else:
            done.append(child)
    late = [child for child in living.values() if time.monotonic() > child.until and child not in done]
    for child in late:
        descendants.kill(child.pid)
        child.text = b""
    return done + late


def _finish(child: _Child, spare: set[int]) -> dict[str, Any]:
    os.close(child.pipe)
    _, status = os.waitpid(child.pid, 0)
    descendants.kill_children(spare)
    try:
        run = dict(json.loads(child.text))
    except ValueError:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.waitstatus_to_exitcode(status)}"
        run = unplayed("broken", f"the run ended without a word ({how}, by the plugin or from outside)")
    run.setdefault("seconds", 0.0)
    return run
