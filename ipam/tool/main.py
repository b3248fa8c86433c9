"""`cni-ipam COMMAND`: the store as a person sees and mends it. Without arguments cni-ipam is a plugin.

Exit code: 0 done, 1 something is left undone or was found, 2 wrong usage.
"""

from __future__ import annotations

import os
import sys

from cni.errors import CNIError
from cni.request import RUN_DIR, is_identifier
from ipam import facts
from ipam.conf import DATA_DIR
from ipam.ranges import ip_text, parse_ip
from ipam.tool import changing, configured, page, reading, stats, transfer, verify
from ipam.tool.changing import Consent
from ipam.tool.network import Network, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

CONF_DIR = "/etc/cni/net.d"
ABOUT = """who has which address of a node's pod networks, and what is wrong with that

  cni-ipam list                       who has what
  cni-ipam show 10.22.0.5             all that is known of one: by address, container or NAMESPACE/POD
  cni-ipam stats                      how full the ranges are, with a map
  cni-ipam verify [--fix]             every inconsistency in words; mends what no pod can miss
  cni-ipam reclaim                    remove leases of what is provably gone
  cni-ipam free 10.22.0.5             remove these leases, whoever has them
  cni-ipam reserve 10.22.0.9          keep an address from pods and GC, until it is freed
  cni-ipam export > FILE              a network's leases, for another node's
  cni-ipam import FILE
"""
STATES = tuple(reading.STATES)


class WrongUsage(CNIError):
    """What argparse cannot know."""


def main(argv: list[str]) -> int:
    """The exit code. Answers go to stdout, questions and complaints to stderr."""
    try:
        options = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has said why
        return int(end.code or 0)
    try:
        return _run(options)
    except CNIError as error:
        page.complain(f"cni-ipam: {error.msg}" + (f"\n{error.details}" if error.details else ""))
        return 2 if isinstance(error, WrongUsage) else 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: Namespace) -> int:
    is_json = options.json
    if options.command == "import":
        name, leases = transfer.named(options.file)
        consent = Consent(options.yes, options.dry_run)
        return transfer.bring(_network(options, options.network or name), leases, consent, is_json)
    if options.command in ("reserve", "export"):
        one = _one(options)
        if options.command == "export":
            return transfer.export(one)
        consent = Consent(True, options.dry_run)
        return changing.reserve(one, options.ip, options.note, options.conf_dir, consent, is_json)
    networks = _all(options)
    if options.command == "list":
        return reading.list_leases(networks, options.state, is_json)
    if options.command == "show":
        return reading.show(networks, options.what, is_json)
    if options.command == "stats":
        return stats.stats(networks, options.conf_dir, is_json)
    consent = Consent(options.yes, options.dry_run)
    if options.command == "verify":
        others = [_network(options, name) for name in names(options.data_dir)]
        fix = consent if options.fix else None
        return verify.verify(networks, others, options.data_dir, options.conf_dir, fix, is_json)
    if options.command == "free":
        return changing.free(networks, options.what, consent, is_json)
    return changing.reclaim(networks, facts.booted() if options.before_boot else None, consent, is_json)


def _network(options: Namespace, name: str) -> Network:
    return Network(options.data_dir, name, os.environ.get("CNI_VETH_RUN_DIR") or RUN_DIR)


def _all(options: Namespace) -> list[Network]:
    """The network asked for, or every one that there is."""
    found = names(options.data_dir)
    place = configured.elsewhere(options.conf_dir, options.data_dir, options.network)
    text = f"{options.data_dir} ({place})" if place else options.data_dir
    if options.network:
        if options.network not in found:
            there = f"there is {', '.join(found) or 'none'}"
            raise WrongUsage(f"no network {options.network} in {text}", there)
        found = [options.network]
    elif not found:
        page.complain(f"no network in {text}")
    return [_network(options, name) for name in found]


def _one(options: Namespace) -> Network:
    """The network asked for, to reserve in also a new one, or the only one."""
    if options.network:
        return _network(options, options.network) if options.command == "reserve" else _all(options)[0]
    found = names(options.data_dir)
    if len(found) != 1:
        if found:
            there = f"--network, one of {', '.join(found)}"
        else:
            there = configured.elsewhere(options.conf_dir, options.data_dir) or "there is none yet: --network NAME"
        raise WrongUsage(f"which network of {options.data_dir}?", there)
    return _network(options, found[0])


def _what(text: str) -> str:
    """`cni-ipam free "$POD"` where the variable is not set means nothing, and least of all everything without a pod."""
    import argparse

    if not text:
        raise argparse.ArgumentTypeError("is empty: give an address, a container id or NAMESPACE/POD")
    return text


def _name(text: str) -> str:
    import argparse

    if text and not is_identifier(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a network")
    return text


def _ip(text: str) -> str:
    """As the plugins write it."""
    import argparse

    try:
        return ip_text(parse_ip(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _note(text: str) -> str:
    import argparse

    if "\n" in text or "\r" in text:
        raise argparse.ArgumentTypeError("must be one line")
    return text


def _parser() -> ArgumentParser:
    import argparse

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data-dir", default=DATA_DIR, metavar="DIR", help=f"ipam.dataDir; default {DATA_DIR}")
    common.add_argument("--network", type=_name, default="", metavar="NAME", help="this one alone; default all")
    common.add_argument(
        "--conf-dir", default=CONF_DIR, metavar="DIR", help=f"the node's networks and their ranges; default {CONF_DIR}"
    )
    common.add_argument("--json", action="store_true", help="for programs")
    dry = argparse.ArgumentParser(add_help=False)
    dry.add_argument("--dry-run", action="store_true", help="only show what would be done")
    asks = argparse.ArgumentParser(add_help=False, parents=[dry])
    asks.add_argument("--yes", action="store_true", help="do not ask")

    parser = argparse.ArgumentParser(
        prog="cni-ipam", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *parents: ArgumentParser) -> ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common, *parents])

    command("list", "who has what").add_argument("--state", choices=STATES, default="", help="only these")
    command("show", "all that is known of a lease").add_argument(
        "what", type=_what, metavar="IP|CONTAINER|NAMESPACE/POD"
    )
    command("stats", "how full the ranges are")
    check = command("verify", "every inconsistency; exit code 1 where one is left", asks)
    check.add_argument("--fix", action="store_true", help="mend what no pod can miss")
    dead = command("reclaim", "remove leases of what is provably gone", asks)
    dead.add_argument(
        "--before-boot",
        action="store_true",
        help="also those of unknown state, such as host-local's, that are older than this boot: on your word, and the "
        "clock's, which must not have been set forward since",
    )
    freed = command("free", "remove leases, whoever has them", asks)
    freed.add_argument("what", nargs="+", type=_what, metavar="IP|CONTAINER|NAMESPACE/POD")
    kept = command("reserve", "keep addresses from pods and GC", dry)
    kept.add_argument("ip", nargs="+", type=_ip, metavar="IP")
    kept.add_argument("--note", type=_note, default="by hand", help="what for")
    command("export", "a network's leases as JSON on stdout")
    command("import", "take over exported leases, all or none", asks).add_argument("file", metavar="FILE")
    return parser
