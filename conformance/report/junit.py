"""JUnit XML: a suite per area, a case per run. Valid for Ant (JUnit.xsd) and Jenkins (junit-10.xsd)."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from typing import Any

from conformance.report import areas, line, name, plain, short
from conformance.results import Document

OUTPUT = 4000  # characters of a call's stdout and stderr each


def render(documents: Sequence[Document]) -> str:
    """The XML of the one document. Waived and not applicable runs are "skipped", broken ones errors."""
    (document,) = documents
    root = ET.Element("testsuites")
    for number, area in enumerate(areas([document])):
        _suite(root, document, number, area)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, document: Document, number: int, area: str) -> None:
    runs = [run for run in document["runs"] if run["area"] == area]
    count = Counter(run["verdict"] for run in runs)
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
        skipped=str(count["na"] + count["waived"]),
    )
    properties = ET.SubElement(suite, "properties")
    plugin = document["plugin"]
    for key, value in (("plugin", name(document)), ("profile", plugin["profile"]), ("sha256", plugin["sha256"])):
        ET.SubElement(properties, "property", name=key, value=line(value))
    for run in runs:
        _case(suite, run)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")


def _case(suite: ET.Element, run: dict[str, Any]) -> None:
    named = f"{line(run['case'])}@{run['version']}"
    seconds = f"{run['seconds']:.3f}"
    case = ET.SubElement(suite, "testcase", name=named, classname=f"conformance.{line(run['area'])}", time=seconds)
    reason = line(run.get("reason", ""))
    if run["verdict"] == "fail":
        message = "; ".join(f"{'+'.join(f['proves'])}: {f['what']}: expected {f['expected']}" for f in run["failures"])
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
