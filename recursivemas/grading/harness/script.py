"""A script of tests, with the solution's functions in scope, run to its end."""

from __future__ import annotations

from . import shapes, source
from .solution import Solution, SolutionEnded
from .values import NotCarriedError
from .verdict import Verdict, describe_end, describe_failure, not_carried

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from types import CodeType
    from typing import Any


def run(job: dict[str, Any], tree: ast.AST) -> Verdict:
    """As in one script, the solution may count on what the tests import. It is not `__main__`.

    (In EvalPlus neither, so that what a solution would do as a program is left out.)
    """
    tests = job["tests"]
    try:
        compiled = compile(tests, "tests", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "bad tests", f"{type(error).__name__}: {error}"
    names = source.used_names(compiled)
    task = {
        "code": job["code"],
        "memory_bytes": job["memory_bytes"],
        "module": "solution",
        "wanted": [*names, job["function_name"]],
        "after": source.needed_imports(tests, source.loose_names(tree)),
        "arrays": True,
    }
    if any(name.partition(".")[0] == "numpy" for name in names):
        shapes.guard(broadcast=job["broadcast"], testing=any("testing" in name for name in names))
    try:
        solution = Solution(task)
        if solution.failure:
            return describe_failure(solution.failure)
        return _run_tests(compiled, solution)
    except SolutionEnded as error:
        return describe_end(error)


def _run_tests(tests: CodeType, solution: Solution) -> Verdict:
    try:
        exec(tests, {"__name__": "__main__", **solution.names})
    except SystemExit as error:
        return "bad tests", f"they called exit ({error})"
    except NotCarriedError as error:
        return not_carried(error, solution.last_call)
    except Exception as error:
        return _describe_error(error, solution)
    return "passed", "the tests ran to their end"


def _describe_error(error: Exception, solution: Solution) -> Verdict:
    if hasattr(error, "from_solution"):
        return describe_failure(error.from_solution, solution.last_call)
    opaque = solution.opaque
    # Of a class of the solution's own, an assertion says enough: no test has its equal.
    if opaque is not None and not (opaque.own and isinstance(error, AssertionError)):
        return not_carried(opaque.refusal(), solution.last_call)
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    kind = "bad tests" if isinstance(error, ImportError) else "wrong answer"
    kind = "runtime error" if isinstance(error, NameError) else kind
    return kind, f"{text} ({solution.last_call})" if solution.last_call else text
