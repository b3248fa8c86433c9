"""`cni-veth reconcile`: the rules of this node's pods back into nftables, after `nft flush ruleset` or firewalld."""

from __future__ import annotations

import os
import sys

from cni.errors import CNIError
from cni.request import RUN_DIR
from cni_veth.netlink import Socket
from cni_veth.nft import attachment, elements, garbage
from cni_veth.nft.transaction import Netfilter
from cni_veth.records import Record, Records, words

HELP = """usage: cni-veth reconcile [--quiet]

Puts back what the pods of this node need in nftables (masquerade, host ports, guards, policies) and is missing. What is
there stays, no connection is cut, and no other program's table is touched. What lies there of pods that have neither
a link nor a note of ours any more goes. The next ADD of a pod with rules does the
same, but only where whole sets are gone, as after `nft flush ruleset`: emptied chains it does not see.

--quiet: nothing is said where there was nothing to do.

Exit code: 0 all is there, 1 some could not be put back, 2 wrong usage.
"""


def main(argv: list[str]) -> int:
    """The exit code. Everything is told on stderr."""
    is_quiet = argv == ["--quiet"]
    if argv and not is_quiet:
        sys.stderr.write(HELP)
        return 0 if argv[0] in ("--help", "-h") else 2
    environ = dict(os.environ)
    records = Records(environ.get("CNI_VETH_RUN_DIR") or RUN_DIR)
    try:
        problems, done = _put_in_order(records, environ)
    except CNIError as error:
        problems, done = [f"{error.msg}; {error.details}" if error.details else error.msg], []
    told = problems or done or ([] if is_quiet else ["0 pods' rules were missing"])
    sys.stderr.write("".join(f"cni-veth: {line}\n" for line in told))
    return 1 if problems else 0


def _put_in_order(records: Records, environ: dict[str, str]) -> tuple[list[str], list[str]]:
    """The problems, and what was done. Raises CNIError."""
    if not os.path.isdir(records.directory):
        return [], []  # no pod of this node has rules
    netfilter, host = Netfilter(), Socket()
    if not _lacking(netfilter, host, records) and not garbage.orphans(netfilter, host, records):
        return [], []  # so that no ADD waits for a look
    records.claim()
    problems, done = [], []
    dead = garbage.orphans(netfilter, host, records)
    if dead:
        netfilter.remove([elements.delete(element) for element in dead])
        done.append(f"{len(dead)} elements of pods that are gone were left and are removed")
    missing = _lacking(netfilter, host, records)
    if missing:
        problems = attachment.restore(netfilter, host, records, environ)
        left = attachment.lacking(netfilter, missing)
        if left:
            problems.append(f"rules of {words(left)} are still missing")
        done.append(f"{sum(not record.is_of_link for record in missing)} pods' rules were missing and are back")
    return problems, done


def _lacking(netfilter: Netfilter, host: Socket, records: Records) -> list[Record]:
    return attachment.lacking(netfilter, attachment.living(host, records))
