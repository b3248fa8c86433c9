"""How a host link says whose it is, so that GC and DEL find it without namespace, store or prevResult.

The alias names network, container id and ifname for people and GC; the alternative name is a digest of
the same, by which the kernel finds the link without a dump; the group marks every link of ours.
Names too long for IFALIASZ (256) stand as their digest: they are only ever compared.
"""

from __future__ import annotations

import os
from _blake2 import blake2b  # hashlib would load OpenSSL

from cni_veth.descriptor import Descriptor
from cni_veth.netns import OWN

GROUP = 0x636E69  # "cni"
PREFIX = "cni-veth"
LONGEST = 100
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def alias(network: str, owner: tuple[str, str]) -> str:
    """`cni-veth NETWORK CONTAINERID IFNAME`; none of the three can hold a space."""
    return " ".join((PREFIX, _short(network), _short(owner[0]), owner[1]))


def altname(network: str, owner: tuple[str, str]) -> str:
    """Unique among a node's links, as alternative names are."""
    return f"{PREFIX}-{_digest(' '.join((network, *owner)))}"


def ifb(network: str, owner: tuple[str, str]) -> str:
    """The name of an attachment's ifb: the reference's prefix and a digest as in the alternative name, 15 bytes."""
    return f"bwp{_digest(' '.join((network, *owner)))[:12]}"


def is_ours(text: str) -> bool:
    return text.startswith(f"{PREFIX} ")


def is_of_network(text: str, network: str) -> bool:
    return text.startswith(f"{PREFIX} {_short(network)} ")


def mac_of(name: str) -> str:
    """A MAC for a link of that name in this namespace, the same for whoever asks until the next boot."""
    file = Descriptor.open(BOOT_ID)
    boot_id = os.read(file.fd, 36)
    file.close()  # mypyc lets go of a variable after its last use
    seed = f"{boot_id!r} {os.stat(OWN).st_ino} {name}"
    return f"02:{':'.join(_digest(seed)[at : at + 2] for at in range(0, 10, 2))}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"#{_digest(text)}"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
