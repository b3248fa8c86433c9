"""What comes back: one JSON document, exit 0 or 1, a traceback nowhere but where it was asked for; and the names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.world import BIN, Node, Plugin, Pod

NAMES = ("cni-veth", "cni-ipam")
POD = Pod("c1")


@pytest.fixture(params=NAMES)
def either(request: pytest.FixtureRequest, node: Node, built: None) -> Plugin:
    return node.plugin(request.param)


def redirected(operator: str) -> list[str]:
    return ["sh", "-c", f'exec "$@" {operator}', "sh"]


# name -> (verb, keys of the configuration, CNI_* variables)
FAILURES: dict[str, tuple[str, dict[str, Any], dict[str, str | None]]] = {
    "1 version": ("ADD", {"cniVersion": "7.0.0"}, {}),
    "1 verb of a later version": ("CHECK", {"cniVersion": "0.3.1"}, {}),
    "4 variable missing": ("ADD", {}, {"CNI_IFNAME": None}),
    "4 variable wrong": ("DEL", {}, {"CNI_CONTAINERID": "ä"}),
    "4 verb": ("SHIP", {}, {}),
    "4 arguments": ("ADD", {}, {"CNI_ARGS": "none"}),
    "7 name": ("GC", {"name": "a/b"}, {}),
    "7 prevResult": ("CHECK", {"prevResult": {"cniVersion": "1.1.0", "ips": 7}}, {}),
    "7 ranges": ("STATUS", {"ipam": {"type": "cni-ipam", "ranges": [[{"subnet": "somewhere"}]]}}, {}),
    "8 own namespace": ("ADD", {}, {"CNI_NETNS": "/proc/self/ns/net"}),
}


@pytest.mark.parametrize("debug", [None, "0", "1"], ids=["", "CNI_VETH_DEBUG=0", "CNI_VETH_DEBUG=1"])
@pytest.mark.parametrize("failure", FAILURES)
def test_error_is_one_document_with_every_key(either: Plugin, node: Node, failure: str, debug: str | None) -> None:
    """And a traceback stands on stderr with CNI_VETH_DEBUG=1, never elsewhere."""
    verb, keys, environment = FAILURES[failure]
    conf = node.network("10.1.0.0/24", **keys)
    pod = None if verb in ("GC", "STATUS") else POD
    reply = either.cni(verb, conf, pod, env=environment | {"CNI_VETH_DEBUG": debug})
    error = reply.failed(int(failure.partition(" ")[0]))
    assert error.keys() == {"cniVersion", "code", "msg", "details"}
    assert [type(error[key]) for key in ("cniVersion", "code", "msg", "details")] == [str, int, str, str]
    assert reply.stdout == json.dumps(error, indent=4, sort_keys=True, ensure_ascii=False)
    assert ("Traceback" in reply.stderr) == (debug == "1")
    assert debug == "1" or reply.stderr == ""


@pytest.mark.parametrize("version", ["0.1.0", "0.4.0", "1.1.0"])
def test_error_carries_the_version_of_the_configuration(ipam: Plugin, node: Node, version: str) -> None:
    error = ipam.add(node.network("10.1.0.0/31", cniVersion=version), POD).failed(7)
    assert error["cniVersion"] == version


@pytest.mark.parametrize("verb", ["DEL", "GC", "STATUS", "CHECK"])
def test_success_of_all_but_add_and_version_prints_nothing(ipam: Plugin, node: Node, verb: str) -> None:
    conf = node.network("10.1.0.0/24")
    prev = ipam.add(conf, POD).succeeded()
    reply = ipam.cni(verb, conf | {"prevResult": prev}, None if verb in ("GC", "STATUS") else POD)
    assert (reply.code, reply.stdout, reply.stderr) == (0, "", "")


@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
@pytest.mark.parametrize("name", [*NAMES, "loopback"])
def test_blank_command_prints_about_on_stderr_and_succeeds(
    node: Node, built: None, name: str, value: str | None
) -> None:
    reply = node.plugin(name).cni("", "", env={"CNI_COMMAND": value})
    assert (reply.code, reply.stdout) == (0, "")
    lines = reply.stderr.splitlines()
    assert lines[0].startswith(f"CNI {name} plugin ")
    assert lines[1] == "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"


def test_blank_command_with_a_configuration_is_code_4(either: Plugin, node: Node) -> None:
    """A runtime that forgot the verb must not take the about text for a success."""
    (node.dir / "conf").write_text(json.dumps(node.network()))
    error = either.cni("", "", wrap=redirected(f"<{node.dir}/conf")).failed(4)
    assert "required env variables [CNI_COMMAND] missing" in error["msg"]


def program(name: str) -> Path:
    return Path(os.path.realpath(BIN / name))


@pytest.mark.parametrize("verb", ["ADD", "VERSION", ""])
def test_unknown_name_is_a_clear_error(node: Node, built: None, verb: str) -> None:
    (node.dir / "foo").symlink_to(program("cni-veth"))
    error = (
        node.plugin("foo", node.dir).cni(verb, node.network("10.1.0.0/24"), POD if verb == "ADD" else None).failed(7)
    )
    assert "'foo'" in error["msg"]
    assert "cni-veth" in error["details"]
    assert "cni-ipam" in error["details"]
    assert set(node.links()) == {"lo"}
    assert not node.store.exists()


@pytest.mark.parametrize("name", ["cni-ipam", "host-local"])
def test_name_chooses_the_plugin_wherever_the_link_lies(node: Node, built: None, name: str) -> None:
    (node.dir / "deep").mkdir()
    (node.dir / "deep" / name).symlink_to(program("cni-veth"))
    node.plugin(name, node.dir / "deep").add(node.network("10.1.0.0/24"), POD).succeeded()
    assert node.leases() == {"10.1.0.2": ("c1", "eth0")}


def test_program_is_found_by_path_search_and_by_relative_path(ipam: Plugin, node: Node) -> None:
    """argv[0] has no directory then."""
    searched = ["sh", "-c", f"PATH={BIN}:$PATH; exec cni-ipam", "sh"]
    relative = ["sh", "-c", f"cd {BIN}/..; exec {BIN.name}/cni-ipam", "sh"]
    for wrap in (searched, relative):
        assert ipam.cni("VERSION", "", wrap=wrap).succeeded()["cniVersion"] == "1.1.0"


unwritable = pytest.mark.parametrize(
    "operator", [">/dev/full", ">&-", "1</dev/null"], ids=["full", "closed", "not for writing"]
)


@unwritable
def test_result_that_cannot_be_written_is_taken_back(ipam: Plugin, node: Node, operator: str) -> None:
    reply = ipam.start("ADD", POD, wrap=redirected(operator))
    _, stderr = reply.communicate(json.dumps(node.network("10.1.0.0/24", "fd00::/64")), 30)
    assert reply.returncode == 1
    assert "Traceback" not in stderr
    assert node.leases() == {}


@unwritable
def test_version_that_cannot_be_written_fails_quietly(ipam: Plugin, operator: str) -> None:
    process = ipam.start("VERSION", wrap=redirected(operator))
    assert process.communicate('{"cniVersion": "1.1.0"}', 30) == ("", "")
    assert process.returncode == 1


def test_result_for_a_reader_that_is_gone_is_taken_back(ipam: Plugin, node: Node) -> None:
    process = ipam.start("ADD", POD)
    assert process.stdout and process.stdin and process.stderr
    process.stdout.close()
    process.stdin.write(json.dumps(node.network("10.1.0.0/24")))
    process.stdin.close()
    assert process.wait(10) == 1
    assert "Traceback" not in process.stderr.read()
    assert node.leases() == {}


@pytest.mark.parametrize("operator", ["2>&-", "2>/dev/full"], ids=["closed", "full"])
def test_stderr_that_cannot_be_written_is_no_failure(plugin: Plugin, node: Node, pod: Pod, operator: str) -> None:
    """Nor does what was meant for it go elsewhere: an unknown key, a traceback, the about text."""
    conf, wrap = node.network(bridgge="x"), redirected(operator)
    assert plugin.add(conf, pod, wrap=wrap).succeeded()["interfaces"][0]["name"] == "cni0"
    plugin.add(conf, pod, wrap=wrap, env={"CNI_VETH_DEBUG": "1"}).failed(101)
    assert plugin.cni("", "", wrap=wrap).succeeded() == {}


def test_locale_and_home_do_not_matter(ipam: Plugin, node: Node) -> None:
    """A runtime started by systemd has neither; LC_ALL=C once made Python's output ASCII."""
    conf = node.network("10.1.0.0/24", name="nät")
    for environment in (
        {"LC_ALL": None},
        {"LC_ALL": "C"},
        {"LC_ALL": "de_DE.ISO-8859-1"},
        {"PYTHONIOENCODING": "ascii"},
    ):
        assert ipam.add(conf, POD, env=environment).failed(7)["details"] == "nät"


@pytest.mark.parametrize("variable", ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONOPTIMIZE"])
def test_variables_of_python_do_not_reach_the_program(ipam: Plugin, node: Node, variable: str) -> None:
    (node.dir / "json.py").write_text("raise SystemExit(7)\n")
    ipam.add(node.network("10.1.0.0/24"), POD, env={variable: str(node.dir)}).succeeded()
