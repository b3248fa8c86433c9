"""The result of an ADD: nobody waits while it is taken, and what nobody takes is undone, but nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cni.errors import TryAgainLater
from cni.result import Result
from ipam import plugin
from tests.unit.ipam_call import Conf, add, delete, gc, ipam_request, leases, single
from tests.unit.ipam_disk import drift, is_locked, reopen

BOTH = ["10.1.2.2/24", "2001:db8:1::2/64"]


def refused(conf: Conf, meanwhile: Callable[[], object] = lambda: None, cni_args: str = "") -> None:
    """An ADD whose result nobody takes, and what others do until that is known."""

    def deliver(result: Result) -> None:
        meanwhile()
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    with pytest.raises(BrokenPipeError):
        plugin.add(ipam_request("ADD", conf, cni_args=cni_args), deliver)


@pytest.mark.parametrize("is_repeated", [False, True])
def test_the_store_is_free_while_the_result_is_delivered(ipam: Conf, network: Path, is_repeated: bool) -> None:
    locked: list[bool] = []
    if is_repeated:
        add(ipam)
    plugin.add(ipam_request("ADD", ipam), lambda result: locked.append(is_locked(network)))
    assert locked == [False]


def test_a_result_that_nobody_takes_is_undone(ipam: Conf, network: Path) -> None:
    add(ipam, "c0")
    refused(ipam, lambda: add(ipam, "c2"))
    assert set(leases(network).values()) == {"c0\r\neth0", "c2\r\neth0"}
    assert drift(network) == []


def test_a_signal_before_the_delivery_undoes_it(ipam: Conf, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = plugin._ip_configs

    def interrupted(*arguments: object) -> None:
        monkeypatch.setattr(plugin, "_ip_configs", configs)
        raise TryAgainLater("interrupted by SIGTERM")

    monkeypatch.setattr(plugin, "_ip_configs", interrupted)
    with pytest.raises(TryAgainLater, match="SIGTERM"):
        add(ipam)
    assert leases(network) == {}


def test_what_a_repeated_add_was_told_meanwhile_stays(ipam: Conf, network: Path) -> None:
    refused(ipam, lambda: add(ipam) == BOTH or pytest.fail("another result"))
    assert leases(network) == dict.fromkeys(("10.1.2.2", "2001:db8:1::2"), "c1\r\neth0")


def test_so_it_does_where_the_filesystem_has_no_facts(
    ipam: Conf, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "setxattr", unsupported)
    refused(ipam, lambda: add(ipam))
    assert len(leases(network)) == 2


def test_another_add_of_the_same_owner_after_a_del_stays(ipam: Conf, network: Path) -> None:
    """In the same IP, and often the same inode."""
    conf = single(ipam) | {"cooldown": 0}

    def again() -> None:
        delete(conf)
        add(conf, cni_args="IP=10.1.2.9")

    for _ in range(20):
        refused(conf, again, cni_args="IP=10.1.2.9")
        assert leases(network) == {"10.1.2.9": "c1\r\neth0"}
        delete(conf)


@pytest.mark.parametrize("verb", ["DEL", "GC"])
def test_what_others_have_released_meanwhile_may_be_anothers(ipam: Conf, network: Path, verb: str) -> None:
    conf = single(ipam) | {"cooldown": 0}

    def release() -> None:
        if verb == "DEL":
            delete(conf)
        else:
            gc(conf)
        add(conf, "c2", cni_args="IP=10.1.2.9")

    refused(conf, release, cni_args="IP=10.1.2.9")
    assert leases(network) == {"10.1.2.9": "c2\r\neth0"}


def test_what_cannot_be_undone_is_left_to_del(ipam: Conf, network: Path) -> None:
    """Somebody holds the lock longer than one waits: the error of the delivery is told."""
    held = []
    refused(ipam | {"lockTimeout": 1}, lambda: held.append(reopen(network)))
    with held[0]:
        assert set(leases(network).values()) == {"c1\r\neth0"}
    delete(ipam)
    assert leases(network) == {}
