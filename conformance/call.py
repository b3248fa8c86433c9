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

LIMIT = 20.0
"""Seconds that a call may take."""

_LINGER = 0.5  # for what a plugin left running to close stdout, before it is ended


@dataclass(frozen=True)
class Outcome:
    """What a call came to. `exit` is None for one that hung; negative: ended by that signal. `given`: its stdin, None
    for one that could not be read."""

    verb: str
    exit: int | None
    stdout: str
    stderr: str
    seconds: float
    env: dict[str, str]
    given: str | None

    def documents(self) -> list[Any]:
        """The JSON documents on stdout. Raises ValueError where it is not JSON."""
        decoder = json.JSONDecoder()
        found = []
        text = self.stdout.strip()
        while text:
            document, end = decoder.raw_decode(text)
            found.append(document)
            text = text[end:].strip()
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
            how = "no end within the time limit"
        elif self.exit < 0:
            how = f"ended by signal {-self.exit} ({signal.strsignal(-self.exit)})"
        else:
            how = f"exit {self.exit}"
        out = " ".join(self.stdout.split())
        return f"{how}: {out[:400]}" if out else how

    def record(self) -> dict[str, Any]:
        """For the result document."""
        return {
            "verb": self.verb,
            "exit": self.exit,
            "seconds": round(self.seconds, 4),
            "stdout": self.stdout[:8000],
            "stderr": self.stderr[:8000],
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
        """Wait for the end of the call; at the limit it is killed with all that it started."""
        text = None if self.given is None or self.process.stdin is None else self.given.encode()
        code: int | None
        try:
            stdout, stderr = self._communicate(text, limit)
            code = self.process.returncode
        except subprocess.TimeoutExpired:
            self.kill()
            descendants.kill_children(descendants.spared)
            stdout, stderr = self.process.communicate()
            code = None
        finally:
            descendants.spared.discard(self.process.pid)
        seconds = time.perf_counter() - self.begun
        out, err = stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")
        return Outcome(self.verb, code, out, err, seconds, self.env, self.given)

    def kill(self) -> None:
        """SIGKILL to the plugin and to all that it started."""
        descendants.kill(self.process.pid)

    def _communicate(self, text: bytes | None, limit: float) -> tuple[bytes, bytes]:
        """communicate() that does not wait for a program left behind with our pipe, once the plugin has ended."""
        deadline = time.monotonic() + limit
        while True:
            try:
                return self.process.communicate(text, min(_LINGER, max(0.0, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                text = None
                if self.process.poll() is not None:
                    descendants.kill_children(descendants.spared)
                elif time.monotonic() >= deadline:
                    raise


def run(executable: str, verb: str, env: Mapping[str, str], stdin: str | None, limit: float = LIMIT) -> Outcome:
    """One call from its start to its end."""
    return Calling(executable, verb, env, stdin).end(limit)
