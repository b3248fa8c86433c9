"""The store after a kill, an error or a power cut, at a few points of each call; `make torture` takes all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.torture import cut, sweep
from tests.torture.scenes import SCENES, Stage
from tests.torture.victims import Served, Standalone, scene_of

Struck = tuple[Stage, sweep.Victim]


@pytest.fixture(scope="module", params=[Standalone.name, Served.name])
def struck(request: pytest.FixtureRequest, built: None) -> Iterator[Struck]:
    with scene_of(request.param) as (node, victim):
        yield Stage(node), victim


@pytest.mark.parametrize("scene", SCENES)
def test_whoever_comes_after_a_kill_finds_nothing_lost_or_doubled_and_heals_the_rest(
    struck: Struck, scene: str
) -> None:
    assert sweep.kills(*struck, scene, is_whole=False) > 2


@pytest.mark.parametrize("scene", SCENES)
def test_a_system_call_that_fails_is_code_5_or_no_matter_and_leaves_nothing(struck: Struck, scene: str) -> None:
    """ENOSPC, EDQUOT, EROFS, EACCES, EMFILE, EIO."""
    assert sweep.faults(*struck, scene, is_whole=False) > 2


@pytest.mark.parametrize("scene", SCENES)
def test_the_boot_after_a_power_cut_gives_every_address_once(struck: Struck, scene: str) -> None:
    assert cut.cuts(*struck, scene, is_whole=False) > 2
