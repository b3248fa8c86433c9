"""Files of reports: opened before a session, so that one that cannot be written stops it, and written after it."""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from conformance import report
from conformance.results import Document


class File:
    """A text that a reader never sees half of. It is kept by descriptors: what is mounted over its path later does not
    matter. OSError where it cannot be written; without `write` nothing is left of it."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(os.path.realpath(path))
        self._part = f".{self._path.name}.{os.getpid()}"
        if self._path.is_dir():
            raise IsADirectoryError(f"{path} is a directory")
        self._is_plain = not self._path.exists() or stat.S_ISREG(self._path.stat().st_mode)
        self._directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._file = self._open()
        except OSError:
            os.close(self._directory)
            raise

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()
        if self._is_plain:
            try:
                os.unlink(self._part, dir_fd=self._directory)
            except FileNotFoundError:
                pass
        os.close(self._directory)

    def write(self, text: str) -> None:
        self._file.write(text.encode("utf-8"))
        self._file.flush()
        if self._is_plain:
            os.replace(self._part, self._path.name, src_dir_fd=self._directory, dst_dir_fd=self._directory)

    def _open(self) -> Any:
        if not self._is_plain:  # a device or a pipe is written to, not replaced
            return open(self._path, "wb")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(self._part, flags, 0o644, dir_fd=self._directory), "wb")


class Reports:
    """The reports that a session is asked for; `paths`: format -> path, "-" is standard output."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths
        self._files: dict[str, File] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Reports":
        with self._stack:
            for kind, path in self._paths.items():
                if path != "-":
                    self._files[kind] = self._stack.enter_context(File(path))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    def write(self, documents: Sequence[Document]) -> list[str]:
        """Each; what could not be written does not keep the others from it, and is told."""
        problems = []
        for kind, path in self._paths.items():
            try:
                text = report.render(kind, documents)
                if path == "-":
                    print(text, flush=True)
                else:
                    self._files[kind].write(text)
            except (OSError, ValueError) as error:
                problems.append(f"no {kind} report in {path}: {error}")
        return problems
