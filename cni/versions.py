"""Specification versions: which there are, which verb came with which, how a result looks in each."""

from __future__ import annotations

from cni.errors import DecodingFailure, IncompatibleVersion

SUPPORTED = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = SUPPORTED[-1]
# A configuration without cniVersion predates the key (reference: pkg/version, "0.1.0").
WHEN_MISSING = "0.1.0"
FIRST_WITH = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def is_single_address(version: str) -> bool:
    """0.1.0 and 0.2.0 results hold one address per family and need at least one."""
    return version in SUPPORTED[:2]


def has_ip_version(version: str) -> bool:
    """0.3.0 to 0.4.0 name the family of every address."""
    return version in SUPPORTED[2:5]


def require(verb: str, version: str) -> None:
    """Refuse a version that we, or this verb, do not speak: code 1; junk: 6 (SPEC section 2)."""
    first = FIRST_WITH.get(verb)
    if first is not None and parse(version) < parse(first):
        details = f'config is "{version}", {verb} came with "{first}"'
        raise IncompatibleVersion(f"config version does not allow {verb}", details)
    if version not in SUPPORTED:
        listed = " ".join(f'"{name}"' for name in SUPPORTED)
        raise IncompatibleVersion("incompatible CNI versions", f'config is "{version}", plugin supports [{listed}]')


def parse(version: str) -> tuple[int, int, int]:
    """Up to three dotted whole numbers. Raises DecodingFailure (6)."""
    parts = version.split(".")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise DecodingFailure(f"cniVersion {version!r} is not a version", 'write it as "1.0.0"')
    numbers = [int(part) for part in parts] + [0, 0]
    return numbers[0], numbers[1], numbers[2]
