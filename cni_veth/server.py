"""`cni-vethd`: warm workers for the launchers of this node. No state: kill it at any instant and nothing is lost.

This process only watches: it forks workers, replaces those that die, adds some while all are stuck, and becomes the
new version when another program takes its place on disk. The workers accept by themselves.
"""

from __future__ import annotations

import getopt
import os
import select
import signal
import socket
import sys
import time

from cni.delegate import clean
from cni.stderr import tell
from cni_veth import listen, pool, worker
from cni_veth.__main__ import SERVER, VERSION
from cni_veth.upgrade import Program

SOCKET = "/run/cni-veth/cni-vethd.sock"  # the launcher's
WORKERS = 2
IDLE_SECONDS = 30.0  # after which a worker beyond the usual number ends
STUCK_SECONDS = 0.05  # all serve, none gets ready, callers wait: one more worker
GONE_SECONDS = 5.0  # the program's path may be missing for a moment while it is replaced
CRASH_SECONDS = 1.0  # between two workers of which the first lived no longer
END_SECONDS = 20.0  # for the calls under way
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGIO, signal.SIGHUP, signal.SIGUSR1)
HELP = f"""cni-vethd {VERSION}: serves the calls of the CNI plugins beside it from warm processes.

  cni-vethd [--socket PATH] [--workers N]

  --socket PATH  where launchers look for it ({SOCKET}; theirs is moved by CNI_VETH_SOCKET)
  --workers N    processes at rest, 1 to {pool.LIMIT} ({WORKERS}); more come while all of them wait

SIGUSR1 makes it say how many calls it has served, SIGTERM ends it when the calls under way are done.
Started by systemd with a socket of its own (cni-veth.socket) it takes that. Without it, or while it is stopped, the
plugins work all the same, only slower.
"""


class Server:
    def __init__(self, listener: socket.socket, workers: int, program: Program) -> None:
        self._listener = listener
        self._usual = workers
        self._program = program
        self._build = program.build
        self._pool = pool.Pool()
        self._life, self._own_life = os.pipe2(os.O_CLOEXEC)
        self._workers: dict[int, tuple[int, float]] = {}  # pid: (number, when it was forked)
        self._not_before = 0.0
        self._gone_since = 0.0
        self._is_ending = self._is_changed = False
        self._listen_to_signals()

    def run(self) -> None:
        """Until SIGTERM or SIGINT, or until the program is uninstalled."""
        self._listener.setblocking(False)
        signal.set_wakeup_fd(self._pool.alarm, warn_on_full_buffer=False)
        self._program.watch()
        self._is_changed = True  # it may have been, since we were executed
        wakeup = select.poll()
        wakeup.register(self._pool.wakeup, select.POLLIN)
        served = 0
        while not self._is_ending:
            self._reap()  # also those of the version before, whose end nobody may have told
            self._is_changed |= self._pool.has_met_stranger()
            self._renew()
            self._fill()
            if wakeup.poll(self._patience()):
                os.read(self._pool.wakeup, 4096)
            if self._pool.is_busy and self._pool.served == served and self._has_waiting():
                self._grow()
            served = self._pool.served
        self._finish()
        self._tell()

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        for number in (signal.SIGIO, signal.SIGHUP):
            signal.signal(number, self._look)
        signal.signal(signal.SIGUSR1, self._tell)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _end(self, number: int, frame: object) -> None:
        self._is_ending = True

    def _tell(self, number: int = 0, frame: object = None) -> None:
        tell(f"{SERVER}: {self._pool.served} calls served, {len(self._workers)} workers\n".encode())

    def _look(self, number: int, frame: object) -> None:
        self._is_changed = True

    def _patience(self) -> float | None:
        """Milliseconds until something must be looked at although nothing happened; None: there is nothing."""
        if self._workers and self._pool.is_busy_still():
            return STUCK_SECONDS * 1000
        if self._gone_since or len(self._workers) < self._usual:
            return CRASH_SECONDS * 1000
        return None

    def _fill(self) -> None:
        for number in self._free(self._usual):
            if time.monotonic() >= self._not_before:
                self._fork(number, None)

    def _grow(self) -> None:
        for number in self._free(pool.LIMIT)[:1]:
            self._fork(number, IDLE_SECONDS)

    def _free(self, count: int) -> list[int]:
        """Which of the first so many numbers no worker has."""
        taken = {number for number, _ in self._workers.values()}
        return [number for number in range(count) if number not in taken]

    def _fork(self, number: int, idle_seconds: float | None) -> None:
        self._pool.set(number, pool.IDLE)
        try:
            pid = os.fork()
        except OSError as error:
            tell(f"{SERVER}: cannot fork: {error.strerror}\n".encode())
            self._pool.set(number, pool.ABSENT)
            self._not_before = time.monotonic() + CRASH_SECONDS
            return
        if pid:
            self._workers[pid] = number, time.monotonic()
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            os.setpgid(0, 0)  # Ctrl-C is for the server, which lets us finish
            os.close(self._own_life)
            self._program.forget()
            worker.Worker(self._listener, self._life, self._pool, number, self._build).run(idle_seconds)
            code = 0
        except BaseException as error:
            tell(f"{SERVER}: worker {os.getpid()}: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number, born = self._workers.pop(pid, (None, 0.0))
            if number is None:
                continue  # of the version that this process was before
            self._pool.set(number, pool.ABSENT)
            code = os.waitstatus_to_exitcode(status)
            if code != 0:
                tell(f"{SERVER}: worker {pid} ended with {code}\n".encode())
                if time.monotonic() - born < CRASH_SECONDS:
                    self._not_before = time.monotonic() + CRASH_SECONDS

    def _has_waiting(self) -> bool:
        waiting = select.poll()
        waiting.register(self._listener, select.POLLIN)
        return bool(waiting.poll(0))

    def _renew(self) -> None:
        """Become the program that took our place; end where none did. The workers finish what they serve: the
        execve(2) that succeeds closes the pipe that keeps them, and the new server takes the same socket."""
        if not self._is_changed and not self._gone_since:
            return
        self._is_changed = False
        if self._program.is_gone:
            self._gone_since = self._gone_since or time.monotonic()
            self._is_ending = time.monotonic() - self._gone_since > GONE_SECONDS
            return
        self._gone_since = 0.0
        if self._program.is_replaced:
            self._tell()
            # Kept by execve(2), as handlers are not: what comes meanwhile would end us; so it waits.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            environ = clean(dict(os.environ)) | listen.pass_on(self._listener)
            try:
                os.execve(self._program.path, [self._program.path, *sys.argv[1:]], environ)
            except OSError as error:
                tell(f"{SERVER}: cannot become {self._program.path}: {error.strerror}\n".encode())
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _finish(self) -> None:
        os.close(self._own_life)
        deadline = time.monotonic() + END_SECONDS
        self._reap()
        wakeup = select.poll()
        wakeup.register(self._pool.wakeup, select.POLLIN)
        while self._workers and time.monotonic() < deadline:
            if wakeup.poll(max(0.0, deadline - time.monotonic()) * 1000):
                os.read(self._pool.wakeup, 4096)
            self._reap()


def main(arguments: list[str]) -> int:
    """The exit code: 0 ended as asked, 1 could not serve, 2 wrong arguments."""
    path, workers = SOCKET, WORKERS
    try:
        options, rest = getopt.getopt(arguments, "h", ["help", "socket=", "workers="])
        for name, value in options:
            if name == "--socket":
                path = os.path.abspath(value)
            elif name == "--workers":
                workers = int(value)
            else:
                tell(HELP.encode())
                return 0
        if rest or not 1 <= workers <= pool.LIMIT:
            raise ValueError(
                f"what is {rest[0]}?" if rest else f"--workers {workers} is not between 1 and {pool.LIMIT}"
            )
    except (getopt.GetoptError, ValueError) as error:
        tell(f"{SERVER}: {error}\n\n{HELP}".encode())
        return 2
    return _serve(path, workers)


def _serve(path: str, workers: int) -> int:
    try:
        listener = listen.inherited() or listen.make(path)
        path = path if listen.is_own() else listener.getsockname()
        worker.preload()
        server = Server(listener, workers, Program(sys.argv[0]))
        tell(f"{SERVER} {VERSION}: {workers} workers serve {path}\n".encode())
        server.run()
        listener.close()
        if listen.is_own():
            listen.remove(path)
    except (listen.Refused, OSError) as error:
        tell(f"{SERVER}: cannot serve {path}: {error}\n".encode())
        return 1
    return 0
