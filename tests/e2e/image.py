"""Images of busybox, made without a registry: OCI image layouts (image-spec, image-layout.md), each in a tar."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

PAUSE = "localhost/pause:1"
BUSYBOX = "localhost/busybox:1"
GREETING = "hello from a pod\n"
"""What a web server says whose directory is /www."""

_TYPE = "application/vnd.oci.image"
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
# Ends when it is told to, and until then stands in for a pod that does nothing.
_WAIT = "#!/bin/sh\ntrap 'exit 0' TERM INT\nwhile :; do sleep 3600 & wait $!; done\n"


def write(directory: Path) -> dict[str, Path]:
    """One tar for each image; podman takes no tar with two."""
    layer = _layer()
    found = {}
    for name in (PAUSE, BUSYBOX):
        found[name] = directory / f"{name.partition('/')[2].partition(':')[0]}.tar"
        _write_image(found[name], name, layer)
    return found


def _layer() -> bytes:
    busybox = shutil.which("busybox") or "/bin/busybox"
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    files = {"wait": _WAIT.encode(), "www/index.html": GREETING.encode(), "etc/hosts": b"127.0.0.1 localhost\n"}
    files |= {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n", "etc/group": b"root:x:0:\n"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root", "www"):
            tar.addfile(_entry(name, type=tarfile.DIRTYPE, mode=0o755))
        for name, content in {**files, "bin/busybox": Path(busybox).read_bytes()}.items():
            tar.addfile(_entry(name, size=len(content), mode=0o755), io.BytesIO(content))
        for applet in applets:
            if applet != "busybox":
                tar.addfile(_entry(f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox", mode=0o777))
    return buffer.getvalue()


def _entry(name: str, **fields: Any) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry


def _write_image(path: Path, name: str, layer: bytes) -> None:
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"{_TYPE}.{media}", "digest": f"sha256:{digest}", "size": len(content)}

    config = {
        "architecture": _ARCHITECTURE,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Entrypoint" if name == PAUSE else "Cmd": ["/wait"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [blob(gzip.compress(layer, 1, mtime=0), "layer.v1.tar+gzip")],
    }
    described = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    described["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    index = {"schemaVersion": 2, "manifests": [described]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(), **blobs}
    with tarfile.open(path, "w") as tar:
        for entry, content in files.items():
            tar.addfile(_entry(entry, size=len(content), mode=0o644), io.BytesIO(content))
