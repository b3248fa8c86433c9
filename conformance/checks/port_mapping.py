"""A connection from outside to a port of the node ends in the pod."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance import outside
from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player


def check(player: "Player", host: int, container: int, pod: int = 1) -> Iterator[Complaint]:
    """After an ADD of that pod, with a default route in it; TCP."""
    outside.build(player.world)
    server = outside.within(player.world, pod, lambda: outside.listener(container))
    client = outside.within(player.world, None, outside.stream)
    with server, client:
        try:
            client.connect((outside.NODE, host))
            connection, _ = server.accept()
            connection.close()
        except OSError as error:
            yield Complaint(f"port {host} of the node leads to port {container} of the pod", str(error))
