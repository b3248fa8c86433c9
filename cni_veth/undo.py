"""All or nothing (ADD), and as much as possible (DEL, GC)."""

from __future__ import annotations

from cni import signals
from cni.errors import CNIError, DelegateFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Undo:
    """with Undo() as undo: ... undo.push(step) — an exception runs the steps in reverse.

    A step that is `last` is left out where one before it failed.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[[], None], bool]] = []

    def push(self, step: Callable[[], None], last: bool = False) -> None:
        self._steps.append((step, last))

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        signals.hold()  # one that came now would break off the step that it finds under way
        failures = Errors()
        for step, last in reversed(self._steps):
            if not (last and failures.found):
                with failures:
                    step()
        if failures.found and isinstance(error, CNIError):
            left = "; ".join(failure.msg for failure in failures.found)
            error.details = f"{error.details}\nnot undone, DEL will try again: {left}".lstrip()


class Errors:
    """with errors: step — a CNIError is kept and the next step runs; `throw` tells all of them."""

    def __init__(self) -> None:
        self.found: list[CNIError] = []

    def __enter__(self) -> Errors:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, OSError):
            error = CNIError(str(error))
        if isinstance(error, CNIError):
            self.found.append(error)
        return isinstance(error, CNIError)

    def throw(self) -> None:
        """Raise the one error as it is; several under the first one's code, all named in `details`."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            lines = [f"{error.msg} ({error.details})" if error.details else error.msg for error in self.found]
            first = self.found[0]
            raise DelegateFailed(first.code, f"{first.msg} (and {len(lines) - 1} more)", "\n".join(lines))
