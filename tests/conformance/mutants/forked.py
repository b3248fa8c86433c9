"""Run a plugin in a fork of the suite, not in a new interpreter: 5 ms and not 40 for each of thousands of calls."""

import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType, SimpleNamespace
from typing import Any, NoReturn

MODULES = ("request", "results", "addresses", "attachment", "right")
"""In the order of their imports; the last is the program."""

Lines = set[tuple[str, int]]
"""(module, line)"""


@dataclass
class Program:
    """A plugin. `traces`: a descriptor that each call writes its executed lines to; None: they are not noted."""

    executable: Path
    bodies: dict[str, CodeType]
    traces: int | None = None


def compiled(executable: Path) -> Program:
    paths = {name: executable.with_name(f"{name}.py") for name in MODULES}
    return Program(executable, {name: compile(path.read_text(), str(path), "exec") for name, path in paths.items()})


def instead_of_subprocess(program: Program) -> SimpleNamespace:
    """For conformance.call: its `subprocess`, by which an executable that is a link to the program's is run here."""

    def popen(argv: Sequence[str], *, env: Mapping[str, str], **rest: Any) -> subprocess.Popen[bytes]:
        # A preexec_fn that does not return is never followed by an exec.
        begin = (lambda: _become(program, env)) if os.path.realpath(argv[0]) == str(program.executable) else None
        return subprocess.Popen(argv, env=env, preexec_fn=begin, **rest)

    return SimpleNamespace(Popen=popen, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)


def read_traces(descriptor: int) -> Lines:
    with os.fdopen(descriptor) as file:
        file.seek(0)
        return {(module, int(number)) for module, number in map(str.split, file)}


def _become(program: Program, env: Mapping[str, str]) -> NoReturn:
    code, lines = 1, Lines()
    try:
        kept = 3
        if program.traces is not None:
            program.traces, kept = os.dup2(program.traces, kept), kept + 1
        os.closerange(kept, os.sysconf("SC_OPEN_MAX"))  # Popen returns when its own pipe closes
        os.environ.clear()
        os.environ.update(env)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        if program.traces is not None:
            _trace(program, lines)
        _execute(program)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.settrace(None)
        sys.stdout.flush()
        sys.stderr.flush()
        if program.traces is not None:
            os.write(program.traces, "".join(f"{module} {number}\n" for module, number in lines).encode())
        os._exit(code)


def _execute(program: Program) -> None:
    for name, body in program.bodies.items():
        module = ModuleType("__main__" if name == MODULES[-1] else name)
        module.__file__ = body.co_filename
        sys.modules[name] = module
        exec(body, module.__dict__)


def _trace(program: Program, lines: Lines) -> None:
    modules = {body.co_filename: name for name, body in program.bodies.items()}

    def called(frame: FrameType, event: str, _: object) -> Any:
        module = modules.get(frame.f_code.co_filename)
        if module is None:
            return None

        def within(frame: FrameType, event: str, _: object) -> Any:
            lines.add((module, frame.f_lineno))
            return within

        return within(frame, event, None)

    sys.settrace(called)
