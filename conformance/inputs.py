"""What a plugin is given at a call: environment and configuration, made of profile, case and step."""

from collections.abc import Mapping
from typing import Any

from conformance import data, rig, template
from conformance.data import Case
from conformance.world import DELEGATE, Setting, World

Step = Mapping[str, Any]
Attachment = tuple[str, str, str]
"""(network, container, ifname): what a runtime keeps results by"""


class Inputs:
    """Of one run. `attached` holds what ADD printed for each attachment; `names` is what `${…}` stands for."""

    def __init__(self, setting: Setting, case: Case, version: str, world: World) -> None:
        self.profile = setting.profile
        self.case, self.spec = case, case.spec
        self.version = version
        self.world = world
        self.names = _names(setting, version)
        self.attached: dict[Attachment, Any] = {}

    def environment(self, step: Step) -> dict[str, str]:
        """What the plugin gets: PATH, what --env names, the parameters of the verb, and what the case says."""
        verb, pod = step["call"], step.get("pod", 1)
        env: dict[str, str | None] = {**dict(self.world.setting.env), "CNI_COMMAND": verb}
        if verb != "VERSION":
            env["CNI_PATH"] = str(self.world.dir / "bin")
        if verb not in ("VERSION", "GC", "STATUS"):
            _, container, ifname = self.attachment(step)
            env |= {"CNI_CONTAINERID": container, "CNI_NETNS": self.world.netns(pod), "CNI_IFNAME": ifname}
        if "args" in step:
            env["CNI_ARGS"] = step["args"]
        env |= {**self.spec.get("env", {}), **step.get("env", {})}
        return {name: value for name, value in template.fill(env, self.names).items() if value is not None}

    def config(self, step: Step) -> dict[str, Any]:
        """What the plugin gets on stdin."""
        config = self._without_result(step)
        if (previous := self._previous(step)) is not None:
            config["prevResult"] = previous
        valid = step.get("valid", "absent")
        if valid != "absent":
            listed = None if valid is None else [self._valid(one) for one in valid]
            config |= {"cni.dev/valid-attachments": listed, "cni.dev/attachments": listed}
        return config

    def _without_result(self, step: Step) -> dict[str, Any]:
        patches = [self._patch(one) for holder in (self.spec, step) for one in as_list(holder.get("config", {}))]
        return dict(template.fill(template.merge_all(self._base(), patches), self.names))

    def _base(self) -> dict[str, Any]:
        fitting = [p["config"] for p in self.profile.get("patches", []) if data.in_range(self.version, p["versions"])]
        config = template.merge_all({"cniVersion": self.version, **self.profile["config"]}, fitting)
        if data.uses_delegate(self.case):
            patch = self.profile.get("delegate with", {})
            config = template.merge_all(config, [patch, template.at_path(self.profile["delegate"], DELEGATE)])
        return dict(config)

    def _patch(self, patch: Any) -> Any:
        if not isinstance(patch, str):
            return patch
        return self.profile[patch] if patch in self.profile else self.profile["other patches"][patch]

    def _previous(self, step: Step) -> Any:
        asked = step.get("prevResult")
        last = self.attached.get(self.attachment(step))
        if last is None and self.profile.get("rig") == "bridge+veth":
            last = rig.prev_result(self.world, self.version, step.get("pod", 1))
        if asked is None:
            is_default = step["call"] in ("CHECK", "DEL") and data.in_range(self.version, ">=0.4.0")
            asked = "last" if is_default or (step["call"] == "ADD" and self.profile["kind"] == "chained") else "none"
        if asked == "none":
            return None
        if asked == "last":
            return last
        return template.merge(last or {}, template.fill(asked, self.names))

    def attachment(self, step: Step) -> Attachment:
        """Of a step; the defaults are the profile's network, cid-<pod> and eth0."""
        network = str(self._without_result(step).get("name"))
        return network, step.get("container", f"cid-{step.get('pod', 1)}"), step.get("ifname", "eth0")

    def _valid(self, one: Any) -> dict[str, str]:
        return (
            {"containerID": f"cid-{one}", "ifname": "eth0"} if isinstance(one, int) else template.fill(one, self.names)
        )


def _names(setting: Setting, version: str) -> dict[str, str]:
    profile = setting.profile
    names = {
        "type": setting.type,
        "plugin": setting.plugin.rpartition("/")[2],
        "dir": setting.dir,
        "version": version,
        "network": profile["config"]["name"],
        "delegate": DELEGATE,
    }
    names |= template.fill(profile.get("vars", {}), names)
    return names | ({"store": template.fill(profile["store"], names)} if "store" in profile else {})


def as_list(value: Any) -> list[Any]:
    """A list as it is, anything else as the only element of one."""
    return value if isinstance(value, list) else [value]
