"""Whatever we, host-local, an admin and crashes do in turn, the index finds what a listing finds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from ipam.lease import Owner, is_of, owner_content
from ipam.ranges import IP, ip_text
from ipam.store import Store
from tests.unit.ipam_disk import abandon, collect, make

OWNERS = [("c1", "eth0"), ("c1", "eth1"), ("c2", "eth0")]
Step = Callable[[Path, IP, Owner], None]


def inside(path: Path, what: Callable[[Store], object]) -> None:
    with make(path.parent) as store:
        what(store)


def ours_reserves(path: Path, ip: IP, owner: Owner) -> None:
    inside(path, lambda store: store.reserve(ip, owner, 0))


def ours_releases(path: Path, ip: IP, owner: Owner) -> None:
    inside(path, lambda store: store.release(owner))


def ours_collects(path: Path, ip: IP, owner: Owner) -> None:
    collect(path, owner)


def ours_probes(path: Path, ip: IP, owner: Owner) -> None:
    inside(path, lambda store: store.probe())


def ours_dies_after_a_reservation(path: Path, ip: IP, owner: Owner) -> None:
    store = make(path.parent)
    store.reserve(ip, owner, 0)
    abandon(store)


def ours_takes_back(path: Path, ip: IP, owner: Owner) -> None:
    store = make(path.parent)
    store.leases_of(owner)
    store.reserve(ip, owner, 0)
    store.__exit__(KeyboardInterrupt)


def theirs_reserves(path: Path, ip: IP, owner: Owner) -> None:
    try:
        fd = os.open(path / ip_text(ip), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    os.write(fd, owner_content(owner))
    os.close(fd)


def theirs_releases(path: Path, ip: IP, owner: Owner) -> None:
    for name in os.listdir(path):
        if (path / name).read_bytes() == owner_content(owner):
            (path / name).unlink()


def older_reserves(path: Path, ip: IP, owner: Owner) -> None:
    theirs_reserves(path, ip, (owner[0], ""))


def admin_removes(path: Path, ip: IP, owner: Owner) -> None:
    (path / ip_text(ip)).unlink(missing_ok=True)


def admin_empties(path: Path, ip: IP, owner: Owner) -> None:
    if (path / ip_text(ip)).exists():
        (path / ip_text(ip)).write_text("")


STEPS: list[Step] = [
    ours_reserves,
    ours_releases,
    ours_collects,
    ours_probes,
    ours_dies_after_a_reservation,
    ours_takes_back,
    theirs_reserves,
    theirs_releases,
    older_reserves,
    admin_removes,
    admin_empties,
]
IPS = st.builds(lambda number: (4, 0x0A010000 + number), st.integers(2, 9))


@given(st.lists(st.tuples(st.sampled_from(STEPS), IPS, st.sampled_from(OWNERS)), max_size=25))
def test_the_index_finds_what_a_listing_finds(steps: list[tuple[Step, IP, Owner]]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "net1"
        make(directory).__exit__(None)
        for step, ip, owner in steps:
            step(path, ip, owner)
            with make(directory) as store:
                found = {each: set(store.leases_of(each)) for each in OWNERS}
                leases = store.leases().items()
            assert found == {each: {ip for ip, content in leases if is_of(content, each)} for each in OWNERS}
