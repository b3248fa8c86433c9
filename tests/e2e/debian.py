"""Debian's slim image without a registry: the files of this machine's own packages that such an image has, and curl's.

Debian has made it of the same packages. No package list is in it, so apt-get finds curl installed and asks nobody.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

WANTED = ("apt", "curl")
_LEFT_OUT = re.compile(r"/usr/share/(doc|info|lintian|locale|man)/")
_ACCOUNTS = ("/etc/passwd", "/etc/group")  # made by base-passwd when it is installed
_STATUS = "var/lib/dpkg/status"


def missing() -> str:
    """Why there can be no such image here; "" if there can."""
    if not Path("/", _STATUS).exists():
        return "no dpkg"
    lacking = sorted(set(WANTED) - _with_dependencies(WANTED))
    return f"no package {' '.join(lacking)}" if lacking else ""


def write(path: Path) -> Path:
    """The root directory as a tar, for `podman import`."""
    packages = _with_dependencies(_essential() | set(WANTED))
    with tarfile.open(path, "w") as tar:
        for name in sorted({*map(_real, _files(packages)), *_ACCOUNTS}):
            if os.path.lexists(name) and not _LEFT_OUT.match(f"{name}/"):
                tar.add(name, recursive=False)
        status = "".join(f"{text}\n\n" for text in _stanzas() if _field(text, "Package") in packages).encode()
        entry = tarfile.TarInfo(_STATUS)
        entry.size = len(status)
        tar.addfile(entry, io.BytesIO(status))
    return path


def _stanzas() -> list[str]:
    return Path("/", _STATUS).read_text().strip().split("\n\n")


def _field(stanza: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", stanza, re.MULTILINE)
    return found[1] if found else ""


def _essential() -> set[str]:
    return {_field(text, "Package") for text in _stanzas() if _field(text, "Essential") == "yes"}


def _with_dependencies(wanted: Iterable[str]) -> set[str]:
    """And all that these need, by whichever alternative is installed."""
    installed, providers = {}, {}
    for text in _stanzas():
        if _field(text, "Status") == "install ok installed":
            installed[_field(text, "Package")] = text
            for name in _names(_field(text, "Provides")):
                providers[name] = _field(text, "Package")
    found: set[str] = set()
    pending = list(wanted)
    while pending:
        name = pending.pop()
        name = name if name in installed else providers.get(name, "")
        if name and name not in found:
            found.add(name)
            pending += _names(f"{_field(installed[name], 'Pre-Depends')},{_field(installed[name], 'Depends')}")
    return found


def _names(relations: str) -> list[str]:
    """Of "libc6 (>= 2.36), default-mta | mail-transport-agent:any"."""
    return [re.split(r"[ (:]", word.strip())[0] for word in re.split(r"[,|]", relations) if word.strip()]


def _files(packages: set[str]) -> Iterator[str]:
    done = subprocess.run(["dpkg-query", "--listfiles", *sorted(packages)], capture_output=True, text=True, check=True)
    return (line for line in done.stdout.splitlines() if line.startswith("/") and line != "/.")


def _real(name: str) -> str:
    """Below /usr, where a package still says /lib."""
    return os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))
