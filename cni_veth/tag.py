"""How a host link says whose it is, so that GC and DEL find it without namespace, store or prevResult.

The alias names network, container id and ifname for people and GC; the alternative name is a digest of
the same, by which the kernel finds the link without a dump; the group marks every link of ours.
Names too long for IFALIASZ (256) stand as their digest: they are only ever compared.
"""

from __future__ import annotations

from _blake2 import blake2b  # hashlib would load OpenSSL

GROUP = 0x636E69  # "cni"
PREFIX = "cni-veth"
LONGEST = 100


def alias(network: str, owner: tuple[str, str]) -> str:
    """`cni-veth NETWORK CONTAINERID IFNAME`; none of the three can hold a space."""
    return " ".join((PREFIX, _short(network), _short(owner[0]), owner[1]))


def altname(network: str, owner: tuple[str, str]) -> str:
    """Unique among a node's links, as alternative names are."""
    return f"{PREFIX}-{_digest(' '.join((network, *owner)))}"


def is_of_network(text: str, network: str) -> bool:
    return text.startswith(f"{PREFIX} {_short(network)} ")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"#{_digest(text)}"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
