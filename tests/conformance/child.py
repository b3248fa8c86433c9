"""Do something in a world of the suite: in a child process, for it takes the process into other namespaces for good."""

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance import data, descendants, namespaces
from conformance.matrix import Binding, Plan
from conformance.steps import Player
from conformance.world import Setting, World

PROFILE: dict[str, Any] = {
    "name": "toy",
    "kind": "main",
    "config": {"name": "net", "type": "toy"},
    "delegate": "ipam.type",
    "features": ["interface"],
    "store": "${dir}/store/${network}",
    "private": ["/var/lib/cni-conformance-test"],
    "rules": ["nft", "iptables"],
    "stays": ["link:kept*"],
}


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns (JSON), done by a fork with private mounts. RuntimeError with its traceback if it raises."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                descendants.adopt()
                namespaces.unshare(namespaces.CLONE_NEWNS)
                namespaces.make_mounts_private()
                namespaces.provide(PROFILE["private"])
                answer = {"value": work()}
            except BaseException:
                answer = {"raised": traceback.format_exc()}
            with os.fdopen(writing, "w") as pipe:
                json.dump(answer, pipe)
            descendants.kill_children()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    answer = json.loads(text)
    if "raised" in answer:
        raise RuntimeError(answer["raised"])
    return answer["value"]


def plugin(directory: Path, script: str = "exit 0", name: str = "toy") -> str:
    """A plugin in shell."""
    path = directory / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n{script}\n")
    path.chmod(0o755)
    return str(path)


def setting(executable: str, **profile: Any) -> Setting:
    free = namespaces.free_directory([executable, os.getcwd(), "/usr/bin"])
    return Setting(executable, {**PROFILE, **profile}, free, (), (("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),))


def world(directory: Path) -> World:
    """In a child only."""
    return World(setting(plugin(directory)))


def player(directory: Path, *steps: dict[str, Any], script: str = "exit 0", **profile: Any) -> Player:
    """In a child only: a case of these steps at 1.1.0."""
    return Player(setting(plugin(directory, script), **profile), plan(*steps), Binding([]))


def plan(*steps: dict[str, Any], version: str = "1.1.0", **spec: Any) -> Plan:
    case = {"id": "trial", "title": "a trial of the engine", "proves": ["ADD-2"], "steps": list(steps), **spec}
    return Plan(data.Case("trials", case), version, tuple(case["proves"]))
