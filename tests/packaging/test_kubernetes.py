"""packaging/kubernetes: manifests that the API server takes, and what the init container does to a node."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.packaging.conftest import REPOSITORY
from tests.packaging.machine import Machine, run
from tests.world import Node

DIRECTORY = REPOSITORY / "packaging/kubernetes"
CONFLIST = "etc/cni/net.d/10-cni-veth.conflist"
# The first with securityContext.appArmorProfile, and the newest.
VERSIONS = ("1.30", kubernetes_validate.latest_version())


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DIRECTORY / name).read_text()))


def resources() -> list[dict[str, Any]]:
    kustomization: dict[str, Any]
    [kustomization] = documents("kustomization.yaml")
    return [document for name in kustomization["resources"] for document in documents(name)]


def pod() -> dict[str, Any]:
    [found] = [document for document in resources() if document["kind"] == "DaemonSet"]
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_server_takes_every_manifest(version: str) -> None:
    for document in resources():
        kubernetes_validate.validate(document, version, strict=True)


def test_a_wrong_manifest_would_be_found() -> None:
    [wrong] = [document for document in resources() if document["kind"] == "DaemonSet"]
    wrong["spec"]["template"]["spec"]["hostPid"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="hostPid"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_what_one_file_calls_another_is_there() -> None:
    [kustomization] = documents("kustomization.yaml")
    [generator] = kustomization["configMapGenerator"]
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert volumes["template"]["configMap"]["name"] == generator["name"]
    assert all((DIRECTORY / name).exists() for name in generator["files"])
    containers = pod()["initContainers"] + pod()["containers"]
    assert {container["image"] for container in containers} == {image["name"] for image in kustomization["images"]}
    assert {mount["name"] for container in containers for mount in container["volumeMounts"]} == set(volumes)
    version = re.search(r'^version = "(.+)"', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert version and {image["newTag"] for image in kustomization["images"]} == {version[1]}
    copied = re.search(r"^COPY (.+) /opt/cni-veth/$", (DIRECTORY / "Containerfile").read_text(), re.MULTILINE)
    assert copied and copied[1].split() == ["dist/cni", "packaging/kubernetes/node.sh"]


def test_the_server_may_do_what_it_may_under_systemd() -> None:
    unit = (REPOSITORY / "packaging/systemd/cni-veth.service").read_text()
    allowed = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)
    [server] = pod()["containers"]
    capabilities = server["securityContext"]["capabilities"]
    assert allowed and {f"CAP_{name}" for name in capabilities["add"]} == set(allowed[1].split())
    assert capabilities["drop"] == ["ALL"] and server["securityContext"]["readOnlyRootFilesystem"]


@pytest.fixture
def image(dist: Path, tmp_path: Path) -> Path:
    """/opt/cni-veth as the Containerfile fills it."""
    image = tmp_path / "image"
    subprocess.run(["cp", "-RP", dist, image], check=True)
    subprocess.run(["cp", DIRECTORY / "node.sh", image], check=True)
    return image


def install(image: Path, machine: Machine, **environment: str) -> subprocess.CompletedProcess[str]:
    template = environment.pop("TEMPLATE", str(DIRECTORY / "10-cni-veth.conflist"))
    return run(str(image / "node.sh"), HOST=str(machine.root), TEMPLATE=template, **environment)


def ranges(machine: Machine) -> list[list[dict[str, str]]]:
    found: list[list[dict[str, str]]] = json.loads((machine.root / CONFLIST).read_text())["plugins"][0]["ipam"][
        "ranges"
    ]
    return found


def test_the_node_gets_program_and_network(image: Path, machine: Machine) -> None:
    done = install(image, machine, POD_CIDRS="10.244.3.0/24,fd00:244:3::/64")
    assert done.returncode == 0, done.stderr
    assert ranges(machine) == [[{"subnet": "10.244.3.0/24"}], [{"subnet": "fd00:244:3::/64"}]]
    assert set(machine.linked()) == {"cni-veth", "cni-ipam", "loopback"}  # the server is the container's
    assert (machine.root / "run/cni-veth").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (machine.root / "etc/cni/net.d").iterdir()] == ["10-cni-veth.conflist"]


def test_again_it_changes_nothing_but_what_is_new(image: Path, machine: Machine) -> None:
    (machine.root / "etc/cni").mkdir(parents=True)
    (machine.root / "etc/cni/pod-cidrs").write_text("10.244.3.0/24\n")
    assert install(image, machine).returncode == 0
    before = (machine.root / CONFLIST).stat().st_ino
    assert install(image, machine).returncode == 0
    assert (machine.root / CONFLIST).stat().st_ino == before
    (machine.root / "etc/cni/pod-cidrs").write_text("10.244.3.0/24\nfd00:244:3::/64\n")
    assert install(image, machine).returncode == 0
    assert ranges(machine) == [[{"subnet": "10.244.3.0/24"}], [{"subnet": "fd00:244:3::/64"}]]


@pytest.mark.parametrize("cidrs", ["10.244.3.1/24", "nonsense", ","])
def test_what_is_no_network_is_not_placed(image: Path, machine: Machine, cidrs: str) -> None:
    assert install(image, machine, POD_CIDRS="10.244.3.0/24").returncode == 0
    done = install(image, machine, POD_CIDRS=cidrs)
    assert done.returncode == 1 and "node.sh: " in done.stderr
    assert ranges(machine) == [[{"subnet": "10.244.3.0/24"}]]
    assert [path.name for path in (machine.root / "etc/cni/net.d").iterdir()] == ["10-cni-veth.conflist"]


def test_a_template_with_subnets_asks_nobody(image: Path, machine: Machine, tmp_path: Path) -> None:
    template = tmp_path / "template"
    filled = (DIRECTORY / "10-cni-veth.conflist").read_text().replace('"ranges": []', '"subnet": "10.9.0.0/16"')
    template.write_text(filled)
    assert install(image, machine, TEMPLATE=str(template)).returncode == 0
    assert (machine.root / CONFLIST).read_text() == filled


_SERVER = """
import http.server, json, ssl, sys
certificate, node = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_known = self.path == "/api/v1/nodes/node-1" and self.headers["Authorization"] == "Bearer secret"
        self.send_response(200 if is_known else 403)
        self.end_headers()
        self.wfile.write(node.encode() if is_known else b"")
server = http.server.HTTPServer(("127.0.0.1", 6443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("up", flush=True)
server.serve_forever()
"""


@pytest.mark.root
@pytest.mark.parametrize("indent", [None, 2])
def test_the_api_server_is_asked_for_the_nodes_subnets(
    image: Path, machine: Machine, tmp_path: Path, indent: int | None
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("secret")
    subject = ["-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        *subject,
        "-keyout",
        str(tmp_path / "key"),
        "-out",
        str(account / "ca.crt"),
    )
    assert made.returncode == 0, made.stderr
    certificate = tmp_path / "server.pem"
    certificate.write_text((tmp_path / "key").read_text() + (account / "ca.crt").read_text())
    # The key also names the owner of that field, and may stand in a note of kubectl's.
    known = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1",
             "annotations": {"note": '{"podCIDRs":["1.2.3.0/24"]}'},
             "managedFields": [{"fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:podCIDRs": {".": {}}}}}]},
             "spec": {"podCIDR": "10.244.7.0/24", "podCIDRs": ["10.244.7.0/24", "fd00:244:7::/64"]}}  # fmt: skip
    kubernetes_validate.validate(known, VERSIONS[-1], strict=True)
    environment = {"ACCOUNT": str(account), "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    environment |= {
        "HOST": str(machine.root),
        "TEMPLATE": str(DIRECTORY / "10-cni-veth.conflist"),
        "NODE_NAME": "node-1",
    }
    with Node() as node:
        server = node.start(["/usr/bin/python3", "-c", _SERVER, str(certificate), json.dumps(known, indent=indent)])
        assert server.stdout and server.stdout.readline() == "up\n"
        done = node.run([str(image / "node.sh")], env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert ranges(machine) == [[{"subnet": "10.244.7.0/24"}], [{"subnet": "fd00:244:7::/64"}]]
