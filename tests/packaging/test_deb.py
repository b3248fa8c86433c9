"""The Debian package under the real dpkg."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.packaging.conftest import REPOSITORY
from tests.packaging.machine import run
from tests.packaging.system import on_a_system
from tests.packaging.systemd import SOCKET, TIMER, Systemd
from tests.world import Node

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def package(tree: Path) -> Path:
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy2(REPOSITORY / name, tree / name)
    built = run(str(tree / "packaging/deb/build.sh"))
    assert built.returncode == 0, built.stderr
    [package] = (tree / "dist").glob("*.deb")
    return package


def test_it_says_what_it_needs(package: Path) -> None:
    fields = run("dpkg-deb", "--field", str(package), "Package", "Version", "Depends").stdout
    version = re.search(r'^version = "(.+)"', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert version and f"Package: cni-veth\nVersion: {version[1]}\n" in fields
    assert re.search(r"^Depends: libc6 \(>= 2\.\d+\)$", fields, re.MULTILINE)


def test_installed_again_and_removed(package: Path, tmp_path: Path) -> None:
    script = """
    mkdir -p /opt/cni/bin && echo another >/opt/cni/bin/loopback
    dpkg --install /cni-veth.deb >/dev/null
    readlink /opt/cni/bin/cni-veth && ls /etc/cni/net.d
    dpkg --install /cni-veth.deb >/dev/null
    readlink /opt/cni/bin/cni-veth
    dpkg --verify cni-veth
    dpkg --remove cni-veth >/dev/null
    find /opt/cni /etc/cni /usr/lib/cni-veth ! -type d 2>/dev/null || true
    cat /opt/cni/bin/loopback
    """
    first, sample, again, *left = on_a_system(package, tmp_path, script)
    assert first == again and re.fullmatch(r"\.\./cni-veth-[\d.]+-[0-9a-f]{12}/launcher", first)
    assert sample == "10-cni-veth.conflist"
    assert left == ["/opt/cni/bin/loopback", "another"]


def test_a_configured_node_keeps_its_network(package: Path, tmp_path: Path) -> None:
    before = "mkdir -p /etc/cni/net.d; touch /etc/cni/net.d/5.conf; "
    script = before + "dpkg --install /cni-veth.deb >/dev/null; ls /etc/cni/net.d"
    assert on_a_system(package, tmp_path, script) == ["5.conf"]


def test_a_pod_gets_its_address_from_it(package: Path, tmp_path: Path) -> None:
    with Node() as node:
        pod = node.pod()
        variables = f"CNI_CONTAINERID=c1 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin CNI_NETNS={pod.path} CNI_VETH_SOCKET="
        conf = json.dumps({**node.network("10.7.0.0/24"), "isGateway": True})
        script = f"""
        dpkg --install /cni-veth.deb >/dev/null
        export {variables}
        echo '{conf}' | CNI_COMMAND=ADD /opt/cni/bin/cni-veth | tr -d ' \\n'
        """
        [result] = on_a_system(package, tmp_path, script, node)
        assert [ip["address"] for ip in json.loads(result)["ips"]] == ["10.7.0.2/24"]
        assert pod.addresses("eth0") == ["10.7.0.2/24"] and pod.reaches("10.7.0.1")


# In a mount namespace inside of the machine: what dpkg writes below /usr stays there, /opt and systemd are its own.
_ON_SYSTEMD = """
set -e
for place in /usr/lib /usr/share; do
    over=$1$place
    mkdir -p "$over/upper" "$over/work"
    mount -t overlay overlay -o "lowerdir=$place,upperdir=$over/upper,workdir=$over/work" "$place"
done
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates && touch /var/lib/dpkg/status
dpkg --force-depends --install "$2"
systemctl is-active $3
dpkg --force-depends --remove cni-veth
systemctl is-active $3 || true
"""


def test_its_scripts_start_and_end_the_units(package: Path, booted: Systemd) -> None:
    scratch = booted.run("mktemp", "-d", "-p", "/run").stdout.strip()
    script = ("sh", "-euc", _ON_SYSTEMD, "sh", scratch, str(package), f"{SOCKET} {TIMER}")
    done = booted.run("unshare", "--mount", "--propagation", "private", *script)
    assert done.returncode == 0, done.stderr + done.stdout
    states = [line for line in done.stdout.splitlines() if line in ("active", "inactive")]
    assert states == ["active", "active", "inactive", "inactive"]
