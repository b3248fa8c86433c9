"""`packaging/bootstrap.sh` where something is missing and it may not install it.

What it does where it may, is done by every run of `make` on a bare machine; nothing here installs a package.
The command that is to be missing is hidden in a mount namespace of the test's own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.packaging.conftest import REPOSITORY
from tests.packaging.machine import run

pytestmark = pytest.mark.root
COMMANDS = ("/usr/sbin/nft", "/usr/bin/objdump", "/usr/bin/apt-get")


@pytest.fixture
def sources() -> Iterator[Path]:
    """What bootstrap.sh reads, where every user may read it and nobody but root may write."""
    with TemporaryDirectory(dir="/tmp") as directory:
        tree = Path(directory)
        tree.chmod(0o755)
        (tree / "packaging").mkdir()
        for name in ("packaging/bootstrap.sh", "requirements.lock"):
            (tree / name).write_bytes((REPOSITORY / name).read_bytes())
            (tree / name).chmod(0o755)
        yield tree


def bootstrap(
    sources: Path, purpose: str, *, without: tuple[str, ...] = (), root: bool = True
) -> subprocess.CompletedProcess[str]:
    hide = [f"mount --bind /dev/null $(readlink -f {command})" for command in without]
    user = "" if root else "setpriv --reuid 65534 --regid 65534 --clear-groups"
    script = " && ".join([*hide, f"exec {user} {sources}/packaging/bootstrap.sh {purpose}"])
    return run("unshare", "--mount", "--propagation", "private", "sh", "-c", script)


def test_without_root_it_names_the_packages_and_stops(sources: Path) -> None:
    done = bootstrap(sources, "build", without=COMMANDS[:2], root=False)
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends binutils\n" in done.stderr
    assert not (sources / ".venv").exists()


def test_without_apt_it_names_the_packages_and_stops(sources: Path) -> None:
    done = bootstrap(sources, "test", without=COMMANDS)
    assert done.returncode == 1
    assert "make test needs these packages" in done.stderr
    assert " binutils nftables" in done.stderr and "iproute2" not in done.stderr
    assert not (sources / ".venv").exists()


@pytest.mark.parametrize("purpose", ["demo", "test"])
def test_namespaces_take_root(sources: Path, purpose: str) -> None:
    done = bootstrap(sources, purpose, without=COMMANDS[:1], root=False)
    assert done.returncode == 1
    assert "nftables" in done.stderr and f"sudo make {purpose}" in done.stderr
    assert not (sources / ".venv").exists()


def test_the_checks_need_no_package_but_pythons(sources: Path) -> None:
    if run("/usr/bin/python3", "-c", "import ensurepip").returncode:
        pytest.skip("the system's own Python has no venv here")
    done = bootstrap(sources, "check", without=COMMANDS, root=False)
    assert "needs these packages" not in done.stderr
    assert "making .venv" in done.stderr  # and then it may not write: the sources are root's


def test_without_a_python_it_names_the_package(sources: Path) -> None:
    pythons = tuple(sorted({str(path.resolve()) for path in Path("/usr/bin").glob("python3*") if path.is_file()}))
    done = bootstrap(sources, "check", without=(*pythons, "/usr/bin/apt-get"))
    assert done.returncode == 1
    assert "python3 python3-venv" in done.stderr


def test_an_unknown_purpose_is_refused(sources: Path) -> None:
    done = bootstrap(sources, "everything")
    assert done.returncode == 1
    assert "check|build|demo|test" in done.stderr
