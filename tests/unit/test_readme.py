"""What README shows is what is installed."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_conflist_to_copy_is_the_one_that_install_writes() -> None:
    [shown] = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown == (ROOT / "packaging/10-cni-veth.conflist").read_text()
