"""Grading by cases of a function or of a program, and many answers at a time."""

import json

import pytest

from recursivemas.grading.code import CodeGrader
from recursivemas.question import Question
from tests.support.code_answers import answer, function, program, script, short_if

pytestmark = pytest.mark.process


# ---------------------------------------------------------------------------------------------------------
# Cases of a function


PAIRS = [("1\n2", "3"), ("[1, 2]\n[3]", "[1, 2, 3]"), ('"a"\n"b"', '"ab"')]


@pytest.mark.parametrize(
    "code",
    [
        "class Solution:\n    def add(self, a: List[int], b: Optional[int]) -> int:\n        return a + b",
        "def add(a, b): return a + b",
        "def add(a, b): return tuple(a + b) if isinstance(a, list) else a + b",
        "class Solution:\n    add = staticmethod(lambda a, b: reduce(operator.add, [a, b]))",
        "def same(deque): return deque\ndef add(a, b): return same(deque([a, b])[0] + b)",
        "def add(a, b): return a + b\nif __name__ == '__main__': raise SystemExit(1)",
    ],
)
def test_function_cases_pass(grader, code):
    grade = grader.grade(answer(code), function(*PAIRS))
    assert (grade.correct, grade.how) == (True, "passed: 3 tests"), grade.how


@pytest.mark.parametrize(
    ("code", "verdict", "how"),
    [
        (
            "def add(a, b): return 3",
            "wrong answer",
            "test 2 of 3: add([1, 2], [3]) gave 3, expected [1, 2, 3]",
        ),
        ("def add(a, b): return [*a, *b]", "runtime error", "test 1 of 3: TypeError"),
        ("class Solution: pass", "runtime error", "defines no function add"),
        ("class Solution:\n    def __init__(self, x): pass", "runtime error", "TypeError"),
        ("x", "runtime error", "NameError: name 'x' is not defined (while it was loaded)"),
        ("import time\ntime.sleep(9)", "time limit", "loading took more than 0.8 s"),
        (
            "def add(a, b):\n    while a != 1: pass\n    return a + b",
            "time limit",
            "test 2 of 3: more than 0.8 s",
        ),
        ("def add(a, b): exit()", "ended early", "called exit"),
        ("import os\ndef add(a, b): os._exit(0)", "ended early", "ended with exit code 0"),
        ("import os\ndef add(a, b): os.abort()", "ended early", "was ended by SIGABRT"),
        ("import os, time\ndef add(a, b):\n    os.close(4)\n    time.sleep(9)", "ended early", "connection"),
    ],
)
def test_function_cases_fail(grader, code, verdict, how):
    grade = grader.grade(answer(code), function(*PAIRS, time_s=short_if(verdict)))
    assert (grade.correct, grade.verdict) == (False, verdict), grade.how
    assert how in grade.how


def test_large_arguments_and_results(grader):
    numbers = list(range(200_000))
    cases = [(json.dumps(numbers), json.dumps(numbers[::-1]))]
    grade = grader.grade(answer("def turn(numbers): return numbers[::-1]"), function(*cases, name="turn"))
    assert grade.correct, grade.how


def test_a_solution_that_does_not_take_its_arguments(grader):
    code = "import time\nimport os\nos.close(3)\ndef add(a): pass"
    grade = grader.grade(answer(code), function((json.dumps("x" * 10**6), "1")))
    assert grade.verdict == "ended early"


def test_numbers_of_thousands_of_digits(grader):
    digits = "1" + "0" * 5000
    code = "class Solution:\n  def f(self, n): return len(str(n))"
    assert grader.grade(answer(code), function((digits, "5001"), name="f")).correct
    code = "class Solution:\n  def f(self, n): return str(10**n)"
    assert grader.grade(answer(code), function(("5000", json.dumps(digits)), name="f")).correct
    code = "def f(n): return n + 1"
    assert grader.grade(answer(code), function((digits, digits[:-1] + "1"), name="f")).correct
    assert grader.grade(answer("print(10**5000)"), program(("", digits))).correct
    assert grader.grade(answer("print(int(input()) + 1)"), program((digits, digits[:-1] + "1"))).correct


def test_only_processor_time_counts(grader):
    """Waiting, as for a processor that others use, is no fault."""
    code = "import time\ntime.sleep(1)\ndef add(a, b):\n    time.sleep(1)\n    return a + b"
    assert grader.grade(answer(code), script(time_s=0.9)).correct
    assert grader.grade(answer(code), function(("1\n2", "3"), time_s=0.5)).correct
    waits = "import time\ntime.sleep(1)\nprint(3)"
    assert grader.grade(answer(waits), program(("", "3"), time_s=0.5)).correct


def test_recursion_is_allowed_further_than_usual(grader):
    code = "def add(a, b): return b if a == 0 else add(a - 1, b + 1)"
    assert grader.grade(answer(code), function(("20000\n1", "20001"))).correct


def test_cases_that_are_no_json(grader):
    assert grader.grade(answer("def add(a): return a"), function(("nope", "1"))).verdict == "bad tests"


# ---------------------------------------------------------------------------------------------------------
# Cases of a program


SUMS = [("1 2\n", "3\n"), ("5", "5"), ("0.5 1\n", "1.50\n")]


@pytest.mark.parametrize(
    "code",
    [
        "print(sum(map(float, input().split())))",
        "import sys\nprint(sum(map(float, sys.stdin.read().split())), end='\\n \\n\\n')",
        "def main():\n    print(fsum(map(float, input().split())))\nif __name__ == '__main__':\n    main()",
        "print(sum(map(float, open(0).read().split())))\nexit(1)",
        "import sys\nprint('debug', file=sys.stderr)\nprint(sum(map(float, input().split())))\nsys.exit()",
    ],
)
def test_program_cases_pass(grader, code):
    grade = grader.grade(answer(code), program(*SUMS))
    assert (grade.correct, grade.how) == (True, "passed: 3 tests"), grade.how


@pytest.mark.parametrize(
    ("code", "verdict", "how"),
    [
        ("print(3)", "wrong answer", "test 2 of 3: printed '3\\n', expected '5'"),
        ("print(1 / 0)", "runtime error", "test 1 of 3: ZeroDivisionError: division by zero"),
        ("import os\nos.abort()", "runtime error", "was ended by SIGABRT"),
        ("import time\ntime.sleep(9)", "time limit", "more than 0.8 s"),
        ("x = bytearray(10**10)", "memory limit", "MemoryError"),
        ("import sys\nwhile True: sys.stdout.write('x' * 1000)", "output limit", "bytes of output"),
        ("print(", "compile error", "SyntaxError"),
        ("a, b = map(int, input().split())\nprint(a + b)", "runtime error", "test 2 of 3: ValueError"),
        ("import os\nprint(3, flush=True)\nos.close(1)\nimport time\ntime.sleep(9)", "time limit", "test 1"),
    ],
)
def test_program_cases_fail(grader, code, verdict, how):
    grade = grader.grade(answer(code), program(*SUMS, time_s=short_if(verdict)))
    assert (grade.correct, grade.verdict) == (False, verdict), grade.how
    assert how in grade.how


def test_each_case_of_a_program_runs_alone(grader):
    code = "import os\nprint(os.path.exists('seen'))\nopen('seen', 'w').close()"
    assert "test 2 of 2" in grader.grade(answer(code), program(("", "False"), ("", "False"))).how


# ---------------------------------------------------------------------------------------------------------
# Many at a time


def test_many_are_graded_in_order(grader):
    right, wrong = answer("def add(a, b): return a + b"), answer("def add(a, b): return a * b")
    answers = [(right, script()), (wrong, script()), ("no code", script()), (right, function(*PAIRS))]
    assert [grade.correct for grade in grader.grade_many(answers)] == [True, False, False, True]


def test_other_kinds_and_bad_settings_are_refused(grader):
    with pytest.raises(ValueError, match="question q is of the kind math"):
        grader.grade("", Question(id="q", text="", gold="1"))
    with pytest.raises(ValueError, match="workers is 0"):
        CodeGrader(isolation="limits", workers=0)


def test_tests_that_cannot_be_read(grader):
    class Broken:
        def to_job(self, question, *, private):
            raise ValueError("cut off")

    question = Question(id="q", text="", kind="program", meta={"tests": Broken()})
    grade = grader.grade(answer("print()"), question)
    assert (grade.correct, grade.how) == (False, "bad tests: cut off")
