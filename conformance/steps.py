"""Play one case at one version in a fresh world."""

import importlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from conformance import change, data, descendants, differences, disturb, expect, recorder, rig, template
from conformance.call import LIMIT as CALL_LIMIT
from conformance.call import Calling, Outcome
from conformance.expect import Complaint
from conformance.inputs import Inputs, as_list
from conformance.kernel import Snapshot
from conformance.matrix import Binding, Plan
from conformance.world import Setting, World

PREPARED_BY = ("ADD-2",)
"""What an ADD is held against that only prepares what a case is about."""

CHANGES = {**change.CATALOGUE, **disturb.CATALOGUE}

_SETTLE = 0.5  # for what a plugin does just after it has answered


class TooSlow(RuntimeError):
    """The calls of a case ended each in time, and took more together than the case has."""


class Player:
    """One run. Checks use `world`, `names`, `call`, `calling`, `changes` and `snapshot`."""

    def __init__(self, setting: Setting, plan: Plan, binding: Binding) -> None:
        self.plan, self.version = plan, plan.version
        self.profile = setting.profile
        self.spec = plan.case.spec
        self.world = World(setting)
        self.inputs = Inputs(setting, plan.case, self.version, self.world)
        self.names = self.inputs.names
        self.results: dict[int, Any] = {}
        self.records: list[dict[str, Any]] = []
        self._binding = binding
        self.is_hung = False  # whether a call of it ever was
        self._limit = limit(setting, plan)
        self._begun = time.monotonic()
        self._snapshots: dict[str, Snapshot] = {}
        self._worn: set[int] = set()  # pods whose link of the rig went through a DEL
        self._answers: Any = self.spec.get("delegate", {})
        self._furnish()

    def play(self) -> list[dict[str, Any]]:
        """The failures of the first step that has any."""
        for number, step in enumerate(self.plan.case.steps, 1):
            if found := [self._failure(number, step, what, one) for what, one in self._step(number, step)]:
                return found
        return []

    def pod(self, number: int) -> None:
        """Make sure that there is this pod, as the profile's plugin finds one."""
        if not self.world.has(number):
            self.world.pod(number)
            self.names[f"pod.{number}.netns"] = self.world.netns(number)
            self.names[f"pod.{number}.container"] = f"cid-{number}"
            if self.profile.get("rig") == "bridge+veth":
                rig.build(self.world, number)

    def call(self, step: Mapping[str, Any], number: int = 0) -> Outcome:
        """Make the call of a step to its end; of an ADD that succeeds keep the result."""
        calling = self.calling(step)
        outcome = calling.end(CALL_LIMIT)
        self.records.append({"step": number, **outcome.record()})
        self.keep(step, outcome)
        return outcome

    def calling(self, step: Mapping[str, Any]) -> Calling:
        """Begin the call of a step. Raises TooSlow."""
        if time.monotonic() - self._begun > self._limit:
            raise TooSlow(f"{len(self.records)} calls took more than the {self._limit:g} s that the case has")
        pod = step.get("pod", 1)
        self.pod(pod)
        if step["call"] == "DEL":
            self._worn.add(pod)
        elif step["call"] == "ADD" and pod in self._worn and self.profile.get("rig") == "bridge+veth":
            self._worn.remove(pod)
            rig.renew(self.world, pod)
        env = self.environment(step)
        stdin = template.fill(step["stdin"], self.names) if "stdin" in step else json.dumps(self.config(step))
        return Calling(self.world.executable, _verb(step), env, stdin)

    def keep(self, step: Mapping[str, Any], outcome: Outcome) -> None:
        """Remember the result of an ADD that succeeded, and a call that hung."""
        self.is_hung |= outcome.is_hung
        if step["call"] == "ADD" and outcome.exit == 0 and (document := outcome.document()) is not None:
            self.results[step.get("pod", 1)] = document
            self.inputs.attached[self.inputs.attachment(step)] = document

    def environment(self, step: Mapping[str, Any]) -> dict[str, str]:
        return self.inputs.environment(step)

    def config(self, step: Mapping[str, Any]) -> dict[str, Any]:
        return self.inputs.config(step)

    def snapshot(self) -> Snapshot:
        return self.world.snapshot(self.names)

    def changes(self, since: Snapshot, stays: list[str]) -> list[str]:
        """What is not as it was, once what settles has settled."""
        own = template.fill(self.profile.get("stays", []), self.names)
        allowed = [one for word in stays for one in (own if word == "stays" else [word])]
        until = time.monotonic() + _SETTLE
        while lines := differences.between(since, self.snapshot(), allowed):
            if time.monotonic() >= until:
                break
            time.sleep(0.05)
        return lines

    def _step(self, number: int, step: Mapping[str, Any]) -> Iterator[tuple[str, Complaint]]:
        """(what, complaint)"""
        if "remember" in step:
            self._snapshots[step["remember"]] = self.snapshot()
        elif "change" in step:
            CHANGES[step["change"]](self, **template.fill(step.get("args", {}), self.names))
        elif "check" in step:
            module = importlib.import_module(f"conformance.checks.{step['check']}")
            for complaint in module.check(self, **step.get("args", {})):
                yield f"check {step['check']}", complaint
        elif "each" in step:
            for pod, one in enumerate(self.profile[step["each"]], step.get("pod", 1)):
                if data.in_range(self.version, one.get("versions")):
                    yield from self._judged(number, _with(step, one, pod), f"call {_verb(step)} ({one['name']})")
        else:
            yield from self._judged(number, step, f"call {_verb(step)}")

    def _judged(self, number: int, step: Mapping[str, Any], what: str) -> Iterator[tuple[str, Complaint]]:
        if "delegate" in step:
            self._answers = template.merge(self._answers, step["delegate"])
            self._teach()
        earlier = len(recorder.calls(self.world.dir / "delegate"))
        outcome = self.call(step, number)
        wanted = template.fill(step.get("expect", {"exit": 0}), self.names)
        scene = expect.Scene(
            version=self.version,
            pod=step.get("pod", 1),
            ifname=step.get("ifname", "eth0"),
            results=self.results,
            result=self.inputs.attached.get(self.inputs.attachment(step)),
            look=self.world.look,
            changes=lambda since, stays: self.changes(self._snapshots[since], stays),
            delegate=recorder.calls(self.world.dir / "delegate")[earlier:],
        )
        for complaint in (*expect.always(outcome, self.version), *expect.judge(wanted, outcome, scene)):
            yield what, complaint

    def _failure(self, number: int, step: Mapping[str, Any], what: str, complaint: Complaint) -> dict[str, Any]:
        ids = self._binding.at(self.version, complaint.proves)
        own = PREPARED_BY if self._prepares(number, step) else step.get("proves", self.spec["proves"])
        ids = ids or self._binding.at(self.version, own)
        return {
            "step": number,
            "what": what,
            "proves": list(ids or self.plan.proves),
            "expected": complaint.expected,
            "actual": complaint.actual,
        }

    def _prepares(self, number: int, step: Mapping[str, Any]) -> bool:
        """Whether a step is an ADD of which nothing is asked but success, for the steps that follow."""
        is_plain = step.get("expect", {"exit": 0}) in ({"exit": 0}, {"result": {}}, {"exit": 0, "result": {}})
        is_last = number == len(self.plan.case.steps)
        return step.get("call") == "ADD" and is_plain and not is_last and not {"proves", "each"} & step.keys()

    def _furnish(self) -> None:
        for number in range(1, max(map(self._pods, self.plan.case.steps)) + 1):
            self.pod(number)
        for command in template.fill(self.profile.get("before", []), self.names):
            subprocess.run(command, check=True, capture_output=True, timeout=20)
        if daemon := template.fill(self.profile.get("daemon", []), self.names):
            self._start(daemon, template.fill(self.profile.get("daemon makes", ""), self.names))
        self._teach()

    def _start(self, daemon: list[str], makes: str) -> None:
        """Leave it running; OSError if the file that tells that it is ready does not come."""
        process = subprocess.Popen(daemon, stdin=subprocess.DEVNULL)
        descendants.spared.add(process.pid)
        end = time.monotonic() + CALL_LIMIT
        while makes and not os.path.exists(makes):
            if process.poll() is not None or time.monotonic() > end:
                raise OSError(f"{daemon[0]} did not make {makes}")
            time.sleep(0.01)

    def _pods(self, step: Mapping[str, Any]) -> int:
        """How many pods a step needs."""
        arguments = step["args"] if "change" in step and "args" in step else {}
        number = step.get("pod", arguments.get("pod", 1))
        more = len(self.profile[step["each"]]) - 1 if "each" in step else 0
        return int(number) + more

    def _teach(self) -> None:
        recorder.teach(self.world.dir / "delegate", template.fill(self._answers, self.names), self.version)


def play(setting: Setting, plan: Plan, binding: Binding) -> dict[str, Any]:
    """The run of a case, without what results.settle adds; `hung` if a call did. Takes the process into the run's
    world for good."""
    begun = time.monotonic()
    player = Player(setting, plan, binding)
    failures = player.play()
    return {
        "seconds": round(time.monotonic() - begun, 4),
        "failures": failures,
        "calls": player.records if failures else [],
        **({"hung": True} if player.is_hung else {}),
        **({"attached": True} if player.inputs.attached else {}),
    }


def limit(setting: Setting, plan: Plan) -> float:
    """Seconds for a run: what the case says, or else enough for each of its calls to use its own up."""
    calls = sum(len(setting.profile[step["each"]]) if "each" in step else 1 for step in plan.case.steps)
    return float(plan.case.spec.get("limit", CALL_LIMIT * (calls + 2)))


def _verb(step: Mapping[str, Any]) -> str:
    """CNI_COMMAND of a call, which a case may have replaced by what is no verb."""
    return str(step.get("env", {}).get("CNI_COMMAND", step["call"]) or "without a verb")


def _with(step: Mapping[str, Any], one: Mapping[str, Any], pod: int) -> dict[str, Any]:
    """A step for one of a profile's list: its config, what it says of the error, and a pod that nothing was done to."""
    said = {key: one[key] for key in ("code", "mentions") if key in one}
    config = [*as_list(step.get("config", {})), one["config"]]
    return {**step, "pod": pod, "config": config, "expect": {**step.get("expect", {"exit": "error"}), **said}}
