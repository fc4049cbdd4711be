"""MBPP+: short Python functions, with the extended tests of EvalPlus."""

from __future__ import annotations

import ast
import builtins
import reprlib
from collections.abc import Sequence
from typing import Any

from recursivemas.benchmarks.base import Benchmark, Row, text_field
from recursivemas.grading.code_tests import ScriptTests
from recursivemas.question import Question

NUM_SHOWN_TESTS = 3
TIME_LIMIT_S = 10.0


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """The task with its first tests; the gold is the reference solution.

    The tests that decide are the script in `test`, after the statements in `test_imports`.

    Source: docs/protocol.md, "Questions".
    """
    tests = _lines(row, "test_list")
    if not tests:
        raise ValueError("field 'test_list' is empty; its first tests name the function and are shown")
    code = text_field(row, "code")
    shown = "\n".join(tests[:NUM_SHOWN_TESTS])
    script = "\n".join([*_lines(row, "test_imports"), text_field(row, "test")])
    return Question(
        id=question_id,
        text=f"{text_field(row, 'prompt')}\n\nYour solution should satisfy assertions like:\n{shown}",
        gold=code,
        kind="function",
        function_name=find_function_name(tests, code),
        meta={"tests": ScriptTests(script=script, time_s=TIME_LIMIT_S)},
    )


def _lines(row: Row, name: str) -> list[str]:
    value: Any = row[name]
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(isinstance(v, str) for v in value)
    ):
        raise ValueError(f"field {name!r} has to be a list of statements, not {reprlib.repr(value)}")
    return list(value)


def find_function_name(tests: Sequence[str], code: str) -> str:
    """The function that the tests are about: the first that they call and `code` defines.

    Without such a one, the first that they call and that is not built in. Raises ValueError where there is
    none, and for tests or code that are not Python.
    """
    try:
        defined = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
        called = [name for test in tests for name in _called_names(ast.parse(test))]
    except SyntaxError as error:
        raise ValueError(f"'code' and 'test_list' have to be Python: {error}") from error
    candidates = [name for name in called if name in defined]
    candidates += [name for name in called if not hasattr(builtins, name)]
    if not candidates:
        raise ValueError(f"no test calls a function by its name: {list(tests)!r}")
    return candidates[0]


def _called_names(tree: ast.AST) -> list[str]:
    """In the order of the source."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [function for function in calls if isinstance(function, ast.Name)]
    return [name.id for name in sorted(names, key=lambda name: (name.lineno, name.col_offset))]


MBPPPLUS = Benchmark(
    name="mbppplus",
    to_question=to_question,
    columns=("prompt", "code", "test_list", "test", "test_imports"),
    hub_id="evalplus/mbppplus",
    split="test",
    id_columns=("task_id",),
    task="code",
    release_settings={"temperature": 0.2},  # Release: docs/protocol.md, "Decoding"
)
