"""`cni-veth reconcile`: the rules of this node's pods back into nftables, after `nft flush ruleset` or firewalld."""

from __future__ import annotations

import os
import sys

from cni.errors import CNIError
from cni.request import RUN_DIR
from cni_veth.netlink import Socket
from cni_veth.nft import attachment
from cni_veth.nft.transaction import Netfilter
from cni_veth.records import Records, words

HELP = """usage: cni-veth reconcile [--quiet]

Puts back what the pods of this node need in nftables (masquerade, host ports, guards, policies) and is missing. What is
there stays, no connection is cut, and no other program's table is touched. The next ADD of a pod with rules does the
same, but only where whole sets are gone, as after `nft flush ruleset`: emptied chains it does not see.

--quiet: nothing is said where nothing was missing.

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
        problems, missing = _put_back(records, environ)
    except CNIError as error:
        problems, missing = [f"{error.msg}; {error.details}" if error.details else error.msg], 0
    told = problems or ([] if is_quiet and not missing else [f"{missing} pods' rules were missing and are back"])
    sys.stderr.write("".join(f"cni-veth: {line}\n" for line in told))
    return 1 if problems else 0


def _put_back(records: Records, environ: dict[str, str]) -> tuple[list[str], int]:
    """The problems, and how many pods lacked something before. Raises CNIError."""
    if not os.path.isdir(records.directory):
        return [], 0  # no pod of this node has rules
    netfilter, host = Netfilter(), Socket()
    if not attachment.lacking(netfilter, attachment.living(host, records)):
        return [], 0  # so that no ADD waits for a look
    records.claim()
    missing = attachment.lacking(netfilter, attachment.living(host, records))
    if not missing:
        return [], 0
    problems = attachment.restore(netfilter, host, records, environ)
    left = attachment.lacking(netfilter, missing)
    if left:
        problems.append(f"rules of {words(left)} are still missing")
    return problems, sum(not record.is_of_link for record in missing)
