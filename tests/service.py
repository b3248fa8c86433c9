"""The demo's warm server, or none: started and stopped on the page, its count held against what the kernel saw."""

from __future__ import annotations

from pathlib import Path

from tests.installation import Installation
from tests.page import Page
from tests.world import Node
from tests.world.server import Server, until

WORKERS = 2


class Service:
    """`socket` is a CNI_VETH_SOCKET that was set from outside; None: there shall be a server of our own."""

    def __init__(self, page: Page, node: Node, installed: Installation, socket: str | None) -> None:
        self.page = page
        self.node = node
        self.installed = installed
        self.socket = socket

    def start(self) -> None:
        if self.socket is None:
            self._start_own()
        else:
            self.page.step("Start no server: CNI_VETH_SOCKET is set; where nobody listens, the standalone is used")
            self.node.server = self.socket
            there = "a socket" if self._is_there else "where nobody listens"
            self.page.tell("CNI_VETH_SOCKET", f"{self.socket!r}, {there}")

    def stop(self) -> None:
        made, served = self.installed.made, self.installed.served
        if self.socket is None:
            self._stop_own(made, served)
        else:
            self.page.step("Who handled the calls")
            holds = made > 0 and (served == 0 or self._is_there)
            self.page.claim("standalone", f"{made - served} of {made} calls", holds, f"{served} served")

    def _start_own(self) -> None:
        self.page.step("Start the warm server, which the launchers hand their calls to")
        self.server = Server(self.node, "--workers", str(WORKERS), bin=self.installed.bin)
        self.node.server = self.server.socket
        until(lambda: len(self.server.workers()) == WORKERS)
        self.page.tell("command", Path(f"/proc/{self.server.pid}/cmdline").read_text().replace("\0", " "))
        self.page.tell("cni-vethd", f"pid {self.server.pid}, workers {' '.join(map(str, self.server.workers()))}")
        self.page.tell("CNI_VETH_SOCKET", self.server.socket)

    def _stop_own(self, made: int, served: int) -> None:
        self.page.step("Stop the server")
        words = self.server.stop()
        text = f"{made} calls were made and {served} handed over; it says: {words.splitlines()[-1]}"
        self.page.claim("cni-vethd", text, made == served == self.server.served, words)
        self.page.claim("socket", "removed", not Path(self.server.socket).exists())

    @property
    def _is_there(self) -> bool:
        return Path(self.socket or "").is_socket()
