"""Finding a plugin in CNI_PATH and running it with our environment and stdin (SPEC section 4).

stdin, stdout and stderr of the delegate are memfds: nothing can deadlock, and a helper that
it leaves behind holding its stdout cannot delay us or the runtime.
"""

from __future__ import annotations

import errno
import os
import time

from cni import document
from cni.conf import Section
from cni.errors import (
    CNIError,
    DecodingFailure,
    DelegateFailed,
    DelegateMissing,
    InvalidConfig,
    InvalidEnvironment,
    IOFailure,
    TryAgainLater,
)
from cni.request import Request
from cni.result import Result
from cni.stderr import tell

# An executable that is being replaced cannot be run for a moment; the reference waits 5 s in all as well.
END_SECONDS = 3.0  # kubelet's own grace is longer
BUSY_WAITS = (0.05, 0.1, 0.25, 0.6, 1.5, 2.5)


def find(plugin_type: str, path: list[str]) -> str:
    """The first regular file of that name in `path`. Raises InvalidConfig (7), InvalidEnvironment (4)."""
    if not plugin_type or "/" in plugin_type or plugin_type in (".", ".."):
        raise InvalidConfig(f"ipam.type: {plugin_type!r} is not a plugin name", "name a file in CNI_PATH")
    if not path:
        raise InvalidEnvironment("CNI_PATH", f"is needed to find plugin {plugin_type!r}")
    for directory in path:
        candidate = os.path.join(directory, plugin_type)
        if os.path.isfile(candidate):
            return candidate
    raise DelegateMissing(f'failed to find plugin "{plugin_type}" in path {path}', "is it installed?")


def add(executable: str, request: Request) -> Result:
    """ADD of a delegate; when it fails its DEL is run before the error goes on (SPEC section 4)."""
    try:
        output = execute(executable, request, "ADD")
        return _result(executable, output, request.version)
    except BaseException:
        from cni import signals

        signals.hold()  # one that came now would break off the DEL
        try:
            execute(executable, request, "DEL")
        except CNIError:
            pass  # the ADD's error is the one to tell
        raise


def execute(executable: str, request: Request, verb: str) -> bytes:
    """Run one verb; its stdout. Raises DelegateFailed with the delegate's own code."""
    environ = request.environ | {"CNI_COMMAND": verb}
    status, output, noise = run([executable], environ, request.stdin)
    if status != 0:
        raise _failure(executable, verb, status, output, noise)
    if noise:
        tell(noise)
    return output


def run(argv: list[str], environ: dict[str, str], data: bytes, seconds: float = 0) -> tuple[int, bytes, bytes]:
    """A program with `data` on stdin: its exit code (a negative signal number), stdout, stderr. It is ended after
    `seconds`, if any.

    Raises IOFailure (5), TryAgainLater (11).
    """
    fds = stdin, stdout, stderr = (
        os.memfd_create("stdin"), os.memfd_create("stdout"), os.memfd_create("stderr")
    )  # fmt: skip
    try:
        os.write(stdin, data)
        os.lseek(stdin, 0, os.SEEK_SET)
        status = _run(argv, clean(environ), fds, seconds)
        return status, _content(stdout), _content(stderr)
    finally:
        for fd in fds:
            os.close(fd)


def clean(environ: dict[str, str]) -> dict[str, str]:
    """Without what PyInstaller's bootloader sets: a child would load our frozen libraries."""
    child = {
        key: value
        for key, value in environ.items()
        if not key.startswith(("_PYI_", "_MEI", "PYINSTALLER_")) and not key.startswith("LD_LIBRARY_PATH")
    }
    original = environ.get("LD_LIBRARY_PATH_ORIG")
    if original is None and "_PYI_ARCHIVE_FILE" not in environ:
        original = environ.get("LD_LIBRARY_PATH")
    return child if original is None else child | {"LD_LIBRARY_PATH": original}


def _run(argv: list[str], environ: dict[str, str], fds: tuple[int, int, int], seconds: float) -> int:
    """The exit code, a negative signal number. Raises IOFailure (5), TryAgainLater (11)."""
    for pause in (*BUSY_WAITS, None):
        try:
            return _run_once(argv, environ, fds, seconds)
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise IOFailure(f"cannot execute {argv[0]}", os.strerror(error.errno or 0)) from None
            if pause is not None:
                time.sleep(pause)
    raise TryAgainLater(f"{argv[0]} is being replaced", "text file busy")


def _run_once(argv: list[str], environ: dict[str, str], fds: tuple[int, int, int], seconds: float) -> int:
    import signal

    from cni import signals

    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)]
    pid = 0
    # Held back until somebody knows the delegate's pid and can end it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)
    try:
        defaults = signals.defaults()
        pid = os.posix_spawn(argv[0], argv, environ, file_actions=actions, setsigdef=defaults, setsigmask=mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if seconds:
            _watch(pid, argv[0], seconds)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:  # its time is up; or SIGTERM: the runtime gave up on us, so nobody waits for it either
        if pid:
            _end(pid)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _watch(pid: int, program: str, seconds: float) -> None:
    """Until it ends. Raises TryAgainLater (11) for one that does not in that time."""
    import select

    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return  # before Linux 5.3: it takes its time
    try:
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        if not waiting.poll(int(seconds * 1000)):
            raise TryAgainLater(f"{program} did not end within {seconds:g} s", "it was ended; is the node overloaded?")
    finally:
        os.close(fd)


def _end(pid: int) -> None:
    """SIGTERM, and SIGKILL for one that does not heed it."""
    deadline = time.monotonic() + END_SECONDS
    try:
        os.kill(pid, 15)
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, 9)
            time.sleep(0.01)
    except (ProcessLookupError, ChildProcessError):
        pass  # it had ended, and been waited for, when the signal came


def _content(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _result(executable: str, output: bytes, version: str) -> Result:
    if output.strip() in (b"", b"null"):
        return Result()
    try:
        conf = Section(document.decode(output, f"the result of {executable}"), os.path.basename(executable))
        # any version is taken: a delegate may be older than the configuration
        return Result.from_conf(conf, conf.string("cniVersion") or version)
    except InvalidConfig as error:
        raise DecodingFailure(f"the result of {executable} is not a CNI result", error.msg) from None


def _failure(executable: str, verb: str, status: int, output: bytes, noise: bytes) -> CNIError:
    how = f"exited with {status}" if status > 0 else f"was killed by signal {-status}"
    told = noise.decode("utf-8", "replace").strip()
    try:
        conf = Section(document.decode(output, "error"))
        return DelegateFailed(conf.integer("code", low=0) or 999, conf.required("msg"), conf.string("details") or told)
    except CNIError:
        return DelegateFailed(999, f"{os.path.basename(executable)} {verb} {how} without a CNI error", told)
