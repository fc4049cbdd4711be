"""The tests' process. It reads a job from stdin and writes its verdict to descriptor 3, both as JSON.

A job has the solution's `code`, its `memory_bytes`, and the `mode`: `script` runs a script of tests against
it, `functions` compares what a function returns, `programs` what a program prints. The verdict has a `kind`
and a `detail`; see `recursivemas.grading.code` for the kinds.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import reprlib
import sys
import time

from . import program, programs, source
from .solution import Solution, SolutionEnded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VERDICT = 3
PR_SET_DUMPABLE = 4
Verdict = tuple[str, str]
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 200


def main() -> None:
    """Run the job. Nothing of the solution runs in this process or can look into it."""
    job = _read_job()
    try:
        tree = ast.parse(job["code"])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        kind, detail = "compile error", f"{type(error).__name__}: {error}"
    else:
        kind, detail = MODES[job["mode"]](job, tree)
    os.write(VERDICT, json.dumps({"kind": kind, "detail": detail}).encode())


def _read_job() -> dict[str, Any]:
    os.set_inheritable(VERDICT, False)
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError("prctl(PR_SET_DUMPABLE) was refused")
    sys.set_int_max_str_digits(0)
    job: dict[str, Any] = json.load(sys.stdin)
    return job


# ---------------------------------------------------------------------------------------------------------
# A script of tests


def run_script(job: dict[str, Any], tree: ast.AST) -> Verdict:
    """The tests' script, with the solution's functions in scope, run to its end.

    As in one script, the solution may count on what the tests import.
    """
    tests = job["tests"]
    try:
        compiled = compile(tests, "tests", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "bad tests", f"{type(error).__name__}: {error}"
    task = {
        "code": job["code"],
        "memory_bytes": job["memory_bytes"],
        "module": "__main__",
        "wanted": [*source.used_names(compiled), job["function_name"]],
        "after": source.needed_imports(tests, source.loose_names(tree)),
    }
    try:
        solution = Solution(task)
        if solution.failure:
            return _describe_failure(solution.failure)
        return _run_tests(compiled, solution)
    except SolutionEnded as error:
        return "ended early", f"the solution's process {error}"


def _run_tests(tests: Any, solution: Solution) -> Verdict:
    try:
        exec(tests, {"__name__": "__main__", **solution.names})
    except SystemExit as error:
        return "bad tests", f"they called exit ({error})"
    except Exception as error:
        if hasattr(error, "from_solution"):
            return _describe_failure(error.from_solution, solution.last_call)
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        kind = "bad tests" if isinstance(error, ImportError) else "wrong answer"
        kind = "runtime error" if isinstance(error, NameError) else kind
        return kind, f"{text} ({solution.last_call})" if solution.last_call else text
    return "passed", "the tests ran to their end"


def _describe_failure(failure: tuple[str, str], where: str = "while it was loaded") -> Verdict:
    """Of an exception in the solution, by name and text."""
    name, text = failure
    kind = "memory limit" if name == "MemoryError" else "runtime error"
    kind = "ended early" if name == "SystemExit" else kind
    return kind, f"{name}: {text} ({where})"


# ---------------------------------------------------------------------------------------------------------
# Cases: a function's arguments and result, or a program's input and output


def run_functions(job: dict[str, Any], tree: ast.AST) -> Verdict:
    """Call the function, of the class `Solution` where there is one, on each case's arguments, one a line."""
    name = job["function_name"]
    task = {
        "code": job["code"],
        "memory_bytes": job["memory_bytes"],
        "module": "solution",
        "wanted": [name],
        "before": programs.preamble_for(tree),
        "holder": "Solution",
        "recursion_limit": program.RECURSION_LIMIT,
    }
    try:
        solution = Solution(task, time.monotonic() + job["time_s"])
    except TimeoutError:
        return "time limit", f"loading took more than {job['time_s']:g} s"
    except SolutionEnded as error:
        return "ended early", f"the solution's process {error}"
    if solution.failure:
        return _describe_failure(solution.failure)
    if name not in solution.names:
        return "runtime error", f"the code defines no function {name}"
    return _first_failure(job, lambda given, expected: _call(solution, job, given, expected))


def _call(solution: Solution, job: dict[str, Any], given: str, expected: str) -> Verdict:
    try:
        arguments, wanted = [json.loads(line) for line in given.split("\n")], json.loads(expected)
    except ValueError as error:
        return "bad tests", str(error)
    try:
        deadline = time.monotonic() + job["time_s"]
        result = solution.call(job["function_name"], arguments, {}, deadline)
    except TimeoutError:
        return "time limit", f"more than {job['time_s']:g} s"
    except SolutionEnded as error:
        return "ended early", f"the solution's process {error}"
    except Exception as error:
        return _describe_failure(getattr(error, "from_solution", ("", "")), solution.last_call)
    if type(result) is tuple:
        result = list(result)  # as LiveCodeBench does, whose expected results come from JSON
    if result == wanted:
        return "passed", ""
    return "wrong answer", f"{solution.last_call}, expected {SHORT.repr(wanted)}"


def run_programs(job: dict[str, Any], tree: ast.AST) -> Verdict:
    """Run the program on each case's input and compare what it prints."""
    with open("solution.py", "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
        file.write(job["code"])
    needs_preamble = bool(programs.preamble_for(tree))

    def check(given: str, expected: str) -> Verdict:
        output, failure = programs.run(
            "solution.py", given, expected, needs_preamble, job["memory_bytes"], job["time_s"]
        )
        if failure is not None:
            return failure
        if programs.same_output(output, expected):
            return "passed", ""
        return "wrong answer", f"printed {SHORT.repr(output)}, expected {SHORT.repr(expected)}"

    return _first_failure(job, check)


def _first_failure(job: dict[str, Any], check: Callable[[str, str], Verdict]) -> Verdict:
    """The first case's verdict that is not `passed`, with its number."""
    cases = job["cases"]
    for number, (given, expected) in enumerate(cases, start=1):
        kind, detail = check(given, expected)
        if kind != "passed":
            return kind, f"test {number} of {len(cases)}: {detail}"
    return "passed", f"{len(cases)} tests"


MODES = {"script": run_script, "functions": run_functions, "programs": run_programs}
