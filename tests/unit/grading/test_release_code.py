"""Code as the release grades it: which block, which imports, and that exit status 0 passes."""

from dataclasses import replace

import pytest

from recursivemas.grading.code import CodeGrader
from recursivemas.grading.code_tests import ScriptTests
from recursivemas.grading.release_code import CodeColumns
from recursivemas.sandbox import LEVELS, why_not
from tests.support.code_answers import answer, function, program, script

pytestmark = pytest.mark.process

RIGHT = "def add(a, b): return a + b"


@pytest.fixture(scope="module")
def columns():
    level = next(level for level in LEVELS if why_not(level) is None)
    return CodeColumns(strict=CodeGrader(isolation=level, workers=2, memory_bytes=512 << 20))


def verdicts(columns, text, question):
    return {name: grade.verdict for name, grade in columns.grade(text, question).items()}


@pytest.mark.parametrize(
    ("code", "release", "strict"),
    [
        (RIGHT, "passed", "passed"),
        ("def add(a, b): return a - b", "wrong answer", "wrong answer"),
        ("def add(a, b): return undefined", "runtime error", "runtime error"),
        ("def add(a, b:", "compile error", "compile error"),
        ("x = [0] * 10**10", "memory limit", "memory limit"),
        # What the preamble brings
        (
            "def add(a: List[int], b) -> Optional[int]: return reduce(operator.add, [a, b])",
            "passed",
            "runtime error",
        ),
        ("def add(a, b): return builtins.sum([a, b]) + int(inf == 0)", "passed", "runtime error"),
        (
            "assert datetime.datetime and sys.getrecursionlimit() == 50000\n" + RIGHT,
            "passed",
            "runtime error",
        ),
        (
            "def deep(n): return n and 1 + deep(n - 1)\nassert deep(20000) == 20000\n" + RIGHT,
            "passed",
            "runtime error",
        ),
        ("def add(a, b): return os.getpid() * 0 + a + b", "runtime error", "runtime error"),
        ("from __future__ import annotations\n" + RIGHT, "compile error", "passed"),
        # What one script lets through
        ("raise SystemExit(0)", "passed", "ended early"),
        ("import os\nos._exit(0)", "passed", "ended early"),
        ("raise SystemExit(3)", "ended early", "ended early"),
        ("import os\nos.abort()", "ended early", "ended early"),
        (
            "class Any:\n    def __eq__(self, b): return True\ndef add(a, b): return Any()",
            "passed",
            "wrong answer",
        ),
        (
            "def add(a, b): return a + b\nif __name__ == '__main__': raise SystemExit(1)",
            "ended early",
            "passed",
        ),
        # Prints do not matter
        ("print('noise' * 10**6)\n" + RIGHT, "passed", "passed"),
    ],
)
def test_scripts(columns, code, release, strict):
    assert verdicts(columns, answer(code), script()) == {"release": release, "strict": strict}


def test_time_limit_of_a_script(columns):
    endless = answer("def add(a, b):\n    while True: pass")
    assert verdicts(columns, endless, script(time_s=0.7))["release"] == "time limit"


def test_the_release_takes_the_first_block_of_python(columns):
    wrong = "def add(a, b): return 0"
    text = answer(wrong) + answer(RIGHT)
    assert verdicts(columns, text, script()) == {"release": "wrong answer", "strict": "passed"}
    assert columns.grade(text, script())["release"].extracted == wrong
    assert verdicts(columns, f"```\n{RIGHT}\n```", script()) == {"release": "no code", "strict": "passed"}
    assert verdicts(columns, f"```python\n{RIGHT}", script()) == {"release": "no code", "strict": "passed"}
    inline = f"```python {RIGHT}```"
    assert verdicts(columns, inline, script())["release"] == "passed"


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (function(("1\n2", "3")), RIGHT, "def add(a, b): return 4"),
        (program(("1 2", "3")), "print(sum(map(int, input().split())))", "print(4)"),
    ],
)
def test_cases_run_alike_and_once_where_the_code_is_alike(columns, question, right, wrong):
    grades = columns.grade(answer(right), question)
    assert grades["release"].correct
    assert grades["release"] is grades["strict"]
    grades = columns.grade(answer(wrong) + answer(right), question)
    assert [grades[name].verdict for name in ("release", "strict")] == ["wrong answer", "passed"]


def test_without_code_nothing_runs(columns, monkeypatch):
    def run(*_, **__):
        raise AssertionError("something ran")

    monkeypatch.setattr("recursivemas.grading.code.run_python", run)
    monkeypatch.setattr("recursivemas.grading.release_code.run_python", run)
    assert verdicts(columns, "no code", script()) == {"release": "no code", "strict": "no code"}


def test_large_tests_have_the_memory_that_they_take(columns):
    tests = f"cases = {[[i, i] for i in range(60_000)]!r}\nassert add(1, 2) == 3\n"
    question = script()
    question = replace(question, meta={"tests": ScriptTests(script=tests, time_s=30)})
    assert verdicts(columns, answer(RIGHT), question) == {"release": "passed", "strict": "passed"}


def test_many_are_graded_in_order(columns):
    texts = [answer(RIGHT), answer("def add(a, b): return 0"), "none"]
    rows = columns.grade_many([(text, script()) for text in texts])
    assert [row["release"].verdict for row in rows] == ["passed", "wrong answer", "no code"]
