"""What a pod sends to a machine outside seems to come from the node."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance import outside
from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player

_PORT = 9999


def check(player: "Player", pod: int = 1) -> Iterator[Complaint]:
    """After an ADD of that pod, with a default route in it."""
    outside.build(player.world)
    receiver = outside.within(player.world, None, lambda: outside.datagram(_PORT))
    sender = outside.within(player.world, pod, outside.datagram)
    with receiver, sender:
        try:
            sender.sendto(b"conformance", (outside.ADDRESS, _PORT))
            _, (source, _) = receiver.recvfrom(100)
        except OSError as error:
            source = f"nothing: {error}"
    if source != outside.NODE:
        yield Complaint(f"a datagram of the pod reaches the outside from the node's address {outside.NODE}", source)
