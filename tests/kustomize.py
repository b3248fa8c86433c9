"""What `kubectl apply -k` sends to the API server, by the real kustomize, which kubectl has in it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.world.places import PEERS, REPOSITORY

BASES = REPOSITORY / "packaging"


def kustomize(directory: Path, *arguments: str) -> str:
    """What it prints there; AssertionError with its words if it fails."""
    done = subprocess.run([PEERS / "kustomize", *arguments], cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(directory: Path) -> dict[str, Any]:
    """The resources by their kind, of which none is there twice."""
    listed = list(yaml.safe_load_all(kustomize(directory, "build", ".")))
    found = {document["kind"]: document for document in listed}
    assert len(found) == len(listed)
    return found
