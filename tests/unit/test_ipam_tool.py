"""`cni-ipam COMMAND`, as a person calls it, on stores that the plugin, host-local and crashes left."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ipam import facts
from ipam.lease import RESERVED
from ipam.ranges import parse_ip
from ipam.tool import main
from ipam.tool.network import Network
from tests.unit import ipam_call
from tests.unit.ipam_call import Conf
from tests.unit.ipam_disk import files

POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"
EARLIER = "00000000-0000-0000-0000-000000000000"


class Called:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.lines = out.splitlines()
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Tool:
    """The tool on one data directory, whose networks are configured in `conf`."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.data_dir = tmp_path / "state"
        self.conf = tmp_path / "net.d"
        self.conf.mkdir()
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setenv("CNI_VETH_RUN_DIR", str(tmp_path / "run"))
        monkeypatch.setattr("ipam.overlap.ROUTES", {4: str(tmp_path / "route"), 6: str(tmp_path / "ipv6_route")})

    def __call__(self, command: str, *arguments: str, answer: str = "") -> Called:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(answer.encode())))
        places = ["--data-dir", str(self.data_dir), "--conf-dir", str(self.conf)]
        code = main.main([command, *places, *arguments])
        return Called(code, *self._capsys.readouterr())

    def configure(self, *ranges: Any, name: str = "net1", **ipam: Any) -> None:
        plugin = {"type": "cni-veth", "ipam": {"type": "cni-ipam", "ranges": list(ranges)} | ipam}
        document = {"cniVersion": "1.0.0", "name": name, "plugins": [plugin]}
        (self.conf / f"10-{name}.conflist").write_text(json.dumps(document))


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tool:
    return Tool(tmp_path, monkeypatch, capsys)


def write(network: Path, name: str, content: bytes = b"c1\r\neth0", age: int = 0, boot: str = "") -> None:
    """A lease as host-local writes it, that many seconds ago; with facts, and from before the boot, where an id is."""
    network.mkdir(parents=True, exist_ok=True)
    path = network / name
    path.write_bytes(content)
    when = int(facts.booted()) - 60 if boot else int(time.time()) - age
    if boot:
        known = facts.Facts(facts.digest(boot), 1, "veth1", 1, when, "shop/old-0", "/run", 1)
        os.setxattr(path, facts.ATTRIBUTE, facts.encode(known))
    os.utime(path, (when, when))


# --- reading


def test_list_shows_who_has_what(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam, "0123456789abcdef", cni_args=POD)
    write(network, "10.1.2.77", b"old-container")
    head, *rows = tool("list").lines
    assert head.split() == ["NETWORK", "ADDRESS", "POD", "CONTAINER", "INTERFACE", "SINCE", "STATE"]
    assert [row.split()[1] for row in rows] == ["10.1.2.2", "10.1.2.77", "2001:db8:1::2"]
    assert rows[0].split()[:5] == ["net1", "10.1.2.2", "shop/web-0", "0123456789abc", "eth0"]
    assert [row.split()[-1] for row in rows] == ["kept", "unknown", "kept"]


def test_list_of_nothing_is_nothing(tool: Tool) -> None:
    assert (tool("list").code, tool("list").out) == (0, "")
    assert tool("list", "--json").json == []


def test_list_can_be_limited_and_is_json_for_programs(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam, "c1", cni_args=POD)
    write(network, "10.1.2.77", b"c2\r\neth1", boot=EARLIER)
    write(network.parent / "net2", "10.7.0.9")
    assert [row["ip"] for row in tool("list", "--json").json] == ["10.1.2.2", "10.1.2.77", "2001:db8:1::2", "10.7.0.9"]
    assert [row["ip"] for row in tool("list", "--json", "--network", "net2").json] == ["10.7.0.9"]
    [dead] = tool("list", "--json", "--state", "dead").json
    assert dead | {"since": 0} == {
        "network": "net1", "ip": "10.1.2.77", "pod": "shop/old-0", "containerID": "c2", "ifname": "eth1",
        "netnsDir": "/run", "netnsInode": 1, "hostLink": "veth1", "since": 0, "state": "dead",
        "death": "of an earlier boot",
    }  # fmt: skip


@pytest.mark.parametrize("what", ["10.1.2.2", "0123456789abcdef", "0123456789ab", "shop/web-0"])
def test_show_finds_by_ip_container_and_pod(tool: Tool, ipam: Conf, what: str) -> None:
    ipam_call.add(ipam, "0123456789abcdef", cni_args=POD)
    ipam_call.add(ipam, "another")
    shown = tool("show", what)
    assert shown.code == 0
    assert "containerID  0123456789abcdef" in shown.lines
    assert "netnsDir     /run/netns" in shown.lines
    assert "another" not in shown.out
    assert tool("show", what, "--json").json[0]["ip"] == "10.1.2.2"


def test_show_says_when_nothing_is_meant(tool: Tool, ipam: Conf) -> None:
    ipam_call.add(ipam, "0123456789abcdef")
    shown = tool("show", "0123")  # too short to be sure
    assert (shown.code, shown.out) == (1, "")
    assert "no lease of 0123 in " in shown.err


def test_reading_takes_no_lock(tool: Tool, ipam: Conf, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ipam_call.add(ipam)
    monkeypatch.setattr("ipam.lock.acquire", lambda *_: pytest.fail("locked"))
    assert len(tool("list").lines) == 3
    assert tool("show", "10.1.2.2").code == 0


# --- changing


def test_free_shows_asks_and_removes(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam, "c1")
    ipam_call.add(ipam, "c2")
    refused = tool("free", "c1", answer="n\n")
    assert (refused.code, len(ipam_call.leases(network))) == (1, 4)
    assert "free 2 leases? [y/N]" in refused.err
    assert [line.split()[1] for line in refused.lines[1:3]] == ["10.1.2.2", "2001:db8:1::2"]
    agreed = tool("free", "c1", answer="y\n")
    assert (agreed.code, agreed.lines[-1]) == (0, "free: 2 leases of 2 removed")
    assert set(ipam_call.leases(network).values()) == {"c2\r\neth0"}


def test_no_answer_is_no(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam)
    done = tool("free", "c1")
    assert (done.code, "--yes" in done.err) == (1, True)
    assert "--yes" not in tool("free", "c1", answer="\n").err
    assert len(ipam_call.leases(network)) == 2


def test_yes_does_not_ask_and_dry_run_does_nothing(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam)
    dry = tool("free", "c1", "--dry-run", "--yes")
    assert (dry.code, dry.lines[-1], len(ipam_call.leases(network))) == (0, "would free 2 leases", 2)
    done = tool("free", "10.1.2.2", "--yes", "--json")
    assert (done.code, done.err) == (0, "")
    assert [lease["ip"] for lease in done.json["removed"]] == ["10.1.2.2"]
    assert list(ipam_call.leases(network)) == ["2001:db8:1::2"]


@pytest.mark.parametrize("command", ["free", "show"])
def test_an_empty_argument_is_wrong_usage_and_means_nothing(
    tool: Tool, ipam: Conf, network: Path, command: str
) -> None:
    """Every lease without a pod's name would be meant, and those without a content."""
    ipam_call.add(ipam)
    write(network, "10.1.2.50", b"")
    before = files(network)
    done = tool(command, "10.1.2.2", "") if command == "free" else tool(command, "")
    assert (done.code, done.out, "is empty" in done.err) == (2, "", True)
    assert files(network) == before
    assert not any(lease.is_meant("") for lease in Network(str(tool.data_dir), "net1", "").leases())


def test_what_means_nothing_is_told_and_the_rest_is_done(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam)
    done = tool("free", "--yes", "10.1.2.2", "10.1.2.99")
    assert (done.code, "no lease of 10.1.2.99" in done.err) == (1, True)
    assert list(ipam_call.leases(network)) == ["2001:db8:1::2"]


def test_what_changed_while_the_person_thought_stays(
    tool: Tool, ipam: Conf, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(network, "10.1.2.5", b"c1\r\neth0")

    def think(question: str) -> bool:
        write(network, "10.1.2.5", b"c2\r\neth0")
        return True

    monkeypatch.setattr("ipam.tool.page.agrees", think)
    done = tool("free", "10.1.2.5")
    assert (done.code, done.lines[-1]) == (1, "free: 0 leases of 1 removed")
    assert ipam_call.leases(network) == {"10.1.2.5": "c2\r\neth0"}


def test_reclaim_takes_what_is_provably_dead_and_nothing_else(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam, "c1")
    write(network, "10.1.2.50", boot=EARLIER)
    write(network, "10.1.2.51", age=10**9)
    write(network, "10.1.2.52", RESERVED + b"vip", boot=EARLIER)
    done = tool("reclaim", "--yes")
    assert (done.code, done.lines[-1]) == (0, "reclaim: 1 lease of 1 removed")
    assert sorted(ipam_call.leases(network)) == ["10.1.2.2", "10.1.2.51", "10.1.2.52", "2001:db8:1::2"]
    assert tool("reclaim", "--yes").lines == ["reclaim: 0 leases of 0 removed"]


def test_reclaim_before_boot_takes_old_leases_without_facts_on_the_persons_word(tool: Tool, network: Path) -> None:
    write(network, "10.1.2.50", age=10**9)
    write(network, "10.1.2.51", age=0)
    write(network, "10.1.2.52", RESERVED + b"vip", age=10**9)
    dry = tool("reclaim", "--before-boot", "--dry-run")
    assert [line.split()[1] for line in dry.lines[1:-1]] == ["10.1.2.50"]
    assert tool("reclaim", "--before-boot", "--yes").code == 0
    assert sorted(ipam_call.leases(network)) == ["10.1.2.51", "10.1.2.52"]


def test_a_reserved_ip_goes_to_no_pod_and_no_gc_takes_it(tool: Tool, ipam: Conf, network: Path) -> None:
    assert tool("reserve", "10.1.2.2", "2001:DB8:1::2", "--network", "net1", "--note", "the old printer").code == 0
    assert ipam_call.add(ipam, "c1") == ["10.1.2.3/24", "2001:db8:1::3/64"]
    ipam_call.gc(ipam)
    assert sorted(ipam_call.leases(network)) == ["10.1.2.2", "2001:db8:1::2"]
    assert "the old printer" in tool("list", "--state", "reserved").out
    assert tool("free", "--yes", "10.1.2.2").code == 0
    assert list(ipam_call.leases(network)) == ["2001:db8:1::2"]


@pytest.mark.parametrize("command", ["reserve", "import"])
def test_what_a_person_writes_outlives_a_power_cut(
    tool: Tool, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A pod's lease need not; but whose address would this be after the boot?"""
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        calls.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")
        fsync(fd)

    def note_rename(old: str, new: str, **at: int) -> None:
        calls.append(f"rename {new}")
        rename(old, new, **at)

    network.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    if command == "import":
        leases = [{"ip": "10.1.2.9", "containerID": "c1", "ifname": "eth0"}]
        exported = {"format": "cni-ipam-leases", "version": 1, "network": "net1", "leases": leases}
        (tmp_path / "exported").write_text(json.dumps(exported))
        assert tool("import", str(tmp_path / "exported"), "--yes").code == 0
    else:
        assert tool("reserve", "10.1.2.9").code == 0
    assert calls == ["fsync .cni-ipam.unfinished", "rename 10.1.2.9", "fsync net1", "fsync state"]


def test_reserve_is_all_or_nothing(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam, "c1")
    before = ipam_call.leases(network)
    assert tool("reserve", "10.1.2.9", "--dry-run").lines == ["would reserve 10.1.2.9 in net1"]
    refused = tool("reserve", "10.1.2.9", "10.1.2.2")
    assert (refused.code, "10.1.2.2 of network net1 is taken" in refused.err) == (1, True)
    assert ipam_call.leases(network) == before


def test_the_round_goes_on_where_it_was(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam, "c1")
    tool("reserve", "10.1.2.100")
    assert ipam_call.add(ipam, "c2") == ["10.1.2.3/24", "2001:db8:1::3/64"]


def test_one_network_has_to_be_named_where_there_are_several(tool: Tool, network: Path) -> None:
    write(network, "10.1.2.50")
    write(network.parent / "net2", "10.1.2.50")
    refused = tool("reserve", "10.1.2.9")
    assert (refused.code, "--network, one of net1, net2" in refused.err) == (2, True)


@pytest.mark.parametrize("command", ["list", "verify", "export"])
def test_a_network_that_is_not_there_is_wrong_usage(tool: Tool, network: Path, command: str) -> None:
    write(network, "10.1.2.50")
    write(network.parent / "net2", "10.1.2.50")
    done = tool(command, "--network", "net3")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"cni-ipam: no network net3 in {tool.data_dir}\nthere is net1, net2\n"


@pytest.mark.parametrize("command", ["list", "stats", "verify"])
def test_a_directory_without_networks_is_told_and_where_they_are(tool: Tool, tmp_path: Path, command: str) -> None:
    done = tool(command)
    assert (done.code, done.err) == (0, f"no network in {tool.data_dir}\n")
    tool.configure([{"subnet": "10.1.2.0/24"}], name="here", dataDir=f"{tool.data_dir}/")
    tool.configure([{"subnet": "10.1.3.0/24"}], name="mynet", dataDir="/run/scratch")
    tool.configure([{"subnet": "10.1.4.0/24"}], name="other")
    places = "10-mynet.conflist keeps mynet in /run/scratch; 10-other.conflist keeps other in /var/lib/cni/networks"
    assert tool(command).err == f"no network in {tool.data_dir} ({places}: --data-dir)\n"
    named = tool(command, "--network", "mynet")
    assert "(10-mynet.conflist keeps mynet in /run/scratch: --data-dir)" in named.err


def test_verify_of_nothing_says_that_it_was_nothing(tool: Tool) -> None:
    assert tool("verify").lines == [f"nothing is wrong in 0 networks, 0 leases of {tool.data_dir}"]


def test_reserve_where_no_network_is_says_where_they_are(tool: Tool) -> None:
    assert "there is none yet: --network NAME" in tool("reserve", "10.1.3.9").err
    tool.configure([{"subnet": "10.1.3.0/24"}], name="mynet", dataDir="/run/scratch")
    refused = tool("reserve", "10.1.3.9")
    assert refused.code == 2
    assert "10-mynet.conflist keeps mynet in /run/scratch: --data-dir" in refused.err


def test_reserve_warns_where_it_keeps_nothing_from_anybody(tool: Tool, ipam: Conf, network: Path) -> None:
    def err(*arguments: str) -> str:
        done = tool("reserve", *arguments)
        assert done.code == 0
        return done.err

    assert err("10.7.7.7", "--network", "net1") == ""  # no configuration can be read
    tool.configure(*ipam["ranges"], dataDir=str(tool.data_dir))
    assert err("10.1.2.9", "2001:db8:1::9", "--network", "net1") == ""
    assert err("10.1.2.10", "10.7.7.8", "--network", "net1") == "warning: no range of network net1 has 10.7.7.8\n"
    text = f"warning: no configuration in {tool.conf} is of network net7, only of net1\n"
    assert err("10.1.2.9", "--network", "net7") == text
    tool.configure(*ipam["ranges"], dataDir="/run/scratch")
    assert err("10.1.2.11", "--network", "net1") == (
        "warning: 10-net1.conflist keeps net1 in /run/scratch: --data-dir\n"
    )
    tool.configure([{"subnet": "10.1.2.3/24"}], dataDir=str(tool.data_dir))
    assert err("10.1.2.12", "--network", "net1") == ""
    assert len(ipam_call.leases(network)) == 7


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["10.50.0.300"], "'10.50.0.300' is not an IP address"),
        (["10.1.2.9", "--note", "two\nlines"], "argument --note: must be one line"),
        (["10.1.2.9", "--network", "a/b"], "'a/b' is no name of a network"),
    ],
)
def test_what_cannot_be_reserved_is_wrong_usage(tool: Tool, arguments: list[str], problem: str) -> None:
    refused = tool("reserve", *arguments)
    assert (refused.code, problem in refused.err) == (2, True), refused.err
    assert not tool.data_dir.exists()


def test_a_hint_is_a_command_for_this_network_of_this_directory(tool: Tool, ipam: Conf) -> None:
    ipam_call.add(ipam, "c1")
    hint = f"cni-ipam show 10.1.2.2 --data-dir {tool.data_dir} --network net1\n"
    assert tool("reserve", "10.1.2.2").err.endswith(hint)
    assert Network("/var/lib/cni/networks", "net1", "").command("show", "x") == "cni-ipam show x --network net1"


# --- moving


def test_a_network_moves_from_node_to_node(tool: Tool, ipam: Conf, network: Path, tmp_path: Path) -> None:
    ipam_call.add(ipam, "c1", cni_args=POD)
    write(network, "10.1.2.50", b"legacy-id")
    write(network, "10.1.2.51", b"")
    tool("reserve", "10.1.2.60", "--note", "two words")
    before = {name: content for name, content in ipam_call.leases(network).items() if content}
    (tmp_path / "exported").write_text(tool("export").out)
    tool.data_dir = tmp_path / "other node"
    done = tool("import", str(tmp_path / "exported"), "--yes")
    assert (done.code, done.lines) == (0, [f"imported 4 of 4 leases into {tool.data_dir}/net1"])
    assert ipam_call.leases(tool.data_dir / "net1") == before
    assert {row["state"] for row in tool("list", "--json").json} == {"unknown", "reserved"}
    again = tool("import", str(tmp_path / "exported"), "--yes", "--json")
    assert (again.code, again.json["imported"]) == (0, [])
    tool("free", "--yes", "10.1.2.50")
    place = f"4 leases into {tool.data_dir}/net1; 3 had been here already"
    assert tool("import", str(tmp_path / "exported"), "--dry-run").lines == [f"would import 1 of {place}"]
    assert tool("import", str(tmp_path / "exported"), "--yes").lines == [f"imported 1 of {place}"]


def test_import_takes_nothing_from_others(tool: Tool, network: Path, tmp_path: Path) -> None:
    write(network, "10.1.2.50", b"c1\r\neth0")
    write(network, "10.1.2.51", b"c2\r\neth0")
    (tmp_path / "exported").write_text(tool("export").out)
    tool("free", "10.1.2.50", "10.1.2.51", "--yes")
    write(network, "10.1.2.51", b"other\r\neth0")
    refused = tool("import", str(tmp_path / "exported"), "--yes")
    assert (refused.code, "10.1.2.51: other eth0" in refused.err) == (1, True)
    assert ipam_call.leases(network) == {"10.1.2.51": "other\r\neth0"}


def test_a_dry_import_makes_nothing(tool: Tool, network: Path, tmp_path: Path) -> None:
    write(network, "10.1.2.50", b"c1\r\neth0")
    (tmp_path / "exported").write_text(tool("export").out)
    tool.data_dir = tmp_path / "other node"
    dry = tool("import", str(tmp_path / "exported"), "--dry-run")
    assert (dry.code, dry.lines) == (0, [f"would import 1 of 1 lease into {tool.data_dir}/net1"])
    assert not tool.data_dir.exists()


def test_a_dry_import_tells_of_others(tool: Tool, network: Path, tmp_path: Path) -> None:
    write(network, "10.1.2.50", b"c1\r\neth0")
    (tmp_path / "exported").write_text(tool("export").out)
    write(network, "10.1.2.50", b"other\r\neth0")
    assert tool("import", str(tmp_path / "exported"), "--dry-run").code == 1


def test_an_address_that_was_taken_meanwhile_is_told(
    tool: Tool, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(network, "10.1.2.50", b"c1\r\neth0")
    (tmp_path / "exported").write_text(tool("export").out)
    tool.data_dir = tmp_path / "other node"
    monkeypatch.setattr("ipam.store.Store.write", lambda *_: False)
    refused = tool("import", str(tmp_path / "exported"), "--yes")
    assert (refused.code, "10.1.2.50 of network net1 is taken" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (
            {"leases": [{"ip": "fd00::1", "containerID": "a"}, {"ip": "FD00:0::1", "containerID": "b"}]},
            "leases[1].ip: fd00::1 is there twice",
        ),
        ("x", "is not JSON"),
        ("[]", "is not a JSON object"),
        ({}, "is not what `cni-ipam export` writes"),
        ({"leases": [{"ip": "x", "containerID": "a"}]}, "leases[0].ip: 'x' is not an IP address"),
        ({"leases": [{"ip": "10.0.0.1", "containerID": "a/b"}]}, "leases[0].containerID: 'a/b' is no container id"),
        ({"leases": [{"ip": "10.0.0.1", "containerID": "a", "ifname": "a b"}]}, "leases[0].ifname: interface name"),
        ({"leases": [{"ip": "10.0.0.1"}]}, "leases[0].containerID: is required"),
    ],
)
def test_what_cannot_be_imported(tool: Tool, tmp_path: Path, document: Any, problem: str) -> None:
    if isinstance(document, dict) and document:
        document |= {"format": "cni-ipam-leases", "version": 1, "network": "net1"}
    (tmp_path / "exported").write_text(document if isinstance(document, str) else json.dumps(document))
    refused = tool("import", str(tmp_path / "exported"), "--yes")
    assert (refused.code, problem in refused.err) == (1, True), refused.err
    assert not tool.data_dir.exists()


# --- verify


def kinds(called: Called) -> list[tuple[str, str]]:
    return [(one["kind"], one["where"]) for one in called.json]


def test_verify_of_a_healthy_network(tool: Tool, ipam: Conf) -> None:
    tool.configure(*ipam["ranges"])
    ipam_call.add(ipam, "c1")
    ipam_call.add(ipam, "c1", ifname="eth1")
    tool("reserve", "10.1.2.60", "10.9.9.9")
    assert (tool("verify").code, tool("verify").lines) == (
        0,
        [f"nothing is wrong in 1 network, 6 leases of {tool.data_dir}"],
    )


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("10.1.2.50", b"", "empty"),
        ("10.1.2.50", b" \n", "empty"),
        ("FD00::1", b"c9\r\neth0", "name"),
        ("10.1.2.50", b"not a container\r\neth0", "content"),
        ("10.1.2.50", b"c9\r\neth0 ", ""),
        ("10.1.2.50", b"c9", ""),
        ("10.1.2.50", b"c9\r\nan interface with a long name", "content"),
        ("10.3.3.3", b"c9\r\neth0", "outside"),
        ("10.1.2.1", b"c9\r\neth0", "gateway"),
        ("10.1.2.99", b"c9\r\neth0", "excluded"),
        ("10.1.2.7", b"c1\r\neth0", "duplicate"),
    ],
)
def test_verify_finds_and_explains(tool: Tool, ipam: Conf, network: Path, name: str, content: bytes, kind: str) -> None:
    tool.configure(*ipam["ranges"], exclude=["10.1.2.99"], **{})
    ipam_call.add(ipam, "c1")
    write(network, name, content)
    found = tool("verify", "--json")
    assert found.code == (1 if kind else 0)
    assert {one["kind"] for one in found.json} - {"outside" if kind == "name" else ""} == ({kind} if kind else set())
    if kind:
        assert name in tool("verify").out


def test_verify_finds_a_dead_lease_a_torn_file_and_another_networks_address(tool: Tool, network: Path) -> None:
    write(network, "10.1.2.50", boot=EARLIER)
    write(network, "10.1.2.51", b"c2\r\neth0")
    write(network, ".cni-ipam.unfinished", b"c3")
    write(network, "last_reserved_ip.0", b"10.1.")
    write(network.parent / "net2", "10.1.2.51", b"c2\r\neth0")
    assert sorted(kinds(tool("verify", "--json", "--network", "net1"))) == [
        ("dead", "10.1.2.50"),
        ("last", "last_reserved_ip.0"),
        ("shared", "10.1.2.51"),
        ("unfinished", ".cni-ipam.unfinished"),
    ]


def test_verify_names_what_else_uses_the_ranges(tool: Tool, ipam: Conf, network: Path, tmp_path: Path) -> None:
    tool.configure(*ipam["ranges"])
    write(network, "10.1.2.51")
    write(network.parent / "net2", "10.1.2.60")
    route = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    (tmp_path / "route").write_text(route + "eth0 0002020A 00000000 0001 0 0 0 80FFFFFF 0 0 0\n")
    found = tool("verify", "--network", "net1", "--json")
    assert sorted(one["text"].split(" of ")[0].split(" meets")[0] for one in found.json) == [
        "network net2",
        "the node's route 10.2.2.0/25 on eth0",
    ]
    assert not any(one["canBeMended"] for one in found.json)


def test_an_empty_file_may_be_somebodys_reservation(tool: Tool, network: Path) -> None:
    write(network, "10.1.2.50", b"")
    [line, _] = tool("verify").lines
    assert "or somebody made it to keep the address from host-local; `cni-ipam reserve 10.1.2.50 --data-dir" in line
    assert tool("reserve", "10.1.2.50").code == 0
    assert tool("verify").code == 0


def test_fix_shows_each_finding_once(tool: Tool, network: Path) -> None:
    write(network, "10.1.2.51", b"")
    write(network, "10.1.2.52", b"c2\r\neth0")
    write(network, "10.1.2.53", b"c2\r\neth0")
    for done, last in (
        (tool("verify", "--fix", "--dry-run"), "would mend 1"),
        (tool("verify", "--fix", answer="n\n"), "2 found, 0 mended"),
        (tool("verify", "--fix", "--yes"), "2 found, 1 mended"),
    ):
        assert [line.split(": ")[1] for line in done.lines[:-1]] == ["empty", "duplicate"]
        assert (done.code, done.lines[-1]) == (1, last)


def test_fix_tells_what_changed_meanwhile(tool: Tool, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(network, "10.1.2.51", b"")

    def think(question: str) -> bool:
        write(network, "10.1.2.51", b"c2\r\neth0")
        return True

    monkeypatch.setattr("ipam.tool.page.agrees", think)
    done = tool("verify", "--fix")
    assert (done.code, done.lines[0] == done.lines[1], done.lines[-1]) == (1, True, "1 found, 0 mended")


def test_fix_mends_what_no_pod_can_miss_and_nothing_else(tool: Tool, ipam: Conf, network: Path) -> None:
    tool.configure(*ipam["ranges"])
    write(network, "10.1.2.50", boot=EARLIER)
    write(network, "10.1.2.51", b"")
    write(network, "10.1.2.52", b"c2\r\neth0")
    write(network, "10.1.2.53", b"c2\r\neth0")
    write(network, "10.3.3.3", b"c3\r\neth0")
    write(network, ".cni-ipam.unfinished", b"c3")
    before = files(network)
    assert tool("verify", "--fix", "--dry-run").code == 1
    assert tool("verify", "--fix", answer="n\n").code == 1
    assert files(network) | {"lock": b""} == before | {"lock": b""}
    mended = tool("verify", "--fix", "--yes")
    assert (mended.code, mended.lines[-1]) == (1, "5 found, 3 mended")
    assert sorted(ipam_call.leases(network)) == ["10.1.2.52", "10.1.2.53", "10.3.3.3"]
    assert sorted(kind for kind, _ in kinds(tool("verify", "--json"))) == ["duplicate", "outside"]


def test_verify_finds_an_index_that_lies_and_fix_builds_it_anew(tool: Tool, ipam: Conf, network: Path) -> None:
    ipam_call.add(ipam, "c1")
    found = (network.parent.parent / "run/ipam").rglob("*")
    [link] = [path for path in found if path.is_symlink() and len(path.name) == 32]
    directory = link.parent.stat().st_mtime_ns
    link.unlink()
    link.symlink_to("10.1.2.9")
    os.utime(link.parent, ns=(directory, directory))
    assert {kind for kind, _ in kinds(tool("verify", "--json"))} == {"index"}
    assert tool("verify", "--fix", "--yes").code == 0
    assert tool("verify").code == 0
    assert ipam_call.leases(network).keys() == {"10.1.2.2", "2001:db8:1::2"}


def test_a_network_without_configuration_is_verified_as_far_as_can_be(tool: Tool, network: Path) -> None:
    write(network, "10.3.3.3", b"c3\r\neth0")
    write(network, "fd00::3", b"c3\r\neth0")
    assert tool("verify").code == 0
    write(network, "10.3.3.4", b"c3\r\neth0")
    assert kinds(tool("verify", "--json")) == [("duplicate", "10.3.3.3, 10.3.3.4")]


# --- stats


def test_stats_counts_and_draws(tool: Tool, ipam: Conf, network: Path) -> None:
    tool.configure([{"subnet": "10.1.2.0/25", "exclude": ["10.1.2.8/29"]}])
    for number in range(2, 6):
        write(network, f"10.1.2.{number}", f"c{number}\r\neth0".encode())
    shown = tool("stats").lines
    assert shown[0] == "network net1: 4 leases (4 unknown), 0 cooling"
    assert shown[1] == "range set 0 10.1.2.1-10.1.2.126: 4 used, 113 free (3.4 % used)"
    assert shown[2] == "       10.1.2.1 -████··--------" + "·" * 49
    assert shown[3] == "      10.1.2.65 " + "·" * 62
    [document] = tool("stats", "--json").json
    assert document["sets"] == [{"ranges": "10.1.2.1-10.1.2.126", "free": 113, "used": 4}]


def test_the_map_of_a_large_range_stops_where_nothing_was_ever_used(tool: Tool, network: Path) -> None:
    tool.configure([{"subnet": "fd00::/48"}])
    for number in range(2, 3000):
        write(network, f"fd00::{number:x}", f"c{number}\r\neth0".encode())
    shown = tool("stats").lines
    assert len(shown) < 25
    cells = "".join(line[16:] for line in shown if line[16:17] in "·░▒▓█")
    assert 400 < cells.count("█") <= 512
    assert any(line.endswith("nothing given up to fd00::ffff:ffff:ffff:ffff:ffff") for line in shown)
    assert any(line.endswith("a cell is 6 addresses") for line in shown)


def test_released_addresses_are_counted_while_they_cool(tool: Tool, ipam: Conf) -> None:
    ipam_call.add(ipam)
    ipam_call.delete(ipam)
    assert tool("stats").lines[0] == "network net1: 0 leases (none), 2 cooling"


def test_a_configuration_that_cannot_be_read_is_told(tool: Tool, network: Path) -> None:
    write(network, "10.1.2.2")
    tool.configure([{"subnet": "10.1.2.3/24"}])
    (tool.conf / "00-broken.conf").write_text("{")
    shown = tool("stats")
    assert (shown.code, "10-net1.conflist: ipam.ranges[0][0].subnet: 10.1.2.3/24 has host bits" in shown.err) == (
        1,
        True,
    )


@pytest.mark.parametrize("arguments", [["list"], ["stats"], ["verify"], ["verify", "--fix", "--dry-run"], ["import"]])
def test_who_only_looks_changes_nothing(
    tool: Tool, ipam: Conf, network: Path, tmp_path: Path, arguments: list[str]
) -> None:
    """Not even what the next call of the plugin will: the index, and what a crash left."""
    ipam_call.add(ipam, "c1")
    (tmp_path / "exported").write_text(tool("export").out)
    write(network, "10.1.2.9", b"c9\r\neth0")
    write(network, ".cni-ipam.unfinished", b"c3")
    before = files(network), network.stat().st_mtime_ns
    tool(*arguments, *([str(tmp_path / "exported"), "--dry-run"] if arguments == ["import"] else []))
    assert (files(network), network.stat().st_mtime_ns) == before


# --- the command line


@pytest.mark.parametrize("arguments", [["nothing"], ["show"], ["list", "--what"], ["free"], ["import"]])
def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main.main(arguments) == 2
    assert "usage: cni-ipam" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"cni-ipam {name}" in shown for name in (
        "list", "show", "free", "reserve", "reclaim", "verify", "stats", "import", "export"
    ))  # fmt: skip
    for name in ("list", "show", "free", "reserve", "reclaim", "verify", "stats", "import", "export"):
        assert main.main([name, "--help"]) == 0


def test_a_store_that_cannot_be_read_is_told(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    done = tool("list")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("cni-ipam: cannot list ")


def test_a_name_with_bytes_that_are_no_utf_8_is_shown_somehow(tool: Tool, network: Path) -> None:
    write(network, "10.1.2.2", b"c\xff\r\neth0")
    assert tool("list").code == tool("list", "--json").code == tool("show", "10.1.2.2").code == 0
    assert parse_ip(tool("list", "--json").json[0]["ip"]) == (4, 0x0A010202)
