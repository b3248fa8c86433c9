"""Pods of cni-ipam that live, and pods that died without a DEL."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.unit.ipam_call import Conf, add

Reboot = Callable[[], None]


def live(conf: Conf, container_id: str, link: str = "alive0", cni_args: str = "") -> list[str]:
    """Its namespace is there until the next boot."""
    return add(conf, container_id, netns=_namespace(conf, container_id), host_link=link, cni_args=cni_args)


def dead(conf: Conf, container_id: str) -> list[str]:
    """Its namespace's path leads elsewhere later, its link is none of this node's."""
    path = _namespace(conf, container_id)
    given = add(conf, container_id, netns=path, host_link="veth-gone")
    os.unlink(path)
    return given


def _namespace(conf: Conf, container_id: str) -> str:
    path = Path(conf["dataDir"]).parent / f"{container_id}.ns"
    path.write_text("")
    return str(path)
