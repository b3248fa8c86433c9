"""cni-veth and its IPAM delegate (SPEC section 4): what the delegate is given, and what becomes of its answer."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod, Reply
from tests.world.places import PATH
from tests.world.scripted import ScriptedIPAM, answer, failure

VERBS = ("ADD", "CHECK", "STATUS", "GC", "DEL")
ADDRESS = answer("10.1.0.2/24")


def network(node: Node, **ipam: Any) -> dict[str, Any]:
    return node.network(ipam={"type": ScriptedIPAM.type, **ipam})


def environ(node: Node, verb: str) -> dict[str, str]:
    """What the script noted: the variables as its process got them, before the shell added any."""
    pairs = (node.dir / f"environ.{verb}").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def noting(node: Node, script: str = "") -> str:
    return f"cat /proc/$$/environ >{node.dir}/environ.$CNI_COMMAND; {script}"


def call(plugin: Plugin, verb: str, pod: Pod, conf: dict[str, Any] | str, **more: Any) -> Reply:
    return plugin.cni(verb, conf, None if verb in ("GC", "STATUS") else pod, **more)


@pytest.mark.parametrize("library_path", [None, "/opt/vendor/lib:/opt/lib"])
def test_delegate_of_every_verb_sees_the_callers_environment_and_stdin(
    plugin: Plugin, node: Node, pod: Pod, library_path: str | None
) -> None:
    """To the variable and to the byte: nothing of PyInstaller's is added, nothing of the caller's lost."""
    scripts = {verb: noting(node, ADDRESS if verb == "ADD" else "") for verb in VERBS}
    ipam = ScriptedIPAM(node, **scripts)
    extra = {"TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "ODD": "a\udcffb=c", "EMPTY": ""}
    if library_path is not None:
        extra["LD_LIBRARY_PATH"] = library_path
    prev: dict[str, Any] = {}
    for verb in VERBS:
        conf = network(node, anything={"goes": ["ä", 1.50]}) | ({"prevResult": prev} if prev else {})
        text = " \n" + json.dumps(conf, ensure_ascii=False, separators=(" ,", ":  ")) + "\n\n"
        reply = call(plugin, verb, pod, text, env=extra, args="IgnoreUnknown=1;K8S_POD_NAME=p", path=[ipam.directory])
        prev = reply.succeeded() or prev
        attached = verb not in ("GC", "STATUS")
        assert environ(node, verb) == extra | {
            "PATH": PATH,
            **node.environment,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": pod.container_id if attached else "",
            "CNI_NETNS": pod.path if attached else "",
            "CNI_IFNAME": "eth0" if attached else "",
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=p",
            "CNI_PATH": str(ipam.directory),
        }
        assert (ipam.directory / "stdin").read_text() == text
    assert ipam.calls == list(VERBS)


@pytest.mark.parametrize("code", [4, 7, 11, 50, 123, 999])
def test_failed_add_is_followed_by_del_and_its_error_passed_through(
    plugin: Plugin, node: Node, pod: Pod, code: int
) -> None:
    error = {"cniVersion": "1.1.0", "code": code, "msg": "no lease", "details": "ask at the counter"}
    ipam = ScriptedIPAM(node, ADD=f"echo {shlex.quote(json.dumps(error))}; exit 1", DEL=noting(node))
    before = node.state(), pod.state()
    assert call(plugin, "ADD", pod, network(node), path=[ipam.directory]).failed(code) == error
    assert ipam.calls == ["ADD", "DEL"]
    assert environ(node, "DEL")["CNI_CONTAINERID"] == pod.container_id
    assert (node.state(), pod.state()) == before


def test_failing_del_after_a_failed_add_does_not_hide_the_adds_error(plugin: Plugin, node: Node, pod: Pod) -> None:
    ipam = ScriptedIPAM(node, ADD=failure(11, "busy"), DEL=failure(5, "disk"))
    assert call(plugin, "ADD", pod, network(node), path=[ipam.directory]).failed(11)["msg"] == "busy"
    assert ipam.calls == ["ADD", "DEL"]


@pytest.mark.parametrize("verb", ["DEL", "GC", "STATUS"])
def test_error_of_the_other_verbs_is_passed_through(plugin: Plugin, node: Node, pod: Pod, verb: str) -> None:
    ipam = ScriptedIPAM(node, **{verb: failure(50 if verb == "STATUS" else 123, "out of order")})
    error = call(plugin, verb, pod, network(node), path=[ipam.directory]).failed(50 if verb == "STATUS" else 123)
    assert error["msg"] == "out of order"
    assert ipam.calls == [verb]


def test_error_of_check_is_passed_through_where_it_is_the_only_one(plugin: Plugin, node: Node, pod: Pod) -> None:
    ipam = ScriptedIPAM(node, ADD=ADDRESS, CHECK=failure(123, "lease is gone"))
    prev = call(plugin, "ADD", pod, network(node), path=[ipam.directory]).succeeded()
    reply = call(plugin, "CHECK", pod, network(node) | {"prevResult": prev}, path=[ipam.directory])
    assert reply.failed(123)["msg"] == "lease is gone"


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("echo broken >&2; exit 3", "exited with 3"),
        ("echo broken >&2; kill -SEGV $$", "was killed by signal 11"),
        ("echo broken >&2; echo '<html>'; exit 1", "exited with 1"),
        ("echo broken >&2; echo '[]'; exit 1", "exited with 1"),
    ],
)
def test_delegate_that_dies_without_an_error_is_999_with_its_stderr(
    plugin: Plugin, node: Node, pod: Pod, script: str, how: str
) -> None:
    ipam = ScriptedIPAM(node, ADD=script)
    error = call(plugin, "ADD", pod, network(node), path=[ipam.directory]).failed(999)
    assert f"{ipam.type} ADD {how}" in error["msg"]
    assert "broken" in error["details"]


@pytest.mark.parametrize("output", ["<html>", "[]", '{"ips": 7}', '{"cniVersion": "9.9.9"}', "{}", "null", ""])
def test_result_that_is_none_is_refused_and_undone(plugin: Plugin, node: Node, pod: Pod, output: str) -> None:
    ipam = ScriptedIPAM(node, ADD=f"echo {shlex.quote(output)}")
    before = node.state(), pod.state()
    call(plugin, "ADD", pod, network(node), path=[ipam.directory]).failed()
    assert ipam.calls == ["ADD", "DEL"]
    assert (node.state(), pod.state()) == before


def test_stderr_of_a_delegate_that_succeeds_is_passed_on(plugin: Plugin, node: Node, pod: Pod) -> None:
    ipam = ScriptedIPAM(node, ADD=f"echo by the way >&2; {ADDRESS}")
    reply = call(plugin, "ADD", pod, network(node), path=[ipam.directory])
    assert reply.succeeded()["ips"][0]["address"] == "10.1.0.2/24"
    assert "by the way\n" in reply.stderr


def test_delegates_daemon_that_holds_its_stdout_open_delays_nobody(plugin: Plugin, node: Node, pod: Pod) -> None:
    """Nor the runtime, which reads our stdout to its end; the daemon goes with the node."""
    ipam = ScriptedIPAM(node, ADD=f"sleep 600 & {ADDRESS}")
    call(plugin, "ADD", pod, network(node), path=[ipam.directory], timeout=20).succeeded()


def test_first_directory_of_cni_path_that_has_it_is_taken(plugin: Plugin, node: Node, pod: Pod) -> None:
    ipam = ScriptedIPAM(node, ADD=ADDRESS)
    (node.dir / "first" / ipam.type).mkdir(parents=True)  # a directory is no plugin
    path = [node.dir / "missing", node.dir / "first", ipam.directory]
    call(plugin, "ADD", pod, network(node), path=path).succeeded()
    assert ipam.calls == ["ADD"]


@pytest.mark.parametrize("plugin_type", ["../scripted", "/bin/true", ".", ".."])
def test_type_with_a_path_in_it_is_refused(plugin: Plugin, node: Node, pod: Pod, plugin_type: str) -> None:
    ipam = ScriptedIPAM(node, ADD=ADDRESS)
    conf = network(node) | {"ipam": {"type": plugin_type}}
    assert plugin_type in call(plugin, "ADD", pod, conf, path=[ipam.directory / "x"]).failed(7)["msg"]
    assert ipam.calls == []


def test_delegate_that_is_being_replaced_is_tried_again(plugin: Plugin, node: Node, pod: Pod) -> None:
    """It is open for writing until strace has seen an execve(2) fail for that."""
    ipam = ScriptedIPAM(node, ADD=ADDRESS)
    executable, log = ipam.directory / ipam.type, node.dir / "strace"
    os.mkfifo(log)
    with executable.open("a") as writer:
        if is_executed(executable):
            pytest.skip("the kernel lacks ETXTBSY of execve(2), as 6.11 did")
        finish = threading.Thread(target=close_when_busy, args=(log, writer))
        finish.start()
        traced = ["strace", "-f", "-qq", "-e", "trace=execve", "-P", str(executable), "-o", str(log)]
        call(plugin, "ADD", pod, network(node), path=[ipam.directory], wrap=traced).succeeded()
        finish.join()
    assert ipam.calls == ["ADD"]


def is_executed(executable: Path) -> bool:
    try:
        subprocess.run([executable], stdin=subprocess.DEVNULL, check=True)
    except OSError as error:
        assert error.errno == errno.ETXTBSY
        return False
    return True


def close_when_busy(log: Path, writer: Any) -> None:
    """Reads the log to its end: strace must not be left with a full pipe."""
    with log.open() as lines:
        for line in lines:
            if "ETXTBSY" in line:
                writer.close()
