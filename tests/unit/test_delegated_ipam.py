"""Which program answers for `ipam.type`: another one in CNI_PATH, or our own in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cni.errors import CNIError, DelegateFailed, InvalidConfig
from cni.request import Request
from cni_veth.ipam_plugin import IPAM
from tests.unit.call import veth_request

HOST_LINK = "veth0"


def request_of(
    directory: Path, plugin_type: str = "cni-ipam", verb: str = "ADD", subnet: str = "10.1.0.0/29"
) -> Request:
    ipam = {"type": plugin_type, "dataDir": str(directory / "networks"), "subnet": subnet}
    variables: dict[str, str | None] = {"PATH": str(directory / "bin")}
    return veth_request(verb, variables, ipam=ipam)


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose bin/cni-ipam and bin/host-local are links to the launcher beside the running program."""
    (tmp_path / "bin").mkdir()
    launcher = tmp_path / "launcher"
    launcher.write_text("#!/bin/sh\necho executed >&2; exit 1\n")
    launcher.chmod(0o755)
    for name in ("cni-ipam", "host-local"):
        (tmp_path / "bin" / name).symlink_to(launcher)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "cni-veth"))
    return tmp_path


@pytest.mark.parametrize("plugin_type", ["cni-ipam", "host-local"])
def test_our_own_is_not_executed(frozen: Path, plugin_type: str) -> None:
    ipam = IPAM(request_of(frozen, plugin_type), plugin_type)
    ipam.validate()
    assert [ip.address for ip in ipam.add(HOST_LINK).ips] == ["10.1.0.2/29"]
    assert (frozen / "networks/net1/10.1.0.2").read_bytes() == b"c1\r\neth0"
    ipam.take_back()
    assert not (frozen / "networks/net1/10.1.0.2").exists()


def test_what_was_there_before_is_not_taken_back(frozen: Path) -> None:
    """A repeated ADD that fails later: the lease may be a living pod's."""
    IPAM(request_of(frozen), "cni-ipam").add(HOST_LINK)
    ipam = IPAM(request_of(frozen), "cni-ipam")
    assert [ip.address for ip in ipam.add(HOST_LINK).ips] == ["10.1.0.2/29"]
    ipam.take_back()
    assert (frozen / "networks/net1/10.1.0.2").exists()
    ipam.delete()
    assert not (frozen / "networks/net1/10.1.0.2").exists()


@pytest.mark.parametrize("verb", ["CHECK", "GC", "STATUS"])
def test_our_own_takes_the_other_verbs_too(frozen: Path, verb: str) -> None:
    IPAM(request_of(frozen), "cni-ipam").add(HOST_LINK)
    IPAM(request_of(frozen, verb=verb), "cni-ipam").forward()


def test_our_own_reads_its_section_before_anything_is_touched(frozen: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"^ipam\.subnet: 10\.1\.0\.1/29 has host bits set"):
        IPAM(request_of(frozen, subnet="10.1.0.1/29"), "cni-ipam").validate()
    assert not (frozen / "networks").exists()


def test_a_foreign_program_of_the_same_name_is_executed(frozen: Path) -> None:
    foreign = frozen / "bin/cni-ipam"
    foreign.unlink()
    foreign.write_text("""#!/bin/sh\necho '{"code": 77, "msg": "foreign"}'; exit 1\n""")
    foreign.chmod(0o755)
    ipam = IPAM(request_of(frozen), "cni-ipam")
    ipam.validate()  # a foreign one reads its section itself
    for call in (lambda: ipam.add(HOST_LINK), ipam.delete, ipam.forward):
        with pytest.raises(DelegateFailed, match=r"^foreign$") as caught:
            call()
        assert caught.value.code == 77


def test_an_own_executable_under_a_foreign_name_is_executed(frozen: Path) -> None:
    (frozen / "bin/static").symlink_to(frozen / "launcher")
    with pytest.raises(CNIError) as caught:
        IPAM(request_of(frozen, "static"), "static").add(HOST_LINK)
    assert "executed" in caught.value.details


def test_from_source_everything_is_executed(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "frozen")
    with pytest.raises(DelegateFailed, match=r"^cni-ipam DEL exited with 1"):
        IPAM(request_of(frozen), "cni-ipam").delete()


def test_a_missing_delegate_is_told_before_anything_is_touched(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r'^failed to find plugin "cni-ipam"'):
        IPAM(request_of(tmp_path), "cni-ipam")
