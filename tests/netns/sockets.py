"""Servers and clients in namespaces: a socket stays in the namespace it was made in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.world.namespace import Namespace

SECONDS = 5.0
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def opened(namespace: Namespace, ip: str, kind: socket.SocketKind = TCP) -> socket.socket:
    with namespace.entered():
        made = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, kind)
    made.settimeout(SECONDS)
    return made


@contextmanager
def server(namespace: Namespace, ip: str, port: int, kind: socket.SocketKind = TCP, says: str = "") -> Iterator[None]:
    """Answers everybody with `says`, a space and the address that it saw."""
    listener = opened(namespace, ip, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ip, port))
    if kind == TCP:
        listener.listen()
    thread = threading.Thread(target=_serve, args=(listener, kind, says), daemon=True)
    listener.settimeout(None)
    thread.start()
    try:
        yield
    finally:
        if kind == TCP:
            listener.shutdown(socket.SHUT_RDWR)
        else:
            with namespace.entered(), socket.socket(listener.family, kind) as last:
                last.sendto(b"end", (ip, port))
        thread.join(SECONDS)
        listener.close()


def _serve(listener: socket.socket, kind: socket.SocketKind, says: str) -> None:
    while True:
        try:
            if kind == TCP:
                connection, sender = listener.accept()
                with connection:
                    connection.sendall(f"{says} {sender[0]}".encode())
            else:
                data, sender = listener.recvfrom(100)
                if data == b"end":
                    return
                listener.sendto(f"{says} {sender[0]}".encode(), sender)
        except OSError:
            return


def answer(
    namespace: Namespace,
    ip: str,
    port: int,
    kind: socket.SocketKind = TCP,
    source: tuple[str, int] | None = None,
    seconds: float = SECONDS,
) -> str:
    """What a server there says. OSError, TimeoutError among it, where none does."""
    with opened(namespace, ip, kind) as client:
        client.settimeout(seconds)
        if source is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(source)
        client.connect((ip, port))
        if kind == UDP:
            client.send(b"?")
        return client.recv(200).decode().strip()
