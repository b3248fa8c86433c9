"""Addresses: one file each, named after it, with its holder in host-local's format; or those of an IPAM plugin."""

import fcntl
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from request import Failure, Json, me
from results import parsed


def store_of(conf: Json) -> str:
    return str(os.path.join(conf["ipam"].get("dataDir", "/var/lib/cni/networks"), conf["name"]))


@contextmanager
def locked(conf: Json) -> Iterator[str]:
    """The network's directory, for this process alone."""
    directory = store_of(conf)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "lock"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield directory


def reservations(directory: str) -> list[tuple[str, str]]:
    """(path, holder); the holder is empty where a process was killed before it wrote."""
    found = []
    for name in os.listdir(directory):
        if name != "lock" and not name.startswith("last_reserved_ip."):
            with open(os.path.join(directory, name), newline="") as file:
                found.append((file.name, file.read()))
    return found


def held(conf: Json) -> set[str]:
    with locked(conf) as directory:
        return {os.path.basename(path) for path, holder in reservations(directory) if holder == me()}


def reserve(conf: Json) -> Json:
    ips = []
    with locked(conf) as directory:
        for pool in conf["ipam"]["ranges"]:
            address, gateway, length = free(directory, pool)
            with open(os.path.join(directory, address), "w", newline="") as file:
                file.write(me())
            ips.append({"address": f"{address}/{length}", "gateway": gateway})
    return parsed({"ips": ips, "routes": conf["ipam"].get("routes") or []})


def free(directory: str, pool: list[Json]) -> tuple[str, str, int]:
    """The first address that nobody holds, its gateway, the length of the prefix."""
    for section in pool:
        network = ipaddress.ip_network(section["subnet"])
        gateway = ipaddress.ip_address(section.get("gateway") or network[1])
        first = ipaddress.ip_address(section.get("rangeStart") or network[1])
        last = ipaddress.ip_address(section.get("rangeEnd") or network[-2])
        for number in range(int(first), int(last) + 1):
            address = type(gateway)(number)
            path = os.path.join(directory, str(address))
            if address != gateway and not (os.path.exists(path) and os.path.getsize(path)):
                return str(address), str(gateway), network.prefixlen
    raise Failure(101, "every address is taken", repr(pool))


def release(conf: Json) -> None:
    if os.path.isdir(store_of(conf)):
        with locked(conf) as directory:
            for path, holder in reservations(directory):
                if holder in ("", me()):
                    os.unlink(path)


def delegate(verb: str, conf: Json, stdin: bytes) -> Json:
    """The IPAM plugin's result; that of any verb but ADD is empty."""
    name = conf["ipam"]["type"]
    paths = [os.path.join(directory, name) for directory in os.environ.get("CNI_PATH", "").split(":") if directory]
    found = [path for path in paths if os.path.isfile(path)]
    if "/" in name or not found:
        raise Failure(7, "ipam.type is no plugin in CNI_PATH", name)
    done = subprocess.run([found[0]], input=stdin, stdout=subprocess.PIPE, env={**os.environ, "CNI_COMMAND": verb})
    try:
        if done.returncode != 0:
            error = json.loads(done.stdout)
            raise Failure(error["code"], error["msg"], error.get("details", ""))
        given = parsed(json.loads(done.stdout) if verb == "ADD" else {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(999, f"{name} printed what is none of {verb}'s documents", repr(error)) from None
    if verb == "ADD" and not given["ips"]:
        raise Failure(999, f"{name} gave no address")
    return given
