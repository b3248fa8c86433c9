"""packaging/kubernetes and packaging/k3s under the real kustomize, by the commands of the README."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.kustomize import BASES, build, kustomize
from tests.packaging.test_kubernetes import VERSIONS

pytestmark = pytest.mark.peers
K3S = "/var/lib/rancher/k3s"


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    for name in ("kubernetes", "k3s"):
        shutil.copytree(BASES / name, tmp_path / name)
    return tmp_path


def spec(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resources["DaemonSet"]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("base", ["kubernetes", "k3s"])
def test_the_api_server_takes_what_is_sent(base: str, version: str) -> None:
    resources = build(BASES / base)
    for document in resources.values():
        kubernetes_validate.validate(document, version, strict=True)
    volumes = {volume["name"]: volume for volume in spec(resources)["volumes"]}
    assert volumes["template"]["configMap"]["name"] == resources["ConfigMap"]["metadata"]["name"]
    assert {document["metadata"].get("namespace", "kube-system") for document in resources.values()} == {"kube-system"}


@pytest.mark.parametrize("base", ["kubernetes", "k3s"])
def test_an_image_is_set_for_both_containers(bases: Path, base: str) -> None:
    kustomize(bases / base, "edit", "set", "image", "cni-veth=registry.example/cni-veth:9")
    found = spec(build(bases / base))
    images = [container["image"] for container in found["initContainers"] + found["containers"]]
    assert images == ["registry.example/cni-veth:9"] * 2


def test_an_overlay_has_a_network_of_its_own_and_rolls_out(bases: Path) -> None:
    overlay = bases / "mine"
    overlay.mkdir()
    conflist = (bases / "kubernetes/10-cni-veth.conflist").read_text().replace("cni0", "cni7")
    (overlay / "10-cni-veth.conflist").write_text(conflist)
    (overlay / "kustomization.yaml").write_text(
        "resources: [../kubernetes]\n"
        "configMapGenerator: [{ name: cni-veth, behavior: replace, files: [10-cni-veth.conflist] }]\n"
    )
    base, mine = build(bases / "kubernetes"), build(overlay)
    assert mine["ConfigMap"]["data"] == {"10-cni-veth.conflist": conflist}
    names = [found["ConfigMap"]["metadata"]["name"] for found in (base, mine)]
    assert names[0] != names[1] and names[1] in str(spec(mine)["volumes"])


def test_on_k3s_nothing_is_left_of_the_usual_places(bases: Path) -> None:
    found = spec(build(bases / "k3s"))
    paths = {volume["hostPath"]["path"] for volume in found["volumes"] if "hostPath" in volume}
    assert paths == {f"{K3S}/data", f"{K3S}/data/cni", f"{K3S}/agent/etc/cni", "/run/cni-veth"}
    [container] = found["containers"]
    probe = container["readinessProbe"]
    assert "/opt/cni" not in str(probe) and " /etc/cni" not in str(probe)
    usual = spec(build(bases / "kubernetes"))["containers"][0]["readinessProbe"]
    assert {**probe, "exec": None} == {**usual, "exec": None}
