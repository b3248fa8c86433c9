"""The state machine of tests/unit/test_ipam_model.py for as long as one wishes, each round from another seed."""

from __future__ import annotations

import time
from collections.abc import Callable

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.test_ipam_model import Model

RUNS = 250  # of a round: hypothesis remembers every one of it


def run(operations: int, tell: Callable[[str], None]) -> None:
    """At least so many. Raises what the first run that fails does, made small by hypothesis."""
    before, begun = Model.operations, time.monotonic()
    while Model.operations - before < operations:
        run_state_machine_as_test(Model, settings=settings(Model.TestCase.settings, max_examples=RUNS, database=None))
        made = Model.operations - before
        tell(f"model: {made} operations, {made / (time.monotonic() - begun):.0f}/s")
