"""From environment and stdin to one JSON document and an exit code.

`run` is a process that a runtime started; `answer` is the call itself, whoever is to be answered.
"""

from __future__ import annotations

import os

from cni import versions
from cni.caller import Caller
from cni.stderr import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from cni.request import Request
    from cni.result import Result

METHODS = {"ADD": "add", "CHECK": "check", "DEL": "delete", "GC": "gc", "STATUS": "status"}
# Set by the launcher, to "go on" or "end": a worker was killed in this ADD after it had begun.
TAKE_OVER = "CNI_VETH_TAKE_OVER"
VERSION_WAIT_MS = 200  # how long VERSION waits for a version to echo; nobody sends none


def run(plugin: Callable[[], ModuleType], about: str) -> int:
    """Answer the call that the process's environment describes. The exit code: 0 or 1."""
    _occupy_standard_streams()
    environ, caller = dict(os.environ), Caller()
    if not environ.get("CNI_COMMAND") and not _peek():
        supported = ", ".join(versions.SUPPORTED)
        tell(f"{about}\nCNI protocol versions supported: {supported}\n".encode())
        return 0
    return caller.close(*answer(plugin, environ, caller))


def _occupy_standard_streams() -> None:
    """The number of a closed one would go to the next file opened, and what is printed into that file or socket."""
    for fd, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open("/dev/null", flags)  # a result for nobody is still an error: EBADF


def answer(plugin: Callable[[], ModuleType], environ: dict[str, str], caller: Caller) -> tuple[int, str]:
    """The exit code, and what is still to be printed: an error, the answer to VERSION, or nothing."""
    if environ.get("CNI_COMMAND") == "VERSION":
        return 0, _version()
    from cni import document, signals
    from cni.errors import CNIError, IOFailure
    from cni.request import Request, check_environment

    version = versions.NEWEST
    try:
        verb = check_environment(environ)
        try:
            stdin = _read(0, document.LIMIT + 1)
        except OSError as error:
            raise IOFailure("cannot read the network configuration from stdin", str(error)) from None
        request = Request.read(environ, stdin, caller)
        if request.version in versions.SUPPORTED:
            version = request.version
        request.validate()
        signals.prepare(verb)
        call(plugin(), request)
        return 0, ""
    except CNIError as error:
        failure, cause = error, error.__context__ or error
    except OSError as error:
        cause, failure = error, IOFailure(str(error), f"while {environ['CNI_COMMAND']} was under way")
    except Exception as error:
        details = f"{type(error).__name__}: {error}; CNI_VETH_DEBUG=1 prints the traceback on stderr"
        cause, failure = error, CNIError("internal error, please report it", details)
    if environ.get("CNI_VETH_DEBUG") == "1":
        import traceback

        tell("".join(traceback.format_exception(cause)).encode("utf-8", "backslashreplace"))
    return 1, document.encode(failure.to_json(version))


def call(plugin: ModuleType, request: Request) -> None:
    """One verb of a plugin module. Raises CNIError.

    `add(request, deliver)` calls `deliver(result)` as the last step of what it would undo: from there no signal
    interrupts, and a result that nobody takes is undone like any other failure. The others take the request alone.
    """
    from cni import document, signals
    from cni.errors import TryAgainLater

    _refuse_own_netns(request)
    method = getattr(plugin, METHODS[request.verb], None)
    if method is None:  # loopback has no GC and no STATUS: nothing to collect, always ready
        return

    def deliver(result: Result) -> None:
        signals.hold()
        request.caller.deliver(document.encode(result.to_json(request.version)))

    if request.verb != "ADD":
        method(request)
        return
    broken = request.environ.pop(TAKE_OVER, "")
    if broken:
        plugin.delete(request)
    if broken == "end":
        raise TryAgainLater("interrupted, and the server's worker was lost", "what was begun has been undone")
    method(request, deliver)


def _refuse_own_netns(request: Request) -> None:
    """ADD and DEL in the runtime's own namespace would rewire the host (reference: skel checkNetNS)."""
    if request.verb not in ("ADD", "DEL") or not request.netns:
        return
    if request.environ.get("CNI_NETNS_OVERRIDE", "").lower() in ("1", "true"):
        return
    try:
        theirs, ours = os.stat(request.netns), os.stat("/proc/thread-self/ns/net")
    except OSError:
        return  # missing: ADD will say so, DEL goes on without
    if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino):
        from cni.errors import InvalidNetns

        raise InvalidNetns(
            f"CNI_NETNS {request.netns} is the plugin's own network namespace",
            "CNI_NETNS_OVERRIDE=1 allows it",
        )


def _version() -> str:
    """SPEC section 2 "VERSION": the version on stdin is echoed. podman asks this at every command, so
    no JSON module is loaded where the one key stands in the form that libcni writes."""
    value = _peek(VERSION_WAIT_MS).partition(b'"cniVersion"')[2]
    echoed = value.partition(b'"')[2].partition(b'"')[0].decode("ascii", "replace")
    version = echoed if echoed in versions.SUPPORTED else versions.NEWEST
    listed = ",".join(f'"{name}"' for name in versions.SUPPORTED)
    return f'{{"cniVersion":"{version}","supportedVersions":[{listed}]}}\n'


def _peek(wait_ms: int = 0) -> bytes:
    """The first of what stands on stdin, empty for a terminal, an empty or a silent one."""
    import select

    poll = select.poll()
    poll.register(0, select.POLLIN)
    try:
        return os.read(0, 1 << 16) if not os.isatty(0) and poll.poll(wait_ms) else b""
    except OSError:
        return b""


def _read(fd: int, limit: int) -> bytes:
    parts = []
    while limit > 0 and (part := os.read(fd, min(limit, 1 << 16))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def refuse(msg: str, details: str) -> int:
    """A call that cannot be one of ours: the error (7) on stdout, exit code 1."""
    from cni import document
    from cni.errors import InvalidConfig

    return Caller().close(1, document.encode(InvalidConfig(msg, details).to_json(versions.NEWEST)))
