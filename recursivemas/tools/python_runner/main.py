"""The process of an agent's code. It reads a job from stdin as JSON, then is the code's `__main__`.

A job has the `code`; `echo`, whether the value of a bare expression at the end is shown; and
`packages`, the names that may be imported beside the standard library, each with the folder that it
lies in.
"""

from __future__ import annotations

import ast
import builtins
import fractions
import functools
import itertools
import json
import linecache
import math
import os
import statistics
import sys
import threading
import traceback
from importlib.machinery import PathFinder
from types import ModuleType, TracebackType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, FrameType
    from typing import Any

FILENAME = "<python>"
MODULES = (math, itertools, functools, fractions, statistics)
STARTED_BY: set[CodeType] = set()
"""What is on the stack when an agent's code starts."""


def main() -> None:
    """Run the job. What the code raises goes on to the interpreter, which ends as for a script."""
    job = _read_job()
    _allow_imports(job["packages"])
    _show_errors_of(job["code"])
    module = _new_main()
    # As at a terminal: the run may be stopped any time, and what it printed is to be seen.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    for piece in _compile(job["code"], echo=job["echo"]):
        exec(piece, module.__dict__)


def _read_job() -> dict[str, Any]:
    """The job; what reads stdin after that finds it empty, from its beginning too."""
    job: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return job


def _compile(code: str, *, echo: bool) -> list[CodeType]:
    """The code in the pieces that are to be run one after the other."""
    pieces = _compile_with_echo(code) if echo else None
    return pieces or [compile(code, FILENAME, "exec", dont_inherit=True)]


def _compile_with_echo(code: str) -> list[CodeType] | None:
    """Two pieces, of which the last shows its value; None without a bare expression at the end."""
    try:
        tree = ast.parse(code, FILENAME)
        if not tree.body or not isinstance(tree.body[-1], ast.Expr):
            return None
        last = ast.Interactive([tree.body.pop()])
        return [
            compile(tree, FILENAME, "exec", dont_inherit=True),
            compile(last, FILENAME, "single", dont_inherit=True),
        ]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # In one piece it says what is wrong, or compiles: trees of Python's objects are less deep.
        return None


# ---------------------------------------------------------------------------------------------------------
# What the code finds


def _new_main() -> ModuleType:
    """A fresh `__main__` with the modules that agents are told of."""
    module = ModuleType("__main__")
    module.__dict__.update({known.__name__: known for known in MODULES})
    module.__dict__.update({"__builtins__": builtins, "sp": _LazySympy("sympy")})
    sys.modules["__main__"] = module
    sys.argv = [FILENAME]
    return module


class _LazySympy(ModuleType):
    """Stands for sympy, which takes long to import, until something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        import sympy

        self.__dict__.update(sympy.__dict__)
        return getattr(sympy, name)


def _allow_imports(packages: dict[str, str]) -> None:
    """Make these importable, and nothing else of the folders that they and we lie in."""
    shown = {*packages.values(), os.path.dirname(os.path.dirname(__file__))}  # noqa: PTH120 - slow to import
    sys.path[:] = [folder for folder in sys.path if folder not in shown]
    sys.meta_path.append(_PackageFinder(packages))


class _PackageFinder:
    def __init__(self, packages: dict[str, str]) -> None:
        self._packages = packages

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self._packages[name]]) if name in self._packages else None


# ---------------------------------------------------------------------------------------------------------
# Errors


def _show_errors_of(code: str) -> None:
    """Let tracebacks quote the code, which is in no file, and leave our own frames out."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        STARTED_BY.add(frame.f_code)
        frame = frame.f_back
    linecache.clearcache()  # since Python 3.13 it holds what started us, as `<string>`
    lines = [line + "\n" for line in code.split("\n")]
    linecache.cache[FILENAME] = (len(code), None, lines, FILENAME)
    # The interpreter's own hooks look for source in files only, before Python 3.13.
    sys.excepthook = _show_error
    threading.excepthook = _show_error_of_thread


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    error.__traceback__ = trace
    shown: BaseException | None = error
    seen: set[int] = set()
    while shown is not None and id(shown) not in seen:
        seen.add(id(shown))
        shown.__traceback__ = _without_ours(shown.__traceback__)
        shown = shown.__context__ if shown.__cause__ is None else shown.__cause__
    traceback.print_exception(error)


def _show_error_of_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_type is SystemExit or given.exc_value is None:
        return
    name = given.thread.name if given.thread else "unknown"
    print(f"Exception in thread {name}:", file=sys.stderr)
    _show_error(given.exc_type, given.exc_value, given.exc_traceback)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without what started the code, and without functions of this module."""
    kept = []
    while trace is not None:
        code, names = trace.tb_frame.f_code, trace.tb_frame.f_globals
        if names is not globals() and code not in STARTED_BY:
            kept.append(trace)
        trace = trace.tb_next
    rest = None
    for entry in reversed(kept):
        rest = TracebackType(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
