"""A plugin executable for tests of cni.skel: each verb notes its call on stderr, then does what the key "do" says.

Run as `python toy_plugin.py REPOSITORY [bare]`; bare has no GC and no STATUS.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, sys.argv[1])

from cni import skel
from cni.errors import TryAgainLater
from cni.request import Request
from cni.result import Interface, IPConfig, Result


def act(request: Request) -> Result:
    call = {"verb": request.verb, "env": request.environ, "conf": request.conf.data}
    os.write(2, json.dumps(call).encode() + b"\n")
    do = request.conf.string("do")
    if do == "fail" or do == f"fail {request.verb}":
        raise TryAgainLater("the toy is busy", "play later")
    if do == "crash":
        raise ValueError("the toy broke")
    if do == "full disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/toys")
    if do == "wait for a signal":
        signal.pause()
    if do == "wait for stdin 9":
        os.read(9, 1)
    ips = [] if do == "no address" else [IPConfig("10.1.0.2/24")]
    return Result([Interface(request.ifname, sandbox=request.netns)], ips)


def add(request: Request, deliver: Callable[[Result], None]) -> Result:
    result = act(request)
    try:
        deliver(result)
    except BaseException:
        act(request)  # the undo
        raise
    return result


def nothing(request: Request) -> None:
    act(request)


verbs: dict[str, Any] = {"add": add, "check": nothing, "delete": nothing, "gc": nothing, "status": nothing}
if "bare" in sys.argv:
    del verbs["gc"], verbs["status"]
raise SystemExit(skel.run(lambda: SimpleNamespace(**verbs), "CNI toy plugin 1.0"))  # type: ignore[arg-type,return-value]
