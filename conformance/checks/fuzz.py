"""Mutated configurations and environments: an answer in the form of the protocol always, and nothing left after DEL."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from conformance import data, expect
from conformance.call import Outcome, run
from conformance.excerpt import short
from conformance.expect import Complaint
from conformance.kernel import Entry

if TYPE_CHECKING:
    from conformance.steps import Player

_JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1, 65536, 2**31, 2**63, 2**80, -(2**80), 1.5, 1e400),
    *(
        "",
        " ",
        ".",
        "..",
        "/",
        "a/b",
        "a b",
        "\0",
        "\n",
        "é",
        "\U0001d538",
        "\ud800",
        "x" * 300,
        "%s%n",
        "${HOME}",
        "0",
    ),
    *("10.0.0.0/33", "10.88.0.0/24", "::/0", "fe80::1/64", "aa:bb:cc:dd:ee:ff", "zz:zz:zz:zz:zz:zz"),
    *([], [[]], [None], [1, "a"], {}, {"": ""}, {"a": {"b": {"c": []}}}),
]
_KEYS = ["", "mtu", "vlan", "dns", "ipam", "args", "prevResult", "runtimeConfig", "capabilities", "\0", "NAME"]
_VARIABLES = ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH")
_NOWHERE = ["", "/nowhere", "/nowhere/..", "nowhere", "/"]
_TEXTS = [
    "",
    " ",
    "a" * 20,
    "a" * 3000,
    "..",
    "/",
    "a b",
    "a;b=c;",
    "é",
    "x=y",
    "IP=10.88.0.9",
    "MAC=zz",
    "\udcff",
    "-1",
]


def check(player: "Player", rounds: int = 24, seed: int = 0) -> Iterator[Complaint]:
    """So many mutations, each an ADD and a DEL; the first complaint ends it.

    Whatever path a configuration names, files outside the world cannot be written.
    """
    setting = player.world.setting
    if not player.world.is_closed:
        raise OSError("needs Linux 5.12, to keep what configurations name from being written to")
    rolled = f"{setting.seed}-{seed}-{player.version}"
    dice = random.Random(rolled)
    before = player.snapshot()
    for number in range(1, rounds + 1):
        env, stdin = _mutated(player, dice)
        for complaint in _round(player, before, env, stdin):
            told = {name: env[name] for name in _VARIABLES if name in env}
            given = f"(round {number}, seed {rolled}, {json.dumps(told)}, stdin {short(stdin, 1500)!r})"
            yield Complaint(complaint.expected, f"{complaint.actual} {given}", complaint.proves)
            return


def _round(player: "Player", before: dict[Entry, str], env: dict[str, str], stdin: str) -> Iterator[Complaint]:
    executable = player.world.executable
    yield from _form(run(executable, "ADD", env, stdin), player)
    yield from _form(run(executable, "DEL", {**env, "CNI_COMMAND": "DEL"}, stdin), player)
    if not _left(player, before):
        return
    player.call({"call": "DEL", "prevResult": "none"})
    if lines := _left(player, before):
        yield Complaint("nothing left after DEL", short("; ".join(lines), 1000), ("DEL-1",))


def _form(outcome: Outcome, player: "Player") -> Iterator[Complaint]:
    """Success or failure in the form of the protocol."""
    player.is_hung |= outcome.is_hung
    yield from expect.always(outcome, player.version)
    nothing: Any = None
    scene = expect.Scene(player.version, 1, "eth0", {}, None, look=nothing, changes=nothing)
    yield from expect.judge({"exit": "any"}, outcome, scene)
    document = outcome.document()
    if outcome.verb == "ADD" and outcome.exit == 0 and document is not None:
        version = document.get("cniVersion")
        if version in data.VERSIONS and (wrong := data.wrong(f"result-{version}", document)):
            yield Complaint(f"a result of the form of {version} ({wrong})", outcome.as_text())


def _left(player: "Player", before: dict[Entry, str]) -> list[str]:
    """What is left; a bridge or a sysctl of another configuration may stay."""
    if not player.snapshot().keys() - before.keys():
        return []
    bridges = [name for name, link in player.world.look(0).links.items() if link["kind"] == "bridge"]
    files = [word.replace("file:", "file:*/") for word in player.profile.get("stays", []) if word.startswith("file:")]
    return player.changes(before, ["stays", *files, "sysctl:*", *(f"link:{_quoted(name)}" for name in bridges)])


def _quoted(name: str) -> str:
    return name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


def _mutated(player: "Player", dice: random.Random) -> tuple[dict[str, str], str]:
    step = {"call": "ADD"}
    env, config = player.environment(step), player.config(step)
    kind = dice.choice(("config", "config", "config", "config", "environment", "text"))
    if kind == "environment":
        name = dice.choice(_VARIABLES[1:])
        if dice.random() < 0.3:
            env.pop(name, None)
        else:
            env[name] = dice.choice(_TEXTS if name != "CNI_NETNS" else _NOWHERE)
    for _ in range(dice.randint(1, 3) if kind == "config" else 0):
        _mutate(config, dice)
    text = json.dumps(config)
    return env, _garbled(text, dice) if kind == "text" else text


def _mutate(node: Any, dice: random.Random) -> None:
    """One place of a document changed in place."""
    while True:
        keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys or (isinstance(node, dict) and dice.random() < 0.15):
            break
        key = dice.choice(keys)
        if isinstance(node[key], dict | list) and dice.random() < 0.7:
            node = node[key]
            continue
        if dice.random() < 0.2:
            del node[key]
        else:
            node[key] = deepcopy(dice.choice(_JUNK))
        return
    if isinstance(node, dict):
        node[dice.choice(_KEYS)] = deepcopy(dice.choice(_JUNK))
    else:
        node.append(deepcopy(dice.choice(_JUNK)))


def _garbled(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return dice.choice(
        (
            text[:at],
            text[:at] + dice.choice('{}[]",:\0\x7f') + text[at:],
            text + text,
            text + "]",
            f"[{text}]",
            "[" * 20000,
            text.replace('"name"', '"name": 7, "name"', 1),
            "",
        )
    )
