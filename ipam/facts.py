"""What is known of a lease beside its owner, so that its death can be proven: an extended attribute of its file.

    user.cni-ipam = version (1 byte); boot, time, namespace, the link's namespace, the path's last part (4 bytes each,
                    big-endian); the link if it is veth and 11 hexadecimal digits (6 bytes); then, parted by NULs and
                    without those at the end: pod, the path's directory if it is not the usual one, any other link

Namespaces are inodes, times unix seconds; boot and the path's last part are digests. 0 and "" are unknown. An inode of
256 bytes, ext4's, has room for a value of 64, which is a pod's name of 37; for more it takes a block, and 70 µs to free
it. The attribute comes and goes with the file, which host-local reads, writes and copies without it. It is never
believed against the file: its time is the file's mtime, which whoever rewrites it in place moves.
"""

from __future__ import annotations

import errno
import os
import time
from _blake2 import blake2b  # hashlib would load OpenSSL

from cni.request import Request
from ipam.conf import pod

ATTRIBUTE = "user.cni-ipam"
VERSION = b"\x02"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
OWN_NETNS = "/proc/thread-self/ns/net"
USUAL = "/var/run/netns"  # containerd's and CRI-O's
LINK, TEXTS = 21, 27  # where they begin
ROUNDING = 1  # seconds; of an mtime, and of what a filesystem keeps of it


class Facts:
    """`link` is a name in the namespace `link_netns`; `netns` is what `entry` of `directory` led to.

    `boot` and `entry` are a `digest`, `netns` and `link_netns` inodes, `time` is in unix seconds. 0 and "" are unknown.
    """

    __slots__ = ("boot", "directory", "entry", "link", "link_netns", "netns", "pod", "time")

    def __init__(
        self, boot: int, netns: int, link: str, link_netns: int, seconds: int, pod: str, directory: str, entry: int
    ) -> None:
        self.boot = boot
        self.netns = netns
        self.link = link
        self.link_netns = link_netns
        self.time = seconds
        self.pod = pod
        self.directory = directory
        self.entry = entry


def of(request: Request) -> Facts:
    """What this ADD can say of its leases."""
    path = request.netns
    # what /proc/self is depends on who asks, so it proves nothing
    is_fixed = path.startswith("/") and not path.startswith(("/proc/self/", "/proc/thread-self/"))
    directory, _, entry = path.rpartition("/")
    link_netns = own_netns()
    link = request.host_link if link_netns else ""
    identity = netns(path) if is_fixed else 0
    return Facts(boot(), identity, link, link_netns if link else 0, 0, pod(request), directory, digest(entry))


def encode(facts: Facts) -> bytes:
    number = _number(facts.link)
    numbers = (facts.boot, facts.time, facts.netns, facts.link_netns, facts.entry)
    texts = (facts.pod, "" if facts.directory == USUAL else facts.directory, "" if number else facts.link)
    words = [VERSION, *(value.to_bytes(4, "big") for value in numbers), number.to_bytes(6, "big")]
    return b"".join((*words, os.fsencode("\0".join(texts).rstrip("\0"))))


def decode(data: bytes) -> Facts | None:
    """None for what cannot be read or is of another version."""
    if data[:1] != VERSION or len(data) < TEXTS:
        return None
    boot, seconds, netns, link_netns, entry = (int.from_bytes(data[at : at + 4], "big") for at in range(1, LINK, 4))
    number = int.from_bytes(data[LINK:TEXTS], "big")
    texts = [*os.fsdecode(data[TEXTS:]).split("\0"), "", ""]
    link = f"veth{number:011x}" if number else texts[2]
    return Facts(boot, netns, link, link_netns, seconds, texts[0], texts[1] or USUAL, entry)


def read(fd: int) -> Facts | None:
    """Of an open lease; None where there are none that belong to what stands in it."""
    try:
        found = decode(os.getxattr(fd, ATTRIBUTE))
        return found if found is not None and abs(os.fstat(fd).st_mtime - found.time) <= ROUNDING else None
    except OSError:
        return None


def write(fd: int, known: Facts, seconds: int) -> bool:
    """Give them to an open lease, whose mtime that is; False where the filesystem has none of it."""
    try:
        known.time = seconds
        os.setxattr(fd, ATTRIBUTE, encode(known))
    except (OSError, OverflowError):  # a clock before 1970 or after 2106
        return False
    return True


def remove(fd: int) -> None:
    """Raises OSError."""
    try:
        os.removexattr(fd, ATTRIBUTE)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise


def boot() -> int:
    """This one; 0 where it cannot be read."""
    try:
        fd = os.open(BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return digest(os.read(fd, 64).decode("ascii", "replace").strip())
    except OSError:
        return 0
    finally:
        os.close(fd)


def booted() -> float:
    """When this boot began, in unix seconds of the clock as it is set now."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def netns(path: str) -> int:
    """Which namespace a path leads to; 0 where there is none."""
    try:
        return inode(os.stat(path))
    except (OSError, ValueError):
        return 0


def inode(status: os.stat_result) -> int:
    """A namespace's has 32 bits, all of them nsfs's."""
    return status.st_ino & 0xFFFFFFFF


def own_netns() -> int:
    return netns(OWN_NETNS)


def digest(text: str) -> int:
    """Two that are equal by chance pass for the same, which proves no death. 0 of ""."""
    return int.from_bytes(blake2b(os.fsencode(text), digest_size=4).digest(), "big") if text else 0


def _number(link: str) -> int:
    """In a name as cni-veth chooses them; 0 of any other."""
    try:
        number = int(link[4:], 16)
    except ValueError:
        return 0
    return number if link == f"veth{number:011x}" and len(link) == 15 else 0
