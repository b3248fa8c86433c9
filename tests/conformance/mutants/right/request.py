"""What a call is asked: environment, standard input, configuration."""

import json
import os
import re
from typing import Any

Json = dict[str, Any]

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
SINCE = {"ADD": "0.1.0", "DEL": "0.1.0", "CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}
REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "GC": ("CNI_PATH",),
    "STATUS": (),
    "VERSION": (),
}


class Failure(Exception):
    """What the error document says. Codes: those of the specification; 100: the kernel, 101: addresses, 102: CHECK."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(code, msg, details)


def environment() -> str:
    verb = os.environ.get("CNI_COMMAND", "")
    if verb not in REQUIRED:
        raise Failure(4, "CNI_COMMAND is none of " + ", ".join(REQUIRED), verb)
    missing = [name for name in REQUIRED[verb] if not os.environ.get(name)]
    if missing:
        raise Failure(4, "required variables are missing: " + ", ".join(missing))
    if "CNI_CONTAINERID" in REQUIRED[verb] and not is_identifier(os.environ["CNI_CONTAINERID"]):
        raise Failure(4, "CNI_CONTAINERID is invalid", os.environ["CNI_CONTAINERID"])
    if "CNI_IFNAME" in REQUIRED[verb] and not is_ifname(os.environ["CNI_IFNAME"]):
        raise Failure(4, "CNI_IFNAME is invalid", os.environ["CNI_IFNAME"])
    return verb


def is_identifier(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", text) is not None


def is_ifname(text: str) -> bool:
    """What the kernel takes, without what has a meaning in `ip -batch` or in a name's pattern."""
    is_short = 0 < len(os.fsencode(text)) <= 15
    return is_short and text not in (".", "..") and re.search(r"[\s/:%#'\"\\]", text) is None


def receive() -> bytes:
    with open(0, "rb", closefd=False) as file:
        return file.read()


def decode(stdin: bytes, verb: str) -> Json:
    try:
        conf = json.loads(stdin.decode())
        if not isinstance(conf, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        if verb == "VERSION":
            return {}
        raise Failure(6, "standard input is no JSON object", str(error)) from None
    return conf


def supported(conf: Json, verb: str) -> str:
    version = conf.get("cniVersion", VERSIONS[0])
    if version not in VERSIONS:
        raise Failure(1, "unsupported cniVersion", f"{version!r} is none of {', '.join(VERSIONS)}")
    if VERSIONS.index(version) < VERSIONS.index(SINCE[verb]):
        raise Failure(1, f"{verb} needs cniVersion {SINCE[verb]}", version)
    return str(version)


def validate(conf: Json) -> None:
    if not is_identifier(conf.get("name", "")):
        raise Failure(7, "name of the network is missing or invalid", repr(conf.get("name")))
    if not is_ifname(bridge_of(conf)):
        raise Failure(7, "bridge is no name of an interface", bridge_of(conf))
    if type(mtu_of(conf)) is not int or not 68 <= mtu_of(conf) <= 65535:
        raise Failure(7, "mtu is no number from 68 to 65535", repr(mtu_of(conf)))


def bridge_of(conf: Json) -> str:
    return conf.get("bridge", "cbr0")  # type: ignore[no-any-return]


def mtu_of(conf: Json) -> int:
    return conf.get("mtu", 1500)  # type: ignore[no-any-return]


def is_built_in(conf: Json) -> bool:
    return bool(conf["ipam"]["type"] == "built-in")


def owner(container: str, ifname: str) -> str:
    return f"{container}\r\n{ifname}"


def me() -> str:
    return owner(os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"])
