"""The kubelet's side of the Container Runtime Interface: sandboxes and their containers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as pb
from cri_api.v1 import api_pb2_grpc as stubs

from tests.e2e.containerd import Containerd
from tests.e2e.image import BUSYBOX
from tests.world.server import until

Port = tuple[str, int, int]
"""(protocol, port of the pod, port of the node)"""

_PROTOCOLS = {"tcp": pb.TCP, "udp": pb.UDP, "sctp": pb.SCTP}
_SECONDS = 60


class CRI:
    """A connection, once the runtime is ready for it. Every call raises grpc.RpcError where the runtime refuses."""

    def __init__(self, containerd: Containerd) -> None:
        options = [("grpc.default_authority", "localhost")]
        self.channel = grpc.insecure_channel(f"unix://{containerd.socket}", options=options)
        self.runtime = stubs.RuntimeServiceStub(self.channel)
        self._cgroup = containerd.machine.cgroup
        until(self._answers, 30)

    def _answers(self) -> bool:
        """containerd accepts connections before its CRI is initialized."""
        try:
            self.is_network_ready()
        except grpc.RpcError:
            return False
        return True

    def close(self) -> None:
        self.channel.close()

    def run(self, name: str, ports: Sequence[Port] = (), annotations: Mapping[str, str] | None = None) -> Sandbox:
        """RunPodSandbox."""
        # pid=CONTAINER, as the kubelet asks unless the pod shares its processes.
        own = pb.NamespaceOption(network=pb.POD, pid=pb.CONTAINER, ipc=pb.POD)
        config = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(name=name, uid=f"uid-{name}", namespace="default"),
            hostname=name,
            dns_config=pb.DNSConfig(servers=["192.0.2.53"]),
            port_mappings=[
                pb.PortMapping(protocol=_PROTOCOLS[protocol], container_port=inner, host_port=outer)
                for protocol, inner, outer in ports
            ],
            annotations=annotations or {},
            linux=pb.LinuxPodSandboxConfig(
                cgroup_parent=self._cgroup, security_context=pb.LinuxSandboxSecurityContext(namespace_options=own)
            ),
        )
        return self._run(config)

    def run_on_node(self, name: str, logs: Path) -> Sandbox:
        """A pod with hostNetwork and hostPID, whose containers write their output below `logs`."""
        node = pb.NamespaceOption(network=pb.NODE, pid=pb.NODE, ipc=pb.POD)
        config = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(name=name, uid=f"uid-{name}", namespace="kube-system"),
            log_directory=str(logs),
            linux=pb.LinuxPodSandboxConfig(
                cgroup_parent=self._cgroup, security_context=pb.LinuxSandboxSecurityContext(namespace_options=node)
            ),
        )
        return self._run(config)

    def sandboxes(self) -> dict[str, bool]:
        """Whether it is ready, by id."""
        reply = self.runtime.ListPodSandbox(pb.ListPodSandboxRequest(), timeout=_SECONDS)
        return {item.id: item.state == pb.SANDBOX_READY for item in reply.items}

    def is_network_ready(self) -> bool:
        """What makes the kubelet report its node Ready."""
        reply = self.runtime.Status(pb.StatusRequest(), timeout=_SECONDS)
        return any(item.type == "NetworkReady" and item.status for item in reply.status.conditions)

    def _run(self, config: Any) -> Sandbox:
        reply = self.runtime.RunPodSandbox(pb.RunPodSandboxRequest(config=config), timeout=_SECONDS)
        return Sandbox(self, reply.pod_sandbox_id, config)

    def stop(self, sandbox_id: str) -> None:
        self.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id), timeout=_SECONDS)

    def remove(self, sandbox_id: str) -> None:
        self.runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id), timeout=_SECONDS)


class Sandbox:
    """A pod of one container at most."""

    def __init__(self, cri: CRI, id: str, config: Any) -> None:
        self.cri = cri
        self.id = id
        self._config = config
        self._container = ""

    @property
    def ips(self) -> list[str]:
        """As the kubelet reports them in the pod's status."""
        network = self._status().status.network
        return [network.ip, *(item.ip for item in network.additional_ips)]

    @property
    def netns(self) -> str:
        """The path of its network namespace on its machine."""
        info = json.loads(self._status(verbose=True).info["info"])
        [path] = [item["path"] for item in info["runtimeSpec"]["linux"]["namespaces"] if item["type"] == "network"]
        return str(path)

    def serve(self) -> None:
        """Start a web server in it (image.GREETING)."""
        self._start(["httpd", "-f", "-h", "/www"])

    def exec(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command in its container, which is started where there is none."""
        if not self._container:
            self._start(["/wait"])
        request = pb.ExecSyncRequest(container_id=self._container, cmd=command, timeout=20)
        reply = self.cri.runtime.ExecSync(request, timeout=_SECONDS)
        return reply.exit_code, (reply.stdout + reply.stderr).decode()

    def reaches(self, ip: str) -> bool:
        return self.exec("ping", "-c1", "-W2", ip)[0] == 0

    def fetch(self, url: str) -> str:
        """What a web server says, or the error."""
        return self.exec("timeout", "5", "wget", "-qO-", url)[1]

    def stop(self) -> None:
        self.cri.stop(self.id)

    def remove(self) -> None:
        self.cri.remove(self.id)

    def _status(self, verbose: bool = False) -> Any:
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=self.id, verbose=verbose)
        return self.cri.runtime.PodSandboxStatus(request, timeout=_SECONDS)

    def _start(self, command: list[str]) -> None:
        own = pb.NamespaceOption(network=pb.POD, pid=pb.CONTAINER, ipc=pb.POD)
        ping = pb.Capability(add_capabilities=["NET_RAW"])
        context = pb.LinuxContainerSecurityContext(namespace_options=own, capabilities=ping)
        self.start(pb.ContainerConfig(command=command, linux=pb.LinuxContainerConfig(security_context=context)))

    def start(self, config: Any) -> str:
        """CreateContainer and StartContainer, of busybox unless it names an image; the container's id. `exec` is in the
        last one."""
        config.metadata.name = config.metadata.name or "main"
        config.image.image = config.image.image or BUSYBOX
        request = pb.CreateContainerRequest(pod_sandbox_id=self.id, config=config, sandbox_config=self._config)
        self._container = str(self.cri.runtime.CreateContainer(request, timeout=_SECONDS).container_id)
        self.cri.runtime.StartContainer(pb.StartContainerRequest(container_id=self._container), timeout=_SECONDS)
        return self._container

    def exit_code(self, container: str) -> int | None:
        """None while it runs."""
        request = pb.ContainerStatusRequest(container_id=container)
        status = self.cri.runtime.ContainerStatus(request, timeout=_SECONDS).status
        return int(status.exit_code) if status.state == pb.CONTAINER_EXITED else None

    def end(self, container: str) -> None:
        """As the kubelet ends a container: SIGTERM, and after ten seconds SIGKILL."""
        self.cri.runtime.StopContainer(pb.StopContainerRequest(container_id=container, timeout=10), timeout=_SECONDS)
