#!/usr/bin/env -S python3 -IS
"""A right CNI plugin, as small as it can be: pods on a bridge, addresses from its own files or from an IPAM plugin.

The judge is judged by it: it passes every case, and each mutant of it (../mutants.json: exact replacements in these
texts) fails the cases that name its fault. It is no plugin for use: a lock is waited for without end, say.
Keys: bridge, mtu, dns; ipam {type: "built-in", dataDir, ranges [[{subnet, gateway?, rangeStart?, rangeEnd?}]],
routes} or {type: a plugin in CNI_PATH}; runtimeConfig {mac}. This file: the verbs; what each returns is printed.
"""

import json
import os
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from addresses import delegate, free, locked, release, reservations, reserve
from attachment import connect, exists, faults, host_link, pod_namespace, remove
from request import VERSIONS, Failure, Json, decode, environment, is_built_in, me, owner, receive, supported, validate
from results import parsed, shaped


def main() -> int:
    version = VERSIONS[-1]
    try:
        verb = environment()
        stdin = receive()
        conf = decode(stdin, verb)
        if verb == "VERSION":
            output: Json | None = {"cniVersion": conf.get("cniVersion", version), "supportedVersions": VERSIONS}
        else:
            version = supported(conf, verb)
            validate(conf)
            output = VERBS[verb](conf, stdin)
    except Failure as failure:
        return report(version, *failure.args)
    except OSError as error:
        return report(version, 5, "input or output failed", str(error))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        return report(version, 7, "the configuration is malformed", repr(error))
    if output is not None:
        print(json.dumps(output))
    return 0


def report(version: str, code: int, msg: str, details: str) -> int:
    print(json.dumps({"cniVersion": version, "code": code, "msg": msg, "details": details}))
    return 1


def add(conf: Json, stdin: bytes) -> Json:
    netns = pod_namespace()
    if exists(host_link(conf, me())):
        raise Failure(4, "CNI_CONTAINERID has CNI_IFNAME on this network already")
    try:
        given = reserve(conf) if is_built_in(conf) else delegate("ADD", conf, stdin)
        return shaped(connect(conf, given, netns), conf.get("cniVersion", VERSIONS[0]))
    except Exception:
        try:
            delete(conf, stdin)
        except Exception:
            pass
        raise


def delete(conf: Json, stdin: bytes) -> None:
    try:
        remove(host_link(conf, me()))
    finally:
        if is_built_in(conf):
            release(conf)
        else:
            delegate("DEL", conf, stdin)


def check(conf: Json, stdin: bytes) -> None:
    netns = pod_namespace()
    if not conf.get("prevResult"):
        raise Failure(7, "prevResult is missing")
    found = list(faults(conf, parsed(conf["prevResult"]), netns))
    if found:
        raise Failure(102, "the attachment is broken", "; ".join(found))
    if not is_built_in(conf):
        delegate("CHECK", conf, stdin)


def collect(conf: Json, stdin: bytes) -> None:
    if not is_built_in(conf):
        delegate("GC", conf, stdin)
        return
    valid = conf.get("cni.dev/valid-attachments", conf.get("cni.dev/attachments"))
    if valid is None:
        return
    kept = {owner(item["containerID"], item["ifname"]) for item in valid}
    errors = []
    with locked(conf) as directory:
        for path, holder in reservations(directory):
            if holder not in kept:
                try:
                    remove(host_link(conf, holder))
                    os.unlink(path)
                except (Failure, OSError) as error:
                    errors.append(str(error))
    if errors:
        raise Failure(5, "some could not be removed", "; ".join(errors))


def status(conf: Json, stdin: bytes) -> None:
    if not is_built_in(conf):
        delegate("STATUS", conf, stdin)
        return
    try:
        with locked(conf) as directory:
            for pool in conf["ipam"]["ranges"]:
                free(directory, pool)
    except (OSError, Failure) as error:
        raise Failure(50, "no address can be given", str(error)) from None


VERBS: dict[str, Callable[[Json, bytes], Json | None]] = {
    "ADD": add,
    "DEL": delete,
    "CHECK": check,
    "GC": collect,
    "STATUS": status,
}


if __name__ == "__main__":
    sys.exit(main())
