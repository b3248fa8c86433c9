"""`cni-veth reconcile` as systemd runs it: by its timer, hardened, and placed and started as the server's units are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.systemd import RECONCILE, SERVICE, SOCKET, TIMER, Systemd
from tests.world import Pod
from tests.world.server import until

pytestmark = pytest.mark.root
OFTEN = "[Timer]\nOnBootSec=\nOnActiveSec=0\nOnUnitInactiveSec=50ms\nAccuracySec=1us\n"


@pytest.fixture
def pod(installed: Systemd) -> Pod:
    """One that needs rules, of a node whose records lie where the unit seeks them."""
    node = installed.node
    conf, pod = node.network("10.1.2.0/24", isDefaultGateway=True, ipMasq=True), node.pod()
    env = {"CNI_VETH_RUN_DIR": "/run/cni-veth"}
    installed.plugin().add(conf, pod, wrap=installed.enter, env=env).succeeded()
    return pod


def has_rules(machine: Systemd, pod: Pod) -> bool:
    return pod.container_id in machine.node.run(["nft", "list", "ruleset"]).stdout


def runs(machine: Systemd) -> int:
    """The last run's number, unique on that systemd; 0: none yet."""
    return int(machine.show(RECONCILE, "ExecMainStartTimestampMonotonic")[0])


def timers(machine: Systemd) -> dict[str, str]:
    """Of those that are due: how long after what."""
    shown = machine.systemctl("show", TIMER, "--property=TimersMonotonic").stdout
    return {name: value for name, value, due in re.findall(r"{ (\w+)=(.+?) ; next_elapse=(.+?) }", shown) if due != "0"}


def test_what_was_flushed_comes_back_whenever_it_was(installed: Systemd, pod: Pod) -> None:
    installed.drop_in(TIMER, OFTEN)
    installed.systemctl("daemon-reload")
    installed.systemctl("restart", TIMER)
    for _ in range(2):
        installed.node.run(["nft", "flush", "ruleset"])
        until(lambda: has_rules(installed, pod))
    said = installed.log.read_text()
    assert said.count("1 pods' rules were missing and are back") == 2
    first = runs(installed)
    until(lambda: runs(installed) > first)
    assert installed.log.read_text() == said, "it says nothing where nothing was missing"


def test_it_is_due_half_a_minute_after_boot_and_after_each_run(installed: Systemd, pod: Pod) -> None:
    assert installed.show(TIMER, "ActiveState", "UnitFileState") == ["active", "enabled"]
    assert set(timers(installed).values()) == {"30s"}
    installed.node.run(["nft", "flush", "ruleset"])
    assert installed.systemctl("start", RECONCILE).returncode == 0
    assert has_rules(installed, pod)
    assert set(timers(installed)) == {"OnBootUSec", "OnUnitInactiveUSec"}
    assert installed.show(RECONCILE, "Result", "ExecMainStatus") == ["success", "0"]


def test_a_node_without_rules_starts_no_process_and_is_asked_again(installed: Systemd) -> None:
    installed.drop_in(TIMER, OFTEN)
    installed.systemctl("daemon-reload")
    installed.systemctl("restart", TIMER)

    def asked() -> int:
        return int(installed.show(RECONCILE, "ConditionTimestampMonotonic")[0])

    until(lambda: asked() > 0)
    first = asked()
    until(lambda: asked() > first)
    assert installed.show(RECONCILE, "ConditionResult") == ["no"] and runs(installed) == 0


def test_it_can_touch_the_nodes_network_and_nothing_else(installed: Systemd, pod: Pod) -> None:
    places = "/opt/x /etc/x /var/lib/x /proc/sys/net/ipv4/ip_forward"
    installed.run("sh", "-c", f"echo 'cat /proc/self/status /proc/net/dev >&2; touch {places}' >/run/script")
    installed.drop_in(RECONCILE, "[Service]\nExecStart=\nExecStart=/bin/sh /run/script\n")
    installed.systemctl("daemon-reload")
    installed.systemctl("start", RECONCILE)
    said = installed.log.read_text()
    assert int(re.findall(r"CapBnd:\t(\w+)", said)[0], 16) == 1 << 12, "CAP_NET_ADMIN"
    assert "NoNewPrivs:\t1" in said and "Seccomp:\t2" in said and "cni0:" in said
    assert said.count("Read-only file system") == 4


def test_an_upgrade_of_a_node_without_it_starts_it(installed: Systemd, newer: Callable[[str], Path]) -> None:
    """And the server's units are left alone."""
    installed.systemctl("disable", "--now", TIMER)
    installed.run("sh", "-c", f"rm /usr/local/lib/systemd/system/{TIMER} /usr/local/lib/systemd/system/{RECONCILE}")
    installed.systemctl("daemon-reload")
    since = installed.show(SOCKET, "ActiveEnterTimestampMonotonic")
    installed.install(newer("second"))
    assert installed.show(TIMER, "ActiveState", "UnitFileState") == ["active", "enabled"]
    assert installed.show(SOCKET, "ActiveEnterTimestampMonotonic") == since


def test_a_changed_timer_restarts_itself_alone(installed: Systemd, newer: Callable[[str], Path]) -> None:
    second = newer("second")
    (unit,) = second.glob(f"cni-veth-*/systemd/{TIMER}")
    unit.write_text(unit.read_text().replace("OnUnitInactiveSec=30s", "OnUnitInactiveSec=70s"))
    installed.plugin().status(installed.node.network("10.1.2.0/24"), wrap=installed.enter).succeeded()
    server, timer = installed.main_pid(), installed.show(TIMER, "ActiveEnterTimestampMonotonic")
    installed.install(second)
    assert installed.main_pid() == server != 0
    assert installed.show(TIMER, "ActiveEnterTimestampMonotonic") != timer
    assert "OnUnitInactiveUSec=1min 10s" in installed.systemctl("show", TIMER, "--property=TimersMonotonic").stdout


def test_switched_off_it_stays_off(installed: Systemd, newer: Callable[[str], Path]) -> None:
    installed.systemctl("disable", "--now", TIMER)
    assert f"{TIMER} is off" in installed.install(newer("second"))
    assert installed.show(TIMER, "ActiveState", "UnitFileState") == ["inactive", "disabled"]
    assert installed.show(SOCKET, "ActiveState") == ["active"] and installed.show(SERVICE, "LoadState") == ["loaded"]
