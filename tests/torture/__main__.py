"""`make torture`: cni-ipam killed before each of its system calls, each failing, the power cut after each change.

Then the model of the store, for a million operations. It ends at the first thing that is not as it must be.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from tests.torture import cut, model, sweep
from tests.torture.scenes import SCENES, Stage
from tests.torture.victims import Served, Standalone, scene_of
from tests.world import BIN

OPERATIONS = 1_000_000
STORE: dict[str, Callable[[Stage, sweep.Victim, str, bool], int]] = {
    "kills": sweep.kills,
    "faults": sweep.faults,
    "cuts": cut.cuts,
}


def torture(ordeal: str, mode: str) -> None:
    """All of it, in every scene. Raises AssertionError with the point."""
    with scene_of(mode) as (node, victim):
        stage = Stage(node)
        for scene in SCENES:
            begun = time.monotonic()
            number = STORE[ordeal](stage, victim, scene, True)
            print(f"{ordeal}, {mode}, {scene}: {number} in {time.monotonic() - begun:.0f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("ordeals", nargs="*", metavar="ORDEAL", help=f"of {', '.join(STORE)}, model (default: all)")
    parser.add_argument("-n", type=int, default=OPERATIONS, help="operations of the model (default: %(default)s)")
    options = parser.parse_args()
    ordeals = options.ordeals or [*STORE, "model"]
    if unknown := set(ordeals) - {*STORE, "model"}:
        parser.error(f"there is no {', '.join(unknown)}")
    if not (BIN / "cni-ipam").exists():
        parser.error(f"there is no {BIN / 'cni-ipam'}: run `make build` first")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    for ordeal in STORE:
        for mode in (Standalone.name, Served.name) if ordeal in ordeals else ():
            torture(ordeal, mode)
    if "model" in ordeals:
        model.run(options.n, lambda text: print(text, flush=True))
    print("Torture: nothing was lost, nothing was given twice, everything healed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
