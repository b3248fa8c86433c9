"""`make conformance`: the suite of conformance/ on our executables, with the server and without it.

    python -m tests.judge                 # the exit code is 0 only if every MUST and SHOULD holds in both modes
    python -m tests.judge --record        # the reference plugins too; docs/conformance.md shows all side by side

Result documents and an HTML page go to build/conformance. The suite knows nothing of servers: its `--env` does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.world import BIN, PEERS
from tests.world.places import REPOSITORY
from tests.world.server import NOBODY, Server

OURS = ("cni-veth", "cni-ipam", "loopback")
REFERENCE = ("bridge", "host-local", "static", "loopback", "portmap", "bandwidth", "firewall", "tuning")
RESULTS = REPOSITORY / "build/conformance"
PAGE = REPOSITORY / "docs/conformance.md"
BEGIN, END = "<!-- conformance: begin, written by `make conformance RECORD=1` -->", "<!-- conformance: end -->"


class Judged(NamedTuple):
    """A session that is over: its exit code, and its result document."""

    label: str
    code: int
    document: Path


def ours(options: Sequence[str] = (), standalone: Sequence[str] = (), results: Path = RESULTS) -> list[Judged]:
    """`standalone`: further options without the server.

    RuntimeError where the server was handed no call: then the standalone was judged twice.
    """
    found = []
    with Server.running() as server:
        for name in OURS:
            found.append(_judge(BIN / name, f"{name}, server", server.socket, ["--level", "should", *options], results))
        server.stop()
        if not server.served:
            raise RuntimeError("the server was handed no call")
    for name in OURS:
        words = ["--level", "should", *options, *standalone]
        found.append(_judge(BIN / name, f"{name}, standalone", NOBODY, words, results))
    return found


def reference(options: Sequence[str] = (), results: Path = RESULTS) -> list[Judged]:
    return [_judge(PEERS / name, f"reference {name}", "", options, results) for name in REFERENCE]


def compare(judged: Sequence[Judged], *reports: str) -> None:
    """Write the reports that show these sessions side by side, e.g. "--html", "page.html"."""
    documents = [str(each.document) for each in judged]
    subprocess.run([sys.executable, "-m", "conformance", "--compare", *documents, *reports], cwd=REPOSITORY, check=True)


def record(judged: Sequence[Judged], page: Path = PAGE) -> None:
    """The sessions side by side between the marks of the page. ValueError where it has none."""
    head, begin, rest = page.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} and {END}")
    table = RESULTS / "side-by-side.md"
    compare(judged, "--markdown", str(table))
    text = table.read_text().partition(f"\n## {judged[0].label}\n")[0]  # each failure's story is for the HTML page
    text = text.replace("\n#", "\n##").removeprefix("# CNI conformance\n")
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def _judge(plugin: Path, label: str, socket: str, options: Sequence[str], results: Path) -> Judged:
    results.mkdir(parents=True, exist_ok=True)
    document = results / f"{label.replace(', ', '-').replace(' ', '-')}.json"
    words = ["--plugin", str(plugin), "--label", label, "--json", str(document), *options]
    if socket:
        words += ["--env", f"CNI_VETH_SOCKET={socket}", "--env", f"CNI_VETH_RUN_DIR={results / 'run'}"]
        (results / "run").mkdir(mode=0o700, exist_ok=True)
    print(f"\n{label}", flush=True)
    return Judged(
        label, subprocess.run([sys.executable, "-m", "conformance", *words], cwd=REPOSITORY).returncode, document
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="judge the reference too, write docs/conformance.md")
    arguments, options = parser.parse_known_args()
    judged = ours(options)
    code = max(each.code for each in judged)
    if arguments.record:
        judged += reference(options)
        record(judged)
    compare(judged, "--html", str(RESULTS / "index.html"))
    print(f"\n{RESULTS.relative_to(REPOSITORY)}/index.html shows {len(judged)} sessions side by side")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
