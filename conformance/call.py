"""Run a plugin executable as a runtime does: environment, standard input, a time limit, no shell."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance import descendants
from conformance.excerpt import ending, short
from conformance.pipes import CAP, Pipes

LIMIT = 20.0
"""Seconds that a call may take."""

HANG = "no end within the time limit"
FLOOD = f"more than {CAP >> 20} MB on stdout"

_LINGER = 0.5  # for what a plugin left running to close stdout, before it is ended
_KEPT = 1 << 16  # bytes of a flood
_DEPTH = 100  # of nested lists and objects in a document


@dataclass(frozen=True)
class Outcome:
    """What a call came to. `exit` is None for one that the suite ended, `cut` says why (HANG, FLOOD); negative: ended
    by that signal. `given`: its stdin, None for one that could not be read."""

    verb: str
    exit: int | None
    stdout: str
    stderr: str
    seconds: float
    env: dict[str, str]
    given: str | None
    cut: str = HANG

    @property
    def is_hung(self) -> bool:
        return self.exit is None and self.cut == HANG

    def documents(self) -> list[Any]:
        """The JSON documents on stdout, two at most. ValueError where it is not JSON, or nested beyond reason."""
        decoder = json.JSONDecoder()
        found: list[Any] = []
        text, at = self.stdout.strip(), 0
        while at < len(text) and len(found) < 2:
            try:
                document, at = decoder.raw_decode(text, at)
            except RecursionError:
                raise ValueError("nested too deeply") from None
            if _is_deeper(document, _DEPTH):
                raise ValueError("nested too deeply")
            found.append(document)
            while text[at : at + 1].isspace():
                at += 1
        return found

    def document(self) -> dict[str, Any] | None:
        """The one JSON object on stdout; None for anything else."""
        try:
            found = self.documents()
        except ValueError:
            return None
        return found[0] if len(found) == 1 and isinstance(found[0], dict) else None

    def as_text(self) -> str:
        """In a line."""
        if self.exit is None:
            how = self.cut
        elif self.exit < 0:
            how = f"ended by signal {-self.exit} ({signal.strsignal(-self.exit)})"
        else:
            how = f"exit {self.exit}"
        out = " ".join(self.stdout.split())
        return f"{how}: {short(out, 400)}" if out else how

    def record(self) -> dict[str, Any]:
        """For the result document."""
        return {
            "verb": self.verb,
            "exit": self.exit,
            "seconds": round(self.seconds, 4),
            "stdout": short(self.stdout, 8000),
            "stderr": ending(self.stderr, 8000),
        }


class Calling:
    """A call under way."""

    def __init__(self, executable: str, verb: str, env: Mapping[str, str], stdin: str | None) -> None:
        self.verb, self.env, self.given = verb, dict(env), stdin
        self.begun = time.perf_counter()
        source = subprocess.PIPE if stdin is not None else os.open(os.devnull, os.O_WRONLY)
        try:
            self.process = subprocess.Popen(
                [executable], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, cwd="/"
            )
            descendants.spared.add(self.process.pid)
        finally:
            if stdin is None:
                os.close(source)

    def send(self) -> None:
        """All of stdin, for a call that is to be killed; what the plugin does not read is lost."""
        assert self.process.stdin
        try:
            self.process.stdin.write((self.given or "").encode())
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdin = None

    def end(self, limit: float = LIMIT) -> Outcome:
        """Wait for the end of the call; at the limit, or in a flood, it is killed with all that it started."""
        text = None if self.given is None or self.process.stdin is None else self.given.encode()
        pipes = Pipes(self.process, text)
        try:
            cut = self._wait(pipes, time.monotonic() + limit)
            if cut:
                self.kill()
                descendants.kill_children(descendants.spared)
                pipes.pump(time.monotonic() + _LINGER)
            code = self.process.wait()
        finally:
            pipes.close()
            descendants.spared.discard(self.process.pid)
        seconds = time.perf_counter() - self.begun
        printed = pipes.stdout[:_KEPT] if cut == FLOOD else pipes.stdout
        out, err = printed.decode("utf-8", "replace"), pipes.stderr.decode("utf-8", "replace")
        return Outcome(self.verb, None if cut else code, out, err, seconds, self.env, self.given, cut or HANG)

    def kill(self) -> None:
        """SIGKILL to the plugin and to all that it started."""
        descendants.kill(self.process.pid)

    def _wait(self, pipes: Pipes, deadline: float) -> str:
        """Why the call has to be ended; empty if it ended. What it left behind with our pipe is not waited for."""
        while not pipes.pump(min(deadline, time.monotonic() + _LINGER)):
            if pipes.is_flooded:
                return FLOOD
            is_late = time.monotonic() >= deadline
            if self.process.poll() is None:
                if is_late:
                    return HANG
            elif is_late:
                return ""
            else:
                descendants.kill_children(descendants.spared)
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return HANG
        return ""


def run(executable: str, verb: str, env: Mapping[str, str], stdin: str | None, limit: float = LIMIT) -> Outcome:
    """One call from its start to its end."""
    return Calling(executable, verb, env, stdin).end(limit)


def _is_deeper(document: Any, depth: int) -> bool:
    level = [document]
    for _ in range(depth):
        level = [
            part
            for node in level
            if isinstance(node, dict | list)
            for part in (node.values() if isinstance(node, dict) else node)
        ]
    return bool(level)
