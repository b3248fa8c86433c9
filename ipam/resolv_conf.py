"""DNS settings from a file in the form of resolv.conf(5), for `ipam.resolvConf`."""

from __future__ import annotations

from cni.errors import IOFailure
from cni.result import DNS


def read(path: str) -> DNS:
    """Raises IOFailure (5) when the file cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse(file.read())
    except OSError as error:
        raise IOFailure(
            f"cannot read ipam.resolvConf {path}: {error.strerror}",
            "name a file that exists on this node, or leave the key out",
        ) from None


def parse(text: str) -> DNS:
    """Every nameserver, search domain and option, the last domain; the rest is ignored, as resolver(3) does."""
    dns = DNS()
    for line in text.split("\n"):
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            dns.nameservers.append(words[1])
        elif words[0] == "domain":
            dns.domain = words[1]
        elif words[0] == "search":
            dns.search += words[1:]
        elif words[0] == "options":
            dns.options += words[1:]
    return dns
