"""One warm worker: a single thread that serves one call after the other, each in its caller's place."""

from __future__ import annotations

import gc
import select
import signal
import socket
import sys

from cni import signals, skel
from cni_veth import aside, connection, features
from cni_veth.__main__ import NAMES
from cni_veth.connection import Connection, Declined
from cni_veth.pool import Pool
from cni_veth.visit import Home, Visit, objection, unreachable

ON_DEMAND = ("cni_veth.bandwidth", "cni_veth.tuning", *features.PRELOADED)  # loaded where a network asks for it


class Worker:
    """Serves the `listener` until `life` can be read: its other end is closed with the server's end."""

    def __init__(self, listener: socket.socket, life: int, pool: Pool, number: int, build: str) -> None:
        self._listener = listener
        self._life = life
        self._pool = pool
        self._number = number
        self._build = build

    def run(self, idle_seconds: float | None) -> None:
        """In a process of its own; ends by itself after so many seconds without a call."""
        for number in (*signals.ENDING, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)  # the server says when to end, a caller when to stop
        signals.own = ()
        aside.start, aside.close = aside.in_thread, aside.close_in_thread
        connection.prepare()
        self._home = Home()
        poll = select.epoll()
        poll.register(self._listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)  # a caller wakes one worker, not all
        poll.register(self._life, select.EPOLLIN)
        while True:
            ready = dict(poll.poll(idle_seconds))
            if self._life in ready or not ready:
                return
            try:
                caller = Connection(self._listener)
            except OSError:
                continue  # another worker was faster, or the launcher is gone
            with caller:
                self._pool.begin(self._number)
                self._pool.end(self._number, self._serve(caller, *caller.peer()))
            if caller.was_interrupted:
                return  # an exception between any two steps may have left a descriptor open, or a lock held

    def _serve(self, caller: Connection, pid: int, uid: int) -> bool:
        """Whether the call was answered here."""
        request = caller.receive(self._build) if uid == 0 else None
        if caller.is_stranger:
            self._pool.meet_stranger()
        if request is None:
            return False  # without a word: the launcher takes that as "no server here"
        try:
            problem = objection(pid) or unreachable(request)
            if problem or request.name not in NAMES:
                raise Declined(problem or f"no plugin is called {request.name!r}")
            if not caller.take(request):
                return False
            with Visit(self._home, request, pid):
                caller.watch()
                code = caller.close(*skel.answer(lambda: sys.modules[NAMES[request.name]], request.environ, caller))
            if code != 0:
                gc.collect()  # an error holds, by its traceback, the locks and sockets of the call
            return True
        except Declined:
            caller.decline()
            return False
        finally:
            signals.hold()
            request.close()


def preload() -> None:
    """Everything that a call may need: in the mount namespace of a caller there may be nothing to load it from."""
    import difflib
    import traceback

    for module in (*NAMES.values(), *ON_DEMAND):
        __import__(module)
    assert difflib and traceback
    gc.collect()
    gc.freeze()  # keeps the pages shared between the workers
