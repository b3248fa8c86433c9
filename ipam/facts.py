"""What is known of a lease beside its owner, so that its death can be proven: an extended attribute of its file.

    user.cni-ipam = 1 <boot id> <st_dev>:<st_ino> <link>@<st_ino> <unix seconds> <namespace>/<name> <CNI_NETNS>

The pod's network namespace; the host's link and the namespace that it is in; when; Kubernetes' name of the pod; the
path. "-" is unknown. The attribute comes and goes with the file, which host-local reads, writes and copies without it.
It is never believed against the file: these seconds are its mtime, which whoever rewrites it in place moves.
"""

from __future__ import annotations

import errno
import os

from cni.request import Request
from ipam.conf import pod

ATTRIBUTE = "user.cni-ipam"
VERSION = "1"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
OWN_NETNS = "/proc/thread-self/ns/net"
UNKNOWN = "-"
FIELDS = 7
ROUNDING = 1  # seconds; of an mtime, and of what a filesystem keeps of it


class Facts:
    """As text, "" where unknown; `time` is in unix seconds. `link` is a name in the namespace `link_netns`."""

    __slots__ = ("boot", "link", "link_netns", "netns", "path", "pod", "time")

    def __init__(self, boot: str, netns: str, link: str, link_netns: str, seconds: int, pod: str, path: str) -> None:
        self.boot = boot
        self.netns = netns
        self.link = link
        self.link_netns = link_netns
        self.time = seconds
        self.pod = pod
        self.path = path


def of(request: Request) -> Facts:
    """What this ADD can say of its leases."""
    path = request.netns
    # what /proc/self is depends on who asks, so it proves nothing
    identity = "" if not path.startswith("/") or path.startswith(("/proc/self/", "/proc/thread-self/")) else netns(path)
    link, link_netns = request.host_link, own_netns()
    if not link_netns:
        link = ""
    return Facts(boot_id(), identity, link, link_netns if link else "", 0, pod(request), path)


def encode(facts: Facts) -> bytes:
    link = f"{facts.link}@{facts.link_netns}" if facts.link else ""
    words = (VERSION, facts.boot, facts.netns, link, str(facts.time), facts.pod)
    return os.fsencode(" ".join((*(_word(text) for text in words), facts.path)))


def decode(data: bytes) -> Facts | None:
    """None for what cannot be read or is of another version."""
    words = os.fsdecode(data).split(" ", FIELDS - 1)
    if len(words) != FIELDS or words[0] != VERSION or not words[4].isdecimal():
        return None
    _, boot, identity, link, seconds, pod_name, path = ("" if word == UNKNOWN else word for word in words)
    name, _, link_netns = link.partition("@")
    return Facts(boot, identity, name if link_netns else "", link_netns, int(seconds), pod_name, path)


def read(fd: int) -> Facts | None:
    """Of an open lease; None where there are none that belong to what stands in it."""
    try:
        found = decode(os.getxattr(fd, ATTRIBUTE))
        return found if found is not None and abs(os.fstat(fd).st_mtime - found.time) <= ROUNDING else None
    except OSError:
        return None


def write(fd: int, known: Facts) -> bool:
    """Give them to an open lease, with its own time; False where the filesystem has none of it."""
    try:
        known.time = int(os.fstat(fd).st_mtime)
        os.setxattr(fd, ATTRIBUTE, encode(known))
    except OSError:
        return False
    return True


def remove(fd: int) -> None:
    """Raises OSError."""
    try:
        os.removexattr(fd, ATTRIBUTE)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise


def boot_id() -> str:
    """ "" where it cannot be read."""
    try:
        fd = os.open(BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 64).decode("ascii", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(fd)


def netns(path: str) -> str:
    """Which namespace a path leads to; "" where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{status.st_dev}:{status.st_ino}"


def own_netns() -> str:
    return netns(OWN_NETNS).partition(":")[2]


def _word(text: str) -> str:
    return text if text and not any(letter.isspace() for letter in text) else UNKNOWN
