"""ipam.resolv_conf: the file that `ipam.resolvConf` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.errors import IOFailure
from ipam import resolv_conf

COMPLETE = """\
# a comment
; another
nameserver 192.0.2.1
  nameserver\t192.0.2.2  # trailing words are no matter
domain example.org
domain example.com
search one.example two.example
search three.example
options ndots:2 edns0
options rotate
nameserver
sortlist 192.0.2.0
"""


def test_simple(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\r\n")
    assert resolv_conf.read(str(tmp_path / "resolv.conf")).to_json() == {"nameservers": ["192.0.2.1"]}


def test_comments_and_all_fields() -> None:
    assert resolv_conf.parse(COMPLETE).to_json() == {
        "nameservers": ["192.0.2.1", "192.0.2.2"],
        "domain": "example.com",
        "search": ["one.example", "two.example", "three.example"],
        "options": ["ndots:2", "edns0", "rotate"],
    }


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IOFailure, match=f"cannot read ipam.resolvConf {tmp_path}/none: No such file or directory"):
        resolv_conf.read(f"{tmp_path}/none")
