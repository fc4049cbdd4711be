"""Cases in order, up to the first that fails: of a function's results, or of what a program prints."""

from __future__ import annotations

import json

from . import program, programs
from .comparing import same_output
from .solution import SHORT, Solution, SolutionEnded
from .values import NotCarriedError
from .verdict import Verdict, describe_end, describe_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from typing import Any


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
        solution = Solution(task, job["time_s"])
    except TimeoutError as error:
        return "time limit", f"loading took {error}"
    except SolutionEnded as error:
        return describe_end(error)
    if solution.failure:
        return describe_failure(solution.failure)
    if name not in solution.names:
        return "runtime error", f"the code defines no function {name}"
    return _first_failure(job, lambda given, expected: _call(solution, name, given, expected))


def _call(solution: Solution, name: str, given: str, expected: str) -> Verdict:
    try:
        arguments, wanted = [json.loads(line) for line in given.split("\n")], json.loads(expected)
    except ValueError as error:
        return "bad tests", str(error)
    try:
        result = solution.names[name](*arguments)
        if type(result) is tuple:
            result = list(result)  # as LiveCodeBench does, whose expected results come from JSON
        if result == wanted:
            return "passed", ""
    except TimeoutError as error:
        return "time limit", str(error)
    except SolutionEnded as error:
        return describe_end(error)
    except NotCarriedError:
        pass  # it can only be wrong: what is expected comes from JSON
    except Exception as error:
        return describe_failure(getattr(error, "from_solution", _in_short(error)), solution.last_call)
    return "wrong answer", f"{solution.last_call}, expected {SHORT.repr(wanted)}"


def _in_short(error: Exception) -> tuple[str, str]:
    return type(error).__name__, str(error)


def run_programs(job: dict[str, Any], tree: ast.AST) -> Verdict:
    """Run the program on each case's input and compare what it prints."""
    code = job["code"].encode("utf-8", "surrogatepass")
    needs_preamble = bool(programs.preamble_for(tree))

    def check(given: str, expected: str) -> Verdict:
        output, failure = programs.run(
            code, given, expected, needs_preamble, job["memory_bytes"], job["time_s"]
        )
        if failure is not None:
            return failure
        if same_output(output, expected):
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
