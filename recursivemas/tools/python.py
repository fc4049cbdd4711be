"""The tool `python`: runs an agent's code as a script in the sandbox, and tells it what came out.

Source: docs/protocol.md, "Tools".
"""

from __future__ import annotations

import compileall
import json
import os
import textwrap
import threading
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Any

from recursivemas.sandbox.isolation import Isolation
from recursivemas.sandbox.run import Limits, Outcome, run_python
from recursivemas.tools.base import AnswerStatus, ToolAnswer

TIME_S = 10.0
PACKAGES = ("sympy", "mpmath")
"""What may be imported beside the standard library."""
RUNNER = Path(__file__).with_name("python_runner")
START = "from python_runner.main import main; main()"


class PythonTool:
    """Runs code that an agent writes, each request afresh.

    `isolation` is a level from `recursivemas.tools.find_isolation`. With `echo` the value of a bare
    expression at the end is shown, as in a notebook. `limits` None stands for the default ones with
    `TIME_S`. Calls may come from several threads; `workers` of them run at a time, None standing for
    one a processor that this process may use, as time limits count the wall clock.
    """

    name = "python"
    deadline_s = None

    def __init__(
        self,
        isolation: Isolation,
        *,
        echo: bool = False,
        limits: Limits | None = None,
        workers: int | None = None,
    ) -> None:
        if workers is None:
            workers = _num_processors()
        if workers < 1:
            raise ValueError(f"workers is {workers}; it has to be at least 1")
        self.isolation = isolation
        self.echo = echo
        self.limits = limits or Limits(time_s=TIME_S)
        self._free = threading.BoundedSemaphore(workers)
        self._packages = dict(_find_packages())
        # Where these run they cannot be written to, and would be compiled again every time.
        compileall.compile_dir(RUNNER, quiet=2)
        for folder in self._packages.values():
            _compile_if_new(folder)

    def __call__(self, request: str) -> ToolAnswer:
        """What the code prints and how it ended, uncut.

        Raises SandboxError when the sandbox cannot be set up, and nothing for what the code does.
        """
        job = {
            "code": normalise(request),
            "echo": self.echo,
            "packages": {name: str(folder.parent) for name, folder in self._packages.items()},
        }
        with self._free:
            outcome = run_python(
                START,
                stdin=json.dumps(job),
                limits=self.limits,
                isolation=self.isolation,
                import_from=[RUNNER, *self._packages.values()],
            )
        return ToolAnswer(text=_report(outcome, self.limits), status=_status(outcome))

    def describe(self) -> dict[str, Any]:
        """What decides the answers, for a run's record."""
        return {
            "isolation": self.isolation,
            "time_s": self.limits.time_s,
            "echo": self.echo,
            "sympy": _version_of("sympy") if "sympy" in self._packages else None,
        }


def _num_processors() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def normalise(request: str) -> str:
    """The code in a request, without indentation of the whole."""
    # Half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD; a whole one its character.
    text = request.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return textwrap.dedent(text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _find_packages() -> Iterator[tuple[str, Path]]:
    """Those of `PACKAGES` that are installed, each with its own folder. Nothing is imported."""
    for name in PACKAGES:
        spec = util.find_spec(name)
        if spec is not None and spec.origin is not None:
            yield name, Path(spec.origin).resolve().parent


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None  # it lies on the path without having been installed


def _compile_if_new(folder: Path) -> None:
    """Compile a package that never was; some installers leave that to the first import."""
    if not Path(util.cache_from_source(str(folder / "__init__.py"))).exists():
        compileall.compile_dir(folder, quiet=2)


# ---------------------------------------------------------------------------------------------------------
# What an agent reads


def _status(outcome: Outcome) -> AnswerStatus:
    if outcome.timed_out:
        return "timeout"
    return "ok" if outcome.ended_by == "exit" and outcome.exit_code == 0 else "error"


def _report(outcome: Outcome, limits: Limits) -> str:
    """What was printed, then stderr, then how the code ended if not well; for a timeout, that alone."""
    if outcome.timed_out:
        return f"[timeout] Python tool exceeded {float(limits.time_s)} seconds."
    stdout, stderr = outcome.stdout.rstrip(), outcome.stderr.rstrip()
    parts = (stdout, stderr and f"[stderr]\n{stderr}", _end(outcome, limits))
    return "\n".join(filter(None, parts)).strip() or "[no output]"


def _end(outcome: Outcome, limits: Limits) -> str:
    """How the code ended, where there is something to say."""
    stopped = {  # limits of our sandbox, which the release does not set
        "memory": f"[stopped] more than {limits.memory_bytes / 2**20:g} MiB of memory",
        "output": f"[stopped] more than {limits.output_bytes} bytes of output",
        "processes": f"[stopped] more than {limits.processes} processes",
        "lost": "[stopped] the code ended the sandbox around it",
    }
    if outcome.ended_by in stopped:
        return stopped[outcome.ended_by]
    code = outcome.exit_code if outcome.signal is None else -outcome.signal
    return f"[exit_code] {code}" if code else ""
