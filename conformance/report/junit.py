"""JUnit XML: a suite per area, a case per run. Valid for Ant (JUnit.xsd) and Jenkins (junit-10.xsd)."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from typing import Any

from conformance.report import areas, line, name, plain, short
from conformance.results import LEVELS, Document

OUTPUT = 4000  # characters of a call's stdout and stderr each


def render(documents: Sequence[Document]) -> str:
    """The XML of the one document. "skipped" are waived and not applicable runs, and those failed by what does not fail
    the session; broken ones are errors."""
    (document,) = documents
    counted = LEVELS[: LEVELS.index(document.get("strict", "must")) + 1]
    root = ET.Element("testsuites")
    for number, area in enumerate(areas([document])):
        _suite(root, document, number, area, counted)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, document: Document, number: int, area: str, counted: Sequence[str]) -> None:
    runs = [run for run in document["runs"] if run["area"] == area]
    count = Counter("mild" if _is_mild(run, counted) else run["verdict"] for run in runs)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=line(area),
        package="conformance",
        id=str(number),
        hostname="localhost",
        timestamp=document["started"].rstrip("Z"),
        time=f"{sum(run['seconds'] for run in runs):.3f}",
        tests=str(len(runs)),
        failures=str(count["fail"]),
        errors=str(count["broken"]),
        skipped=str(count["na"] + count["waived"] + count["mild"]),
    )
    properties = ET.SubElement(suite, "properties")
    plugin = document["plugin"]
    for key, value in (("plugin", name(document)), ("profile", plugin["profile"]), ("sha256", plugin["sha256"])):
        ET.SubElement(properties, "property", name=key, value=line(value))
    for run in runs:
        _case(suite, run, counted)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")


def _is_mild(run: dict[str, Any], counted: Sequence[str]) -> bool:
    """Failed by what does not fail the session."""
    return run["verdict"] == "fail" and run["level"] not in counted


def _case(suite: ET.Element, run: dict[str, Any], counted: Sequence[str]) -> None:
    named = f"{line(run['case'])}@{run['version']}"
    seconds = f"{run['seconds']:.3f}"
    case = ET.SubElement(suite, "testcase", name=named, classname=f"conformance.{line(run['area'])}", time=seconds)
    reason = line(run.get("reason", ""))
    if run["verdict"] == "fail":
        message = "; ".join(f"{'+'.join(f['proves'])}: {f['what']}: expected {f['expected']}" for f in run["failures"])
        if _is_mild(run, counted):
            told = f"a {run['level'].upper()} failed, which --level did not ask for: {message}"
            ET.SubElement(case, "skipped", message=short(line(told), 500))
            return
        ET.SubElement(case, "failure", type=run["level"], message=short(line(message), 500)).text = _story(run)
    elif run["verdict"] == "broken":
        ET.SubElement(case, "error", type="harness", message=reason).text = _story(run)
    elif run["verdict"] in ("na", "waived"):
        ET.SubElement(case, "skipped", message=f"{run['verdict']}: {reason}")


def _story(run: dict[str, Any]) -> str:
    lines = [run["title"], ""]
    for failure in run["failures"]:
        waived = f" (waived: {failure['waived']})" if "waived" in failure else ""
        lines += [f"{', '.join(failure['proves'])} ({failure['level'].upper()}){waived}"]
        lines += [f"step {failure['step']}, {failure['what']}"]
        lines += [f"  expected {failure['expected']}", f"  actual   {failure['actual']}", ""]
    for call in run.get("calls", []):
        lines += [f"step {call['step']}: {call['verb']} exit {call['exit']} in {call['seconds']} s"]
        lines += [f"  {key}: {short(call[key], OUTPUT)}" for key in ("stdout", "stderr") if call[key]]
    return plain("\n".join([*lines, f"replay: {run.get('replay', '')}"]))
