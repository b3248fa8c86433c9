"""The recording delegate (delegate.sh): told what to answer, and asked what it was called with."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import documents, subset
from conformance.call import Outcome

_DEFAULT_IPS = [{"address": "10.88.0.77/24", "gateway": "10.88.0.1"}]
_FORWARDED = {"DEL": ("DELEG-5",), "CHECK": ("DELEG-7",), "GC": ("DELEG-9",), "STATUS": ("DELEG-10",)}
_VERBS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")

Complaint = tuple[str, str, tuple[str, ...]]
"""(expected, actual, requirements it is held against: the case's if none)"""


@dataclass(frozen=True)
class Recorded:
    """One call of the delegate."""

    env: dict[str, str]
    stdin: str

    @property
    def verb(self) -> str:
        return self.env.get("CNI_COMMAND", "")


def teach(directory: Path, answers: Mapping[str, Any], version: str) -> None:
    """Lay down what the delegate does at each verb (case.schema.json, `delegate`)."""
    for verb in _VERBS:
        answer = answers.get(verb, {})
        stdout = _stdout(verb, answer, version)
        (directory / f"{verb}.stdout").write_text(stdout if isinstance(stdout, str) else json.dumps(stdout))
        (directory / f"{verb}.stderr").write_text(answer.get("stderr", ""))
        (directory / f"{verb}.exit").write_text(f"{answer.get('exit', 1 if 'error' in answer else 0)}\n")


def calls(directory: Path) -> tuple[Recorded, ...]:
    """Every call so far, in order."""
    numbers = sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())
    return tuple(_read(directory / str(number)) for number in numbers)


def complaints(wanted: Mapping[str, Any], got: Sequence[Recorded], outcome: Outcome) -> Iterator[Complaint]:
    """What is not so of the delegate's calls in one call of the plugin.

    Not called at all is held against the requirement that the verb be forwarded, whatever else the case proves.
    """
    verbs = [one.verb for one in got]
    if verbs != wanted["verbs"]:
        never = outcome.verb in wanted["verbs"] and outcome.verb not in verbs
        ids = _FORWARDED.get(outcome.verb, ()) if never else ()
        yield f"the delegate called with {wanted['verbs']}", f"called with {verbs}", ids
    for one in got:
        yield from ((*pair, ()) for pair in _environment(wanted.get("env"), one, outcome))
        yield from ((*pair, ()) for pair in _stdin(wanted.get("stdin"), one, outcome))


def _environment(wanted: Any, got: Recorded, outcome: Outcome) -> Iterator[tuple[str, str]]:
    if wanted is None:
        return
    expected = outcome.env if wanted == "as given" else wanted
    for name, value in expected.items():
        if name != "CNI_COMMAND" and got.env.get(name) != value:
            yield f"the delegate's {got.verb} with {name}={value}", f"{name}={got.env.get(name)}"
    if wanted == "as given":
        for name in got.env.keys() - expected.keys():
            if name.startswith("CNI_"):
                yield f"the delegate's {got.verb} without {name}", f"{name}={got.env[name]}"


def _stdin(wanted: Any, got: Recorded, outcome: Outcome) -> Iterator[tuple[str, str]]:
    if wanted is None:
        return
    try:
        document = json.loads(got.stdin)
    except ValueError:
        yield f"the delegate's {got.verb} with a configuration on stdin", repr(got.stdin[:300])
        return
    if wanted == "as given":
        given = json.loads(outcome.given or "null")
        for one in (given, document):
            one.pop("prevResult", None)
        if document != given:
            yield f"the delegate's {got.verb} with {json.dumps(given)}", json.dumps(document)
        return
    for text in subset.mismatches(wanted, document, {}):
        yield f"the delegate's {got.verb} with a configuration as the case says: {text}", got.stdin[:600]


def _stdout(verb: str, answer: Mapping[str, Any], version: str) -> Any:
    if "stdout" in answer:
        return answer["stdout"]
    if "error" in answer:
        return {"cniVersion": version, **answer["error"]}
    if verb == "ADD" and not answer.get("exit"):
        ips = answer.get("ips", _DEFAULT_IPS)
        return documents.result(answer.get("version", version), ips, answer.get("routes", ()), answer.get("dns"))
    if verb == "VERSION":
        versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
        return {"cniVersion": version, "supportedVersions": versions}
    return ""


def _read(directory: Path) -> Recorded:
    pairs = (directory / "environ").read_bytes().decode("utf-8", "replace").split("\0")
    env = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return Recorded(env, (directory / "stdin").read_text(errors="replace"))
