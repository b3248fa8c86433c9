"""A CNI plugin executable called as a runtime calls it: variables, stdin, one JSON document back."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.world.node import Node, Pod

Conf = dict[str, Any]
Owner = tuple[str, str]
"""(container_id, ifname)"""

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""Every released version of the specification."""

TIMEOUT = 60.0


class Reply:
    """What came back. Raises AssertionError where no plugin may ever answer like that (SPEC section 5)."""

    def __init__(self, call: str, code: int, stdout: str, stderr: str, seconds: float = 0) -> None:
        self.call = call
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds
        self.json: dict[str, Any] = self._document()
        if code not in (0, 1):
            raise AssertionError(f"{self}: exit code is neither 0 nor 1")
        if code == 1 and not (isinstance(self.json.get("code"), int) and self.json.get("msg")):
            raise AssertionError(f"{self}: failed without an error document on stdout")

    def succeeded(self) -> dict[str, Any]:
        """The document on stdout, {} if there was none; AssertionError if the call failed."""
        if self.code != 0:
            raise AssertionError(f"{self}: expected success")
        return self.json

    def failed(self, code: int | None = None) -> dict[str, Any]:
        """The error document; AssertionError if the call succeeded or failed with another code."""
        if self.code == 0 or (code is not None and self.json["code"] != code):
            raise AssertionError(f"{self}: expected failure{'' if code is None else f' with code {code}'}")
        return self.json

    def _document(self) -> dict[str, Any]:
        if not self.stdout:
            return {}
        try:
            document = json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError(f"{self}: stdout is not exactly one JSON document: {error}") from None
        if not isinstance(document, dict):
            raise AssertionError(f"{self}: stdout is not a JSON object")
        return document

    def __repr__(self) -> str:
        return f"{self.call} -> exit {self.code}, stdout {self.stdout!r}, stderr {self.stderr!r}"


class Plugin:
    """One executable, run inside the node. `path` is its CNI_PATH: at first only its own directory."""

    def __init__(self, node: Node, directory: Path, name: str) -> None:
        self.node = node
        self.executable = directory / name
        self.path: tuple[Path, ...] = (directory,)

    def add(self, conf: Conf, pod: Pod, prev: Conf | None = None, **call: Any) -> Reply:
        """`call` takes what `cni` takes."""
        return self.cni("ADD", _with(conf, prevResult=prev), pod, **call)

    def check(self, conf: Conf, pod: Pod, prev: Conf | None, **call: Any) -> Reply:
        return self.cni("CHECK", _with(conf, prevResult=prev), pod, **call)

    def delete(self, conf: Conf, pod: Pod, prev: Conf | None = None, **call: Any) -> Reply:
        return self.cni("DEL", _with(conf, prevResult=prev), pod, **call)

    def gc(self, conf: Conf, valid: Iterable[Owner] | None, **call: Any) -> Reply:
        """`valid` None leaves the key out, as `cnitool gc` does; [] says that nothing is valid."""
        listed = None if valid is None else [{"containerID": owner[0], "ifname": owner[1]} for owner in valid]
        return self.cni("GC", _with(conf, **{"cni.dev/valid-attachments": listed}), **call)

    def status(self, conf: Conf, **call: Any) -> Reply:
        return self.cni("STATUS", conf, **call)

    def version(self, cni_version: str = "1.1.0", **call: Any) -> Reply:
        return self.cni("VERSION", {"cniVersion": cni_version}, **call)

    def cni(self, verb: str, conf: Conf | str, *arguments: Any, timeout: float = TIMEOUT, **call: Any) -> Reply:
        """Run to the end. `conf` as text goes to stdin as it is. The rest is `start`'s."""
        stdin = conf if isinstance(conf, str) else json.dumps(conf)
        begun = time.perf_counter()
        process = self.start(verb, *arguments, **call)
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{self.executable.name} {verb} did not end within {timeout} s") from None
        seconds = time.perf_counter() - begun
        return Reply(f"{self.executable.name} {verb}", process.returncode, stdout, stderr, seconds)

    def begin(self, verb: str, conf: Conf, pod: Pod, **call: Any) -> subprocess.Popen[str]:
        """A call under way, with its configuration on stdin. `call` takes what `start` takes."""
        process = self.start(verb, pod, **call)
        assert process.stdin
        process.stdin.write(json.dumps(conf))
        process.stdin.close()
        process.stdin = None  # communicate() would write to it
        return process

    def start(
        self,
        verb: str,
        pod: Pod | None = None,
        *,
        ifname: str = "eth0",
        container_id: str | None = None,
        args: str = "",
        path: Sequence[Path] | None = None,
        env: Mapping[str, str | None] | None = None,
        wrap: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        """Begin a call; stdin is still to be written.

        The environment is the CNI_* variables as libcni sets them, PATH, and `env` on top
        (None removes a variable). `wrap` is a command before it: strace, timeout, unshare ...
        """
        variables: dict[str, str | None] = {
            "CNI_COMMAND": verb,
            "CNI_PATH": ":".join(str(directory) for directory in (self.path if path is None else path)),
            **_attachment(verb, pod, ifname, container_id),
            "CNI_ARGS": args,
            **(env or {}),
        }
        environment = {name: value for name, value in variables.items() if value is not None}
        return self.node.start([*wrap, str(self.executable)], environment)


def _attachment(verb: str, pod: Pod | None, ifname: str, container_id: str | None) -> dict[str, str]:
    """libcni sets these for every verb: to nothing for GC and STATUS, to dummies for VERSION."""
    if verb in ("GC", "STATUS"):
        return {"CNI_CONTAINERID": "", "CNI_NETNS": "", "CNI_IFNAME": ""}
    if verb == "VERSION":
        return {"CNI_NETNS": "dummy", "CNI_IFNAME": "dummy"}
    return {
        "CNI_CONTAINERID": container_id or (pod.container_id if pod else ""),
        "CNI_NETNS": pod.path if pod else "",
        "CNI_IFNAME": ifname,
    }


def _with(conf: Conf, **keys: Any) -> Conf:
    return {**conf, **{key: value for key, value in keys.items() if value is not None}}
