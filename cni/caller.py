"""The other side of a call: who started it, takes its result and its exit code.

This one is the process's own parent, reached through descriptor 1. In a warm server it is a launcher, at the other end
of a socket (cni_veth/connection.py).
"""

from __future__ import annotations

import os


class Caller:
    """What a plugin may tell its caller before the result."""

    def begin(self) -> None:
        """From here on a call that breaks off leaves something behind."""

    def expect_delay(self, why: str) -> None:
        """What comes may take seconds; a server whose workers are few leaves the call here, before it began."""

    def deliver(self, text: str) -> None:
        """Print the result of an ADD. Raises OSError where nobody takes it."""
        data = encoded(text)
        while data:
            data = data[os.write(1, data) :]

    def close(self, code: int, text: str) -> int:
        """Print what is left to print, be it nothing. The exit code."""
        try:
            self.deliver(text)
        except OSError:
            return 1  # the caller is gone
        return code


def encoded(text: str) -> bytes:
    """As it is printed: an odd byte of the environment becomes its JSON escape."""
    return text.encode("utf-8", "backslashreplace")
