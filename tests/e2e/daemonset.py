"""The pod of packaging/kubernetes or packaging/k3s, run as the kubelet runs it: the same image (node_image.py), mounts,
privileges and probe."""

from __future__ import annotations

from typing import Any

from cri_api.v1 import api_pb2 as pb

from tests.e2e.cri import CRI
from tests.e2e.machine import Machine
from tests.e2e.node_image import NAME
from tests.kustomize import BASES, build
from tests.world.server import until

# What the kubelet asks for where procMount is Default.
_READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"]


class DaemonSet:
    """On one machine. `pod_cidrs` are what its init container would ask the API server for; `base` is a directory of
    packaging/."""

    def __init__(self, machine: Machine, cri: CRI, pod_cidrs: str, base: str) -> None:
        resources = build(BASES / base)
        self._spec: dict[str, Any] = resources["DaemonSet"]["spec"]["template"]["spec"]
        assert self._spec["hostNetwork"] and self._spec["hostPID"]
        self._pod_cidrs = pod_cidrs
        self._directory = machine.node.dir
        template = self._directory / "template"
        template.mkdir()
        for name, content in resources["ConfigMap"]["data"].items():
            (template / name).write_text(content)
        self._volumes = {"template": str(template)}
        for volume in self._spec["volumes"]:
            if "hostPath" in volume:
                path = volume["hostPath"]["path"]
                machine.run("mkdir", "-p", "-m", "755", path)  # DirectoryOrCreate
                self._volumes[volume["name"]] = path
        self.sandbox = cri.run_on_node("cni-veth", self._directory / "logs")

    def install(self) -> int:
        """Run the init container to its end; its exit code."""
        [container] = self._spec["initContainers"]
        started = self.sandbox.start(self._config(container))
        until(lambda: self.sandbox.exit_code(started) is not None, 60)
        return int(self.sandbox.exit_code(started) or 0)

    def serve(self) -> str:
        """Start the server; its container."""
        [container] = self._spec["containers"]
        return self.sandbox.start(self._config(container))

    def is_ready(self) -> bool:
        """What the readiness probe says."""
        [container] = self._spec["containers"]
        return self.sandbox.exec(*container["readinessProbe"]["exec"]["command"])[0] == 0

    def log(self, name: str) -> str:
        path = self._directory / f"logs/{name}.log"
        return path.read_text() if path.exists() else ""

    def _config(self, container: dict[str, Any]) -> Any:
        mounts = []
        for mount in container["volumeMounts"]:
            volume, is_readonly = self._volumes[mount["name"]], mount.get("readOnly", False)
            mounts.append(pb.Mount(container_path=mount["mountPath"], host_path=volume, readonly=is_readonly))
        environment = {"NODE_NAME": "node", "POD_CIDRS": self._pod_cidrs}
        return pb.ContainerConfig(
            metadata=pb.ContainerMetadata(name=container["name"]),
            image=pb.ImageSpec(image=NAME),
            command=container["command"],
            envs=[pb.KeyValue(key=key, value=value) for key, value in environment.items()],
            mounts=mounts,
            log_path=f"{container['name']}.log",
            linux=pb.LinuxContainerConfig(security_context=_privileges(container["securityContext"])),
        )


def _privileges(context: dict[str, Any]) -> Any:
    return pb.LinuxContainerSecurityContext(
        namespace_options=pb.NamespaceOption(network=pb.NODE, pid=pb.NODE, ipc=pb.POD),
        run_as_user=pb.Int64Value(value=context["runAsUser"]),
        readonly_rootfs=context["readOnlyRootFilesystem"],
        no_new_privs=not context["allowPrivilegeEscalation"],
        capabilities=pb.Capability(
            drop_capabilities=context["capabilities"]["drop"], add_capabilities=context["capabilities"]["add"]
        ),
        seccomp=pb.SecurityProfile(profile_type=pb.SecurityProfile.RuntimeDefault),
        readonly_paths=_READ_ONLY,
        masked_paths=_MASKED,
    )
