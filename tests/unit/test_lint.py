"""`cni-veth lint FILE...`: what a person reads, and the exit code."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cni_veth import lint

REPOSITORY = Path(__file__).resolve().parents[2]
VETH = {"type": "cni-veth", "bridge": "cni0", "isDefaultGateway": True}
IPAM = {"type": "cni-ipam", "ranges": [[{"subnet": "10.1.0.0/16"}]]}


class Linted:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.lines = out.splitlines()
        self.err = err


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Lint a document (or text) under a file name in the current directory; plugins are sought in bin/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNI_PATH", str(tmp_path / "bin"))

    def run(document: object, name: str = "10-net.conflist", *more: str) -> Linted:
        Path(name).write_text(document if isinstance(document, str) else json.dumps(document))
        code = lint.main([name, *more])
        return Linted(code, *capsys.readouterr())

    return run


def network(*plugins: Any, **keys: Any) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"], "name": "net1", "plugins": list(plugins), **keys}


def test_the_sample_conflist_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    sample = str(REPOSITORY / "packaging/10-cni-veth.conflist")
    assert lint.main([sample]) == 0
    assert capsys.readouterr() == (f"{sample}: ok\n", "")


def test_a_good_list_and_a_good_conf_are_ok(run: Any) -> None:
    assert run(network(VETH | {"ipam": IPAM}, {"type": "portmap", "capabilities": {"portMappings": True}})).lines == [
        "10-net.conflist: ok"
    ]
    conf = VETH | {"name": "net1", "cniVersion": "1.0.0", "ipam": IPAM}
    assert run(conf, "a.conf").lines == ["a.conf: ok"]


def test_host_bits_are_told_with_the_path_in_the_list(run: Any) -> None:
    found = run(network(VETH | {"ipam": {"type": "cni-ipam", "ranges": [[{"subnet": "10.1.2.3/24"}]]}}))
    expected = "10.1.2.3/24 has host bits set; use 10.1.2.0/24"
    assert found.lines == [f"10-net.conflist: plugins[0].ipam.ranges[0][0].subnet: {expected}"]
    assert found.code == 1


def test_the_path_in_a_conf_has_no_list(run: Any) -> None:
    found = run(VETH | {"name": "net1", "cniVersion": "1.0.0", "ipam": IPAM | {"subnet": "10.1.2.3/24"}}, "a.conf")
    assert found.lines == ["a.conf: ipam.subnet: 10.1.2.3/24 has host bits set; use 10.1.2.0/24"]


def test_every_problem_of_every_plugin_is_told(run: Any) -> None:
    found = run(network(VETH | {"mtu": "1500", "isGatway": True, "vlan": 9999}, {"typ": "portmap"}, 5, name="a b"))
    paths = [line.split(": ")[1] for line in found.lines]
    assert sorted(paths) == [
        "name", "plugins[0].isGatway", "plugins[0].mtu", "plugins[0].vlan", "plugins[1].type", "plugins[2]",
    ]  # fmt: skip
    assert found.code == 1


def test_an_unknown_key_says_what_was_meant(run: Any) -> None:
    found = run(network(VETH | {"isGatway": True, "ipam": IPAM | {"rangestar": "10.1.0.5"}}))
    assert sorted(found.lines) == [
        "10-net.conflist: plugins[0].ipam.rangestar: unknown key; did you mean rangeStart?",
        "10-net.conflist: plugins[0].isGatway: unknown key; did you mean isGateway?",
    ]


def test_an_unknown_key_of_the_list_is_only_told_where_it_looks_misspelt(run: Any) -> None:
    assert run(network(VETH, nerdctlID="x", args={"podman_labels": {}})).code == 0
    assert run(network(VETH, disablecheck=True)).code == 0  # case does not matter
    assert run(network(VETH, disbleCheck=True)).lines == [
        "10-net.conflist: disbleCheck: unknown key; did you mean disableCheck?"
    ]


def test_keys_in_other_capitals_are_the_same_keys(run: Any) -> None:
    assert run({"CNIVERSION": "1.0.0", "Name": "a", "PLUGINS": [{"TYPE": "cni-veth", "MTU": 1400}]}).code == 0
    found = run(network({"TYPE": "cni-veth", "MTU": "x", "mtu": 1400}))
    assert found.lines == ["10-net.conflist: plugins[0].MTU: unknown key; did you mean mtu?"]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"hairpinMode": True, "promiscMode": True},
            "plugins[0].hairpinMode: cannot be used together with promiscMode;",
        ),
        ({"vlanTrunk": [{"minID": 9, "maxID": 5}]}, "plugins[0].vlanTrunk[0].minID: 9 is greater than maxID 5"),
        ({"ipam": {"ranges": []}}, "plugins[0].ipam.type: is required; leave the ipam section empty"),
        ({"ipam": {"type": "cni-ipam"}}, "plugins[0]: no IP ranges specified; give ipam.ranges, ipam.subnet"),
        ({"ipam": IPAM | {"subnet": "10.1.9.0/24"}}, "plugins[0].ipam.ranges[0][0]: "),
        ({"mtu": 9}, "plugins[0].mtu: must be 0 or at least 68, not 9"),
        ({"bridge": "a b"}, "plugins[0].bridge: 'a b' is not a link name: interface name contains"),
        ({"runtimeConfig": {"mac": "x"}}, "plugins[0].runtimeConfig.mac: 'x' is not a unicast MAC address"),
        ({"vlanTrunk": [{"id": 5, "minID": 9}]}, "plugins[0].vlanTrunk[0]: give either id, or minID and maxID"),
        (
            {"spoofGuard": True, "vlanTrunk": [{"id": 5}]},
            "plugins[0].spoofGuard: cannot be used together with vlanTrunk; use macspoofchk",
        ),
    ],
)
def test_the_parsers_words_where_a_schema_has_none(run: Any, keys: dict[str, Any], line: str) -> None:
    found = run(network(VETH | keys))
    assert len(found.lines) == 1
    assert found.lines[0].startswith(f"10-net.conflist: {line}"), found.lines
    assert found.code == 1


def test_plugins_of_other_types_are_only_checked_for_their_type(run: Any) -> None:
    found = run(
        network({"type": "bridge", "mtu": "x", "isGatway": 1, "ipam": {"type": "static", "x": 1}}, {"type": ""})
    )
    assert [line.split(" (")[0] for line in found.lines] == ['10-net.conflist: plugins[1].type: "" does not fit']
    assert run(network({"type": "bridge"})).lines == ["10-net.conflist: ok, but without a plugin of type cni-veth"]


def test_our_ipam_is_checked_under_any_plugin(run: Any) -> None:
    found = run(network({"type": "bridge", "ipam": {"type": "cni-ipam", "subnet": "10.1.2.3/24"}}))
    assert found.lines == ["10-net.conflist: plugins[0].ipam.subnet: 10.1.2.3/24 has host bits set; use 10.1.2.0/24"]


@pytest.mark.parametrize("is_ours", [True, False])
def test_the_references_names_are_checked_where_they_are_ours(run: Any, tmp_path: Path, is_ours: bool) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("launcher", "reference"):
        (directory / name).write_text("")
    for name in ("cni-veth", "cni-ipam"):
        (directory / name).symlink_to("launcher")
    for name in ("bridge", "host-local"):
        (directory / name).symlink_to("launcher" if is_ours else "reference")
    ipam = {"type": "host-local", "subnet": "10.1.2.3/24"}
    bridge, macvlan = {"type": "bridge", "isGatway": True, "ipam": ipam}, {"type": "macvlan", "ipam": ipam}
    found = run(network(bridge, macvlan))
    problem = "ipam.subnet: 10.1.2.3/24 has host bits set; use 10.1.2.0/24"
    expected = ["plugins[0].isGatway: unknown key; did you mean isGateway?"]
    expected += [f"plugins[{index}].{problem}" for index in (0, 1)]
    if not is_ours:
        expected = ["ok, but without a plugin of type cni-veth"]
    assert sorted(found.lines) == sorted(f"10-net.conflist: {line}" for line in expected)
    single = run({"cniVersion": "1.0.0", "name": "net1", **bridge}, "a.conf")
    assert single.code == is_ours


@pytest.mark.parametrize("keys", [{"plugins": []}, {"plugins": None}, {"plugins": {}}])
def test_a_list_needs_plugins(run: Any, keys: dict[str, Any]) -> None:
    found = run(network() | keys)
    assert found.lines[0].startswith("10-net.conflist: plugins: must ")
    assert found.code == 1


def test_a_conflist_is_a_list_by_its_name_and_any_file_by_its_plugins(run: Any) -> None:
    assert run({"name": "a", "cniVersion": "1.0.0"}).lines == ["10-net.conflist: plugins: is required"]
    assert run(network(VETH | {"mtu": "x"}), "net.json").lines[0].startswith("net.json: plugins[0].mtu: ")


def test_one_address_per_family_depends_on_the_lists_version(run: Any) -> None:
    two = VETH | {"ipam": {"type": "cni-ipam", "ranges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.2.0.0/16"}]]}}
    assert run(network(two)).code == 0
    assert "does not support more than 1 address per family" in run(network(two, cniVersion="0.2.0")).lines[0]


# --- warnings


def test_a_list_for_1_1_0_alone_is_warned_of(run: Any) -> None:
    found = run(network(VETH, cniVersion="1.1.0"))
    assert found.lines[0].startswith("10-net.conflist: warning: containerd 1.6 and podman 4.3 fail on 1.1.0; write ")
    assert '"cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"]' in found.lines[0]
    assert found.lines[1:] == ["10-net.conflist: ok"]
    assert found.code == 0


def test_what_is_suggested_is_not_warned_of(run: Any) -> None:
    assert run(network(VETH, cniVersion="1.0.0", cniVersions=["1.0.0", "1.1.0"])).lines == ["10-net.conflist: ok"]


def test_a_conf_for_1_1_0_should_become_a_list(run: Any) -> None:
    found = run(VETH | {"name": "net1", "cniVersion": "1.1.0"}, "a.conf")
    assert "make it a .conflist with" in found.lines[0]
    assert found.code == 0


@pytest.mark.parametrize("missing", [{}, {"cniVersion": ""}])
def test_a_missing_version_is_warned_of(run: Any, missing: dict[str, Any]) -> None:
    found = run({"name": "net1", "plugins": [VETH], **missing})
    assert any(line.startswith("10-net.conflist: warning: without cniVersion it is 0.1.0") for line in found.lines)


# --- files


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "10-net.conflist is not JSON"),
        ("{", "10-net.conflist is not JSON"),
        ("[]", "10-net.conflist must be a JSON object; it is a list"),
        ('{"name": "a", "name": "b"}', "10-net.conflist: name: this key is given twice; keep one"),
        ('{"plugins": [{"mtu": NaN}]}', "10-net.conflist: plugins[0].mtu: NaN is not JSON"),
    ],
)
def test_what_is_no_json_object(run: Any, text: str, line: str) -> None:
    found = run(text)
    assert found.lines[0].startswith(line)
    assert found.code == 1


def test_several_files_are_all_told_and_the_worst_counts(run: Any) -> None:
    Path("a.conf").write_text('{"name": "a", "type": "cni-veth", "cniVersion": "1.0.0", "mtu": true}')
    found = run(network(VETH), "10-net.conflist", "a.conf")
    assert (found.code, found.lines[0]) == (1, "10-net.conflist: ok")
    assert found.lines[1].startswith("a.conf: mtu: must be a whole number, not a boolean")
    found = run(network(VETH), "10-net.conflist", "a.conf", "missing.conf")
    assert (found.code, len(found.lines)) == (2, 2)
    assert found.err.splitlines()[0].startswith("a.conf: mend this")
    assert found.err.splitlines(keepends=True)[1] == "missing.conf: cannot be read: No such file or directory\n"


def test_a_directory_cannot_be_read(run: Any, tmp_path: Path) -> None:
    assert run(network(VETH), "10-net.conflist", str(tmp_path)).err == f"{tmp_path}: cannot be read: Is a directory\n"


def test_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(network(VETH | {"mtu": []})).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert lint.main(["-"]) == 1
    assert capsys.readouterr().out.startswith("stdin: plugins[0].mtu: must be a whole number, not a list")


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["x.conf", "--help"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.main(argv) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: cni-veth lint FILE...\n")
    assert err == ""


@pytest.mark.parametrize("argv", [[], ["--strict", "x.conf"], ["-x"]])
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: cni-veth lint FILE..." in err


def test_through_the_executables_name() -> None:
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); sys.argv = ['/opt/cni/bin/cni-veth', 'lint', '-']\n"
    code += "from cni_veth.__main__ import main; raise SystemExit(main())"
    given = json.dumps(network(VETH | {"ipam": IPAM}))
    done = subprocess.run([sys.executable, "-I", "-c", code], input=given, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stdin: ok\n", "")
