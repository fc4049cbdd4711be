"""The tests' process. It reads a job from stdin and writes its verdict to descriptor 3, both as JSON.

A job has the solution's `code`, its `memory_bytes`, and the `mode`: `script` runs a script of tests against
it, `functions` compares what a function returns, `programs` what a program prints. The verdict has a `kind`
and a `detail`, see `recursivemas.grading.code` for the kinds, and the job's `nonce`: who does not hold that
cannot write one.
"""

from __future__ import annotations

import ast
import json
import os
import sys

from inside import libc

from . import cases, script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERDICT = 3
MODES = {"script": script.run, "functions": cases.run_functions, "programs": cases.run_programs}


def main() -> None:
    """Run the job. Nothing of the solution runs in this process, looks into it, or shares a file with it."""
    job = _read_job()
    nonce = job.pop("nonce")
    try:
        tree = ast.parse(job["code"])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        kind, detail = "compile error", f"{type(error).__name__}: {error}"
    else:
        kind, detail = MODES[job["mode"]](job, tree)
    os.write(VERDICT, json.dumps({"nonce": nonce, "kind": kind, "detail": detail}).encode())


def _read_job() -> dict[str, Any]:
    os.set_inheritable(VERDICT, False)
    if sys.platform == "linux":
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
    sys.set_int_max_str_digits(0)
    job: dict[str, Any] = json.load(sys.stdin)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return job
