"""Kernel parameters and link attributes of the pod: keys of the reference `tuning`, also in `args.cni`, which wins.

They go with the pod's namespace, so DEL has nothing to put back.
"""

from __future__ import annotations

from cni.conf import Section
from cni.errors import InvalidConfig, IOFailure
from cni.request import Request
from cni_veth import links, sysctl
from cni_veth.netlink import Socket
from cni_veth.netns import Netns
from cni_veth.wire import Attrs

KEYS = ("sysctl", "promisc", "allmulti", "txQLen")
ALLOWLIST = "/etc/cni/tuning/allowlist.conf"
PLACEHOLDER = "IFNAME"
MAX_QUEUE = 2**31 - 1


class Tuning:
    """`sysctls`: path below /proc/sys/net -> value; `flags`: the IFF_ bits among `mask` that shall be set."""

    def __init__(self, sysctls: dict[str, str], flags: int, mask: int, queue: int) -> None:
        self.sysctls = sysctls
        self.flags = flags
        self.mask = mask
        self.queue = queue  # packets; -1 leaves it

    @property
    def _changes_link(self) -> bool:
        return bool(self.mask) or self.queue >= 0

    def apply(self, pod: Socket, netns: Netns, index: int, name: str) -> None:
        """To the pod's link, `index` 0 where it has none. Raises KernelRefused (100), InvalidConfig (7)."""
        with netns:
            for path, value in self.sysctls.items():
                sysctl.write(path, value)
        if not self._changes_link:
            return
        if not index:
            raise InvalidConfig(
                f"promisc, allmulti and txQLen: there is no {name} in {netns.path}", "the adopted link has no end there"
            )
        attrs: Attrs = [("IFLA_TXQLEN", self.queue)] if self.queue >= 0 else []
        pod.ask(links.change(f"tune {name}", attrs, "", index, self.flags, self.mask))

    def differences(self, pod: Socket, netns: Netns, name: str) -> list[str]:
        """What CHECK finds. What was not asked for may be as it likes: a tcpdump makes a link promiscuous."""
        found = []
        with netns:
            values = {path: sysctl.read(path) for path in self.sysctls}
        for path, expected in self.sysctls.items():
            value = values[path]
            if value is None or value.split() != expected.split():  # the kernel writes tabs between several numbers
                found.append(f"net.{path.replace('/', '.')} is {value}, expected {expected}")
        link = links.find(pod, name) if self._changes_link else None
        if link is None:
            return found  # that it is missing others tell
        for flag, words in ((links.IFF_PROMISC, "promiscuous mode"), (links.IFF_ALLMULTI, "all-multicast mode")):
            if self.mask & flag and (link.flags ^ self.flags) & flag:
                on, off = ("on", "off") if self.flags & flag else ("off", "on")
                found.append(f"{words} of {name} is {off}, expected {on}")
        if self.queue >= 0 and link.queue != self.queue:
            found.append(f"txQLen of {name} is {link.queue}, expected {self.queue}")
        return found


def read(request: Request) -> Tuning | None:
    """What the network asks for. Raises InvalidConfig (7), IOFailure (5) for an allowlist that cannot be read."""
    conf, args = request.conf, request.conf.open_section("args").open_section("cni")
    flags = mask = 0
    length = -1
    for section in (conf, args):
        if section.has("promisc"):  # false, its default, leaves it alone
            flags = mask = mask & ~links.IFF_PROMISC | (links.IFF_PROMISC if section.boolean("promisc") else 0)
        length = section.integer("txQLen", high=MAX_QUEUE) if section.has("txQLen") else length
    for section in (conf, args):
        if section.has("allmulti"):
            mask |= links.IFF_ALLMULTI
            flags = flags & ~links.IFF_ALLMULTI | (links.IFF_ALLMULTI if section.boolean("allmulti") else 0)
    sysctls = _sysctls(request.ifname, conf.open_section("sysctl"), args.open_section("sysctl"))
    return Tuning(sysctls, flags, mask, length) if sysctls or mask or length >= 0 else None


def _sysctls(ifname: str, *sections: Section) -> dict[str, str]:
    """Path -> value; a later section wins over an earlier one."""
    found: dict[str, str] = {}
    for section in sections:
        own: dict[str, str] = {}
        for key in section.data:
            path = _path(section, key, ifname)
            if path in own:
                raise section.error(key, "names a parameter that another key names too", "keep one")
            own[path] = section.required(key)
        refused = _not_allowed(list(section.data)) if own else ""
        if refused:
            raise section.error(refused, "is not allowed on this node", f"allowed is what {ALLOWLIST} matches")
        found.update(own)
    return found


def _path(section: Section, key: str, ifname: str) -> str:
    """Below /proc/sys/net. Dots separate; or slashes where one comes first, as for sysctl(8), for names with dots."""
    parts = key.split("/") if "/" in key.partition(".")[0] else key.replace(".", "/").split("/")
    if parts[0] != "net" or len(parts) < 3 or not all(part.strip(".") for part in parts):
        raise section.error(key, "is not a parameter of the network", "e.g. net.ipv4.conf.IFNAME.arp_filter")
    return "/".join(parts[1:]).replace(PLACEHOLDER, ifname, 1)


def _not_allowed(keys: list[str]) -> str:
    """The first that no line of the node's allowlist allows; "" too where there is no such file.

    A line is a regular expression (Python's; the reference's are Go's) that is looked for in the key as it is written.
    """
    try:
        with open(ALLOWLIST, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise IOFailure(f"cannot read {ALLOWLIST}: {error}", "no sysctl is set while it cannot be read") from None
    import re  # 5 ms that only a node with an allowlist pays

    try:
        patterns = [re.compile(line) for line in lines if line]
    except re.error as error:
        raise InvalidConfig(f"{ALLOWLIST}: {error.pattern!r} is no regular expression", str(error)) from None
    return next((key for key in keys if not any(pattern.search(key) for pattern in patterns)), "")
