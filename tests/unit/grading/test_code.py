"""Grading code: verdicts and their kinds, for scripts, functions and programs, and attempts to forge one."""

import json
import textwrap
from dataclasses import dataclass, replace

import pytest

from recursivemas.grading import code
from recursivemas.grading.code import CodeGrader
from recursivemas.grading.code_tests import ScriptTests, case_job
from recursivemas.question import Question
from recursivemas.sandbox import LEVELS, Outcome, why_not

pytestmark = pytest.mark.process

ASSERTIONS = """
def check(result, expected):
    assert result == expected


inputs = [[1, 2], [0, 0], [-1, 5]]
for arguments, expected in zip(inputs, [3, 0, 4]):
    check(add(*arguments), expected)
"""


@dataclass(frozen=True)
class Cases:
    cases: list[tuple[str, str]]
    time_s: float

    def to_job(self, question, *, private):
        return case_job(question, self.cases, self.time_s)


@pytest.fixture(scope="module")
def grader():
    """At the best level there is; the code here does no harm at any."""
    level = next(level for level in LEVELS if why_not(level) is None)
    return CodeGrader(isolation=level, workers=2, memory_bytes=512 << 20)


@pytest.fixture(params=LEVELS)
def grader_at(request):
    """At each level that works here."""
    reason = why_not(request.param)
    if reason is not None:
        pytest.skip(f"{request.param} does not work here: {reason}")
    return CodeGrader(isolation=request.param, workers=2, memory_bytes=512 << 20)


def script(assertions=ASSERTIONS, time_s=10.0, name="add"):
    tests = ScriptTests(script=assertions, time_s=time_s)
    return Question(id="q", text="", kind="function", function_name=name, meta={"tests": tests})


def function(*cases, name="add", time_s=6.0):
    tests = Cases(list(cases), time_s)
    return Question(id="q", text="", kind="function", function_name=name, meta={"tests": tests})


def program(*cases, time_s=6.0):
    return Question(id="q", text="", kind="program", meta={"tests": Cases(list(cases), time_s)})


def short_if(verdict):
    """Little time where it has to run out, enough for a busy machine elsewhere."""
    return 0.8 if verdict == "time limit" else 6.0


def answer(code):
    return f"Here it is.\n```python\n{textwrap.dedent(code).strip()}\n```\n"


# ---------------------------------------------------------------------------------------------------------
# A script of assertions


@pytest.mark.parametrize(
    "code",
    [
        "def add(a, b): return a + b",
        "add = lambda a, b: a + b",
        "class Adder:\n    def __call__(self, a, b): return a + b\nadd = Adder()",
        "print('noise' * 10**6)\ndef add(a, b):\n    print('more noise')\n    return a + b",
        "import numpy as np\ndef add(a, b): return np.int64(a) + np.int64(b)",
        "def add(a, b): return a + b\nif __name__ == '__main__': print(add(1, 1))",
        "from fractions import Fraction\ndef add(a, b): return Fraction(a) + b",
        "import sympy\ndef add(a, b): return sympy.Integer(a) + b",
        "def add(a, b): return a + b\nif __name__ == '__main__':\n    a = int(input())",
        "from concurrent.futures import ThreadPoolExecutor\nimport time\ndef add(a, b):\n"
        "    with ThreadPoolExecutor(24) as e:\n"
        "        return sum(e.map(lambda x: (time.sleep(0.1), x)[1], [a, b] + [0] * 24))",
    ],
)
def test_a_right_function_passes(grader, code):
    grade = grader.grade(answer(code), script())
    assert (grade.correct, grade.verdict) == (True, "passed"), grade.how
    assert grade.extracted == code
    assert grade.seconds > 0


@pytest.mark.parametrize(
    ("code", "verdict", "how"),
    [
        ("def add(a, b): return a - b", "wrong answer", "AssertionError (add(1, 2) gave -1)"),
        ("def add(a, b): return None", "wrong answer", "gave None"),
        ("def add(a, b): return str(a + b)", "wrong answer", "gave '3'"),
        ("def add(a, b): return a / 0", "runtime error", "ZeroDivisionError: division by zero (add(1, 2))"),
        ("def add(a): return a", "runtime error", "TypeError: add() takes 1 positional argument"),
        ("def add(a, b): assert False, 'mine'", "runtime error", "AssertionError: mine"),
        ("class Odd(Exception): pass\ndef add(a, b): raise Odd('x')", "runtime error", "Odd: x"),
        ("def sum_up(a, b): return a + b", "runtime error", "name 'add' is not defined"),
        ("add = 5", "wrong answer", "'int' object is not callable"),
        ("import no_such_package", "runtime error", "ModuleNotFoundError"),
        ("def add(a, b:\n    return", "compile error", "SyntaxError"),
        ("def add(a, b): return '\0'", "compile error", "null bytes"),
        ("def add(a, b): return bytearray(10**10)", "memory limit", "MemoryError"),
        ("x = [0] * 10**10", "memory limit", "while it was loaded"),
        ("def add(a, b): return add(a, b)", "runtime error", "RecursionError"),
        ("def add(a, b):\n    yield a + b", "wrong answer", "gave <list_iterato"),
        (
            "class Three:\n    def __eq__(self, b): return True\ndef add(a, b): return Three()",
            "wrong answer",
            "Three",
        ),
    ],
)
def test_a_wrong_function_fails_for_a_reason(grader, code, verdict, how):
    grade = grader.grade(answer(code), script())
    assert (grade.correct, grade.verdict) == (False, verdict), grade.how
    assert grade.how.startswith(f"{verdict}: ")
    assert how in grade.how


def test_time_limit_of_a_script(grader):
    grade = grader.grade(answer("def add(a, b):\n    while True: pass"), script(time_s=0.7))
    assert (grade.correct, grade.verdict) == (False, "time limit")
    assert 0.7 <= grade.seconds < 5


@pytest.mark.parametrize("text", ["def add(a, b): return a + b", "```json\n{}\n```", "", "```python\n\n```"])
def test_no_code(grader, text):
    grade = grader.grade(text, script())
    assert (grade.correct, grade.extracted, grade.verdict) == (False, None, "no code")


def test_the_last_block_counts(grader):
    text = answer("def add(a, b): return 0") + answer("def add(a, b): return a + b")
    assert grader.grade(text, script()).correct


def test_the_solution_may_count_on_what_the_tests_import(grader):
    tests = "import math\nfrom itertools import accumulate as running\n" + ASSERTIONS
    code = "def add(a, b): return [*running([a, b])][-1] + int(math.sin(0))"
    assert grader.grade(answer(code), script(tests)).correct
    assert grader.grade(answer(code), script()).verdict == "runtime error"


def test_a_name_of_a_built_in_function(grader):
    tests = "assert sum(10, 15) == 6\nassert sum(100, 150) == 93"
    code = "import math\ndef sum(a, b): return [d for d in [6, 93] if (d == 6) == (a == 10)][0]"
    assert grader.grade(answer(code), script(tests, name="sum")).correct


def test_plain_data_of_every_kind_arrives(grader):
    values = [None, True, 1.5, 10**400, -1, "é\ud800", b"\xff", 1j, [1, [2]], (1, (2,)), {1: (2,)}, {1, 2}]
    values += [frozenset({3}), range(3), float("inf"), {"list": [1]}, {}, (), ""]
    tests = f"inf = float('inf')\nfor value in {values!r}:\n    assert same(value) == value\n"
    tests += "    assert type(same(value)) is type(value)"
    assert grader.grade(answer("def same(value): return value"), script(tests, name="same")).correct


def test_tests_see_iterators_and_objects_for_what_they_are(grader):
    tests = "assert list(f()) == [1, 2]\nassert next(f()) == 1\nassert g() is not None\nassert h() == {1: 2}"
    code = """
        import re
        from collections import defaultdict
        def f(): return map(int, "12")
        def g(): return re.match("a", "a")
        def h(): return defaultdict(lambda: 0, {1: 2})
    """
    assert grader.grade(answer(code), script(tests, name="f")).correct


OBJECTS = [
    (
        "import datetime\ndef h(y, m, d): return datetime.date(y, m, d)",
        "import datetime\nassert h(2020, 1, 2) == datetime.date(2020, 1, 2)\n"
        "assert h(2020, 1, 2).year == 2020",
    ),
    ("def h(a): return lambda x: x + a", "assert h(1)(2) == 3\nassert callable(h(1))"),
    (
        "def h(a): return [lambda x, k=k: x + k for k in range(a)]",
        "assert [f(10) for f in h(3)] == [10, 11, 12]",
    ),
    (
        "def h(f, x): return f(f(x))",
        "assert h(lambda x: x * 3, 2) == 18\nassert h(abs, -1) == 1\nassert h(int, '7') == 7",
    ),
    (
        "def h(*fs):\n def run(x):\n  for f in fs: x = f(x)\n  return x\n return run",
        "assert h(len, str)([1]) == '1'\nassert h(h(len), h(str))('ab') == '2'",
    ),
    (
        "def h(f):\n try: return f(0)\n except ZeroDivisionError: return 'no'",
        "assert h(lambda x: 1 / x) == 'no'",
    ),
    (
        "import functools\ndef h(f):\n @functools.wraps(f)\n def g(*a): return f(*a) + 1\n return g",
        "@h\ndef one(): return 1\nassert one() == 2",
    ),
    (
        "import sympy\ndef h(n): return sympy.sqrt(n) + sympy.Rational(1, 3)",
        "import sympy\nassert h(2) == sympy.sqrt(2) + sympy.Rational(1, 3)\n"
        "assert sympy.simplify(h(4)) == sympy.Rational(7, 3)",
    ),
    (
        "import sympy\ndef h(n): return sympy.Float(n, 30)",
        "import sympy\nassert h('0.1') == sympy.Float('0.1', 30)",
    ),
    (
        "import sympy\ndef h(e): return e + 1",
        "from sympy import Symbol, pi\nx = Symbol('x')\nassert h(x * pi) == x * pi + 1",
    ),
    (
        "import numpy as np\ndef h(n): return np.eye(n)",
        "import numpy as np\nassert h(2).shape == (2, 2)\nassert np.array_equal(h(2), [[1, 0], [0, 1]])\n"
        "assert h(2).tolist()[0] == [1.0, 0.0]",
    ),
    (
        "import numpy as np\ndef h(n): return np.float32(n)",
        "import numpy as np\nassert h(0.1).dtype == np.float32\nassert h(0.5) == 0.5",
    ),
    (
        "def h(a): return a.sum(axis=0)",
        "import numpy as np\nassert (h(np.arange(6).reshape(2, 3)) == [3, 5, 7]).all()",
    ),
    ("def h(l): l.sort()", "l = [3, 1, 2]\nassert h(l) is None\nassert l == [1, 2, 3]"),
    (
        "def h(d, l): d.pop('a'); l[0].append(1)",
        "d, l = {'a': 1, 'b': 2}, [[0]]\nh(d, l)\nassert (d, l) == ({'b': 2}, [[0, 1]])",
    ),
    ("def h(x): return type(x)", "assert h(3) is int\nassert h('') == str"),
    (
        "def h(x): return bytearray(x)",
        "assert h(b'ab') == bytearray(b'ab')\nassert type(h(b'a')) is bytearray",
    ),
    (
        "import datetime as t\ndef h(x): return x + t.timedelta(hours=1)",
        "from datetime import *\nz = timezone(timedelta(hours=2))\n"
        "assert h(datetime(2020, 1, 1, tzinfo=z)) == datetime(2020, 1, 1, 1, tzinfo=z)",
    ),
    ("def h(n): return 10**n", "assert h(6000) == 10**6000\nassert len(str(h(6000))) == 6001"),
    ("def h(s): return str(int(s) + 1)", "assert h('1' + '0' * 5000) == '1' + '0' * 4999 + '1'"),
]


@pytest.mark.parametrize(("code", "tests"), OBJECTS)
def test_results_that_are_not_plain(grader, code, tests):
    grade = grader.grade(answer(code), script(tests, name="h"))
    assert grade.correct, grade.how


NOT_CARRIED = [
    ("class P:\n def __init__(self, x): self.x = x\ndef h(x): return P(x)", "assert h(3).x == 3"),
    ("class P:\n x = 3\n def m(self): return 3", "assert P().m() == 3"),
    ("class P:\n x = 3\ndef h(): pass", "assert P.x == 3"),
    ("class P:\n def __len__(self): return 3\ndef h(): return P()", "assert len(h()) == 3"),
    ("import re\ndef h(s): return re.match('a', s)", "assert h('ab').group() == 'a'"),
    ("import uuid\ndef h(): return uuid.UUID(int=1)", "import uuid\nassert h() == uuid.UUID(int=1)"),
    (
        "import pathlib\ndef h(): return [pathlib.Path('a')]",
        "import pathlib\nassert h() == [pathlib.Path('a')]",
    ),
    ("import sympy\ndef h(): return sympy.sin(1)", "import sympy\nassert h() == sympy.sin(1)"),
    (
        "import numpy\ndef h(): return numpy.datetime64('2020')",
        "import numpy\nassert h() == numpy.datetime64('2020')",
    ),
    ("import asyncio\nasync def h(): return 3", "import asyncio\nassert asyncio.run(h()) == 3"),
    ("def h(node): return node.value", "class Node:\n value = 3\nassert h(Node()) == 3"),
    ("def h(make): return make().value", "class Node:\n value = 3\nassert h(Node) == 3"),
]


@pytest.mark.parametrize(("code", "tests"), NOT_CARRIED)
def test_a_test_that_cannot_be_carried_blames_nobody(grader, code, tests):
    grade = grader.grade(answer(code), script(tests, name="h"))
    assert (grade.correct, grade.verdict) == (False, "bad tests"), grade.how
    assert "cannot be carried" in grade.how
    assert grade.error == grade.how.removeprefix("bad tests: ")  # counted apart, as undecided


FLOATS = """
import numpy as np
def is_floats(x) -> bool:
    if isinstance(x, float): return True
    if isinstance(x, (list, tuple)): return all(isinstance(i, float) for i in x)
    return False
def assertion(out, exp, atol):
    if atol == 0 and is_floats(exp): atol = 1e-6
    if out != exp and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert out == exp, f"out: {out}, exp: {exp}"
for i, (inp, exp) in enumerate(zip([[2]], [EXPECTED])):
    assertion(area(*inp), exp, 0)
"""


@pytest.mark.parametrize(
    ("result", "expected", "verdict"),
    [
        ("12.566370614", "12.5663706", "passed"),
        ("[1.00000001, 2.0]", "[1.0, 2.0]", "passed"),
        ("(1.00000001, 2.0)", "[1.0, 2.0]", "passed"),
        ("[]", "12.5663706", "wrong answer"),
        ("()", "12.5663706", "wrong answer"),
        ("[[]]", "12.5663706", "wrong answer"),
        ("[12.5663706]", "12.5663706", "wrong answer"),
        ("[]", "[1.0, 2.0]", "wrong answer"),
        ("1.0", "[1.0, 1.0]", "wrong answer"),
        ("[[1.0, 1.0]]", "[1.0, 1.0]", "wrong answer"),
        ("5", "[]", "wrong answer"),
        ("[[], []]", "[1.0]", "wrong answer"),
        ("'12.566'", "12.566", "wrong answer"),
        ("None", "12.566", "wrong answer"),
    ],
)
def test_numbers_close_to_the_expected_ones(grader, result, expected, verdict):
    tests = FLOATS.replace("EXPECTED", expected)
    grade = grader.grade(answer(f"def area(r): return {result}"), script(tests, name="area"))
    assert grade.verdict == verdict, grade.how


def test_a_hand_written_test_may_compare_a_list_with_one_number(grader):
    tests = ScriptTests(
        script="import numpy as np\nassert np.allclose(area(2), 0)\nnp.testing.assert_allclose(area(2), 0)",
        time_s=10.0,
        broadcast=True,
    )
    question = replace(script(name="area"), meta={"tests": tests})
    assert grader.grade(answer("def area(r): return [0.0] * r"), question).correct
    assert grader.grade(answer("def area(r): return []"), question).verdict == "wrong answer"


def test_exceptions_reach_the_tests(grader):
    tests = (
        "try:\n    add(1, 2)\nexcept ValueError as error:\n    assert 'no' in str(error)\nelse:\n    1 / 0"
    )
    assert grader.grade(answer("def add(a, b): raise ValueError('no')"), script(tests)).correct
    assert (
        grader.grade(answer("def add(a, b): raise KeyError('no')"), script(tests)).verdict == "runtime error"
    )


@pytest.mark.parametrize(
    "tests", ["assert add(1, 2) ==", "import no_such_package\nassert add(1, 2) == 3", "raise SystemExit(0)"]
)
def test_bad_tests_are_no_verdict_on_the_solution(grader, tests):
    assert grader.grade(answer("def add(a, b): return 3"), script(tests)).verdict == "bad tests"


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
# Forging a verdict


FORGED = json.dumps({"kind": "passed", "detail": "", "nonce": ""})
MESSAGES = """
    import json, os
    def send(value):
        data = json.dumps(value).encode()
        for number in range(3, 64):
            try:
                os.write(number, len(data).to_bytes(8, "little") + data)
            except OSError:
                pass
"""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os\nos._exit(0)", id="exit before the tests"),
        pytest.param("import os\ndef add(a, b): os._exit(0)", id="exit in a test"),
        pytest.param("raise SystemExit(0)", id="SystemExit"),
        pytest.param(f"print({FORGED!r})\nraise SystemExit(0)", id="print a verdict"),
        pytest.param(
            f"""
            import os
            for number in range(256):
                try:
                    os.write(number, {FORGED.encode()!r})
                except OSError:
                    pass
            os._exit(0)
            """,
            id="write a verdict everywhere",
        ),
        pytest.param(
            MESSAGES
            + """
    send(["ready", ["add", "zip"], {"dict": [["__builtins__", 1]]}])
    send(["value", []])
    send(["value", []])
    import time
    time.sleep(9)
    """,
            id="speak for the process that serves",
        ),
        pytest.param(
            MESSAGES + "    send('x')\n    send({'no': 'tag'})\n    os._exit(0)", id="speak nonsense"
        ),
        pytest.param(
            """
            class Equal:
                def __eq__(self, other): return True
                def __ne__(self, other): return False
            def add(a, b): return Equal()
            """,
            id="an object that equals anything",
        ),
        pytest.param(
            """
            class Equal(int):
                def __eq__(self, other): return True
                __hash__ = int.__hash__
            def add(a, b): return Equal()
            """,
            id="a number that equals anything",
        ),
        pytest.param(
            """
            import builtins, json, os, sys, unittest
            builtins.AssertionError = builtins.zip = builtins.isinstance = lambda *_: []
            unittest.TestCase.assertEqual = json.dumps = json.loads = lambda *_, **__: "passed"
            sys.exit = os._exit = lambda *_: None
            sys.excepthook = lambda *_: None
            def check(result, expected): pass
            def zip(*_): return []
            def add(a, b): return 0
            """,
            id="patch what the tests use",
        ),
        pytest.param(
            """
            import sys
            frame = sys._getframe()
            while frame is not None:
                frame.f_globals.update(failure=None, check=lambda *_: None, VERDICT="passed")
                for name, value in list(frame.f_globals.items()):
                    if name == "_call":
                        frame.f_globals[name] = lambda *_: ["value", 3]
                frame = frame.f_back
            def add(a, b): return 3
            """,
            id="patch the frames above",
        ),
        pytest.param("import os\nos.kill(os.getppid(), 9)", id="kill the tests"),
        pytest.param("import os\nos.kill(os.getppid(), 19)", id="stop the tests"),
        pytest.param(
            f"""
            import os
            for name in ("fd/3", "fd/1", "fd/0", "mem"):
                try:
                    os.write(os.open(f"/proc/{{os.getppid()}}/{{name}}", os.O_WRONLY), {FORGED.encode()!r})
                    print("reached")
                    os.kill(os.getppid(), 9)
                except OSError:
                    pass
            def add(a, b): return 0
            """,
            id="write to the tests' files",
        ),
    ],
)
def test_a_verdict_cannot_be_forged(grader_at, code):
    grade = grader_at.grade(answer(code), script(time_s=1.5))
    assert not grade.correct, grade.how
    assert grade.verdict in ("ended early", "wrong answer", "time limit", "runtime error")


PLANTED = f"""
    import os
    forged = {FORGED!r}
    if os.path.exists("been here"):
        os.write(2, forged.encode())  # where the next test's files are what the last one put there
        print(forged)
        os._exit(0)
    open("been here", "w").close()
    for name in ("stderr", "input", "stdin", "stdout", "solution.py", "output", "verdict", "main.py", "3"):
        for target in PLACES:
            try:
                os.path.lexists(name) and os.unlink(name)
                os.symlink(target, name)
            except OSError:
                pass
    print("first")
"""


@pytest.mark.parametrize("descriptor", [3, 5])
def test_a_later_test_s_files_cannot_be_replaced(grader_at, descriptor):
    """The standard error of a later test was a file by name, and the name a link to the verdict's pipe."""
    code = PLANTED.replace("PLACES", f'["/proc/self/fd/{descriptor}"]')
    grade = grader_at.grade(answer(code), program(("", "first"), ("", "second")))
    assert (grade.correct, grade.verdict) == (False, "wrong answer"), grade.how
    assert "test 2 of 2" in grade.how


def test_the_tests_process_and_its_nonce_are_out_of_reach(grader_at):
    """Through every process of the run: descriptors, memory, environment, command line."""
    code = f"""
        import os
        def reach():
            reached = []
            mine = str(os.getpid())
            for process in os.listdir("/proc"):
                if not process.isdigit() or process == mine or not theirs(process):
                    continue
                for name in ("mem", "environ", "auxv", "syscall", "stack", "io"):
                    try:
                        if os.read(os.open(f"/proc/{{process}}/{{name}}", os.O_RDONLY), 10):
                            reached.append(name)
                    except OSError:
                        pass
                for number in range(12):
                    for mode in (os.O_RDONLY, os.O_WRONLY | os.O_NONBLOCK):
                        try:
                            end = os.open(f"/proc/{{process}}/fd/{{number}}", mode)
                            mode and os.write(end, {FORGED.encode()!r})
                            reached.append(number)
                        except OSError:
                            pass
                reached += ["nonce"] * (b"nonce" in open(f"/proc/{{process}}/cmdline", "rb").read())
            return reached
        def theirs(process):
            while process not in ("0", "1"):
                if process == str(os.getppid()):
                    return True
                try:
                    process = open(f"/proc/{{process}}/stat").read().rpartition(")")[2].split()[1]
                except FileNotFoundError:
                    return False
            return process == "1" and os.getppid() < 10  # the keeper, in a process namespace of its own
        def add(a, b): return reach()
    """
    assert "gave []" in grader_at.grade(answer(code), script()).how


LOOK_AROUND = """
    import gc, glob, os
    def look_around():
        found = [repr(gc.get_objects()).encode()]
        places = glob.glob("*") + [f"/proc/{os.getppid()}/environ"]
        for process in (1, os.getppid()):
            places += glob.glob(f"/proc/{process}/fd/*") + [f"/proc/{process}/fd/0", f"/proc/{process}/mem"]
        for place in places:
            try:
                found.append(open(place, "rb").read(10**6))
            except OSError:
                pass
        return "leaked" if b"an-expected" + b"-result" in b"".join(found) else "nothing found"
"""


def test_the_tests_files_are_closed_to_the_solution(grader):
    code = """
        import os
        def add(a, b):
            opened = []
            for name in ("fd/3", "fd/1", "fd/0", "mem", "environ", "maps"):
                try:
                    os.open(f"/proc/{os.getppid()}/{name}", os.O_RDONLY)
                    opened.append(name)
                except OSError:
                    pass
            return opened
    """
    assert "gave []" in grader.grade(answer(code), script()).how


def test_a_solution_does_not_end_the_tests_loops(grader):
    code = "def add(a, b): raise StopIteration('through')"
    grade = grader.grade(answer(code), script("assert all(map(add, [1, 2], [3, 4]))"))
    assert (grade.correct, grade.verdict) == (False, "runtime error"), grade.how


def test_only_functions_that_return_nothing_change_the_tests_data(grader):
    code = """
        import sys
        frame = sys._getframe()
        while "self" not in frame.f_locals:
            frame = frame.f_back
        Server = type(frame.f_locals["self"])
        send = Server._send
        forged = ["value", [], [[0, []]]]
        Server._send = lambda self, answer: send(self, forged if len(answer) == 3 else answer)
        def copy(values): pass
    """
    tests = "values = [1, 2]\nassert copy(values) == values"
    grade = grader.grade(answer(code), script(tests, name="copy"))
    assert "gave []" in grade.how
    assert grade.verdict == "wrong answer"


def test_a_verdict_without_the_nonce_is_none():
    outcome = Outcome(
        stdout="", stderr="", verdict="", ended_by="exit", exit_code=0, signal=None, seconds=1.0
    )
    for forged in (
        FORGED,
        "[]",
        "1",
        "null",
        '"x"',
        json.dumps({"nonce": None, "kind": "passed", "detail": ""}),
    ):
        kind, _ = code._read_verdict(replace(outcome, verdict=forged), "a nonce")
        assert kind == "ended early"
    real = json.dumps({"nonce": "a nonce", "kind": "passed", "detail": "all"})
    assert code._read_verdict(replace(outcome, verdict=real), "a nonce") == ("passed", "all")


def test_a_program_cannot_write_the_verdict(grader):
    code = f"""
        import os
        for number in range(64):
            try:
                os.write(number, {FORGED.encode()!r})
            except OSError:
                pass
    """
    grade = grader.grade(answer(code), program(("", "x")))
    assert (grade.correct, grade.verdict) == (False, "wrong answer")


def test_expected_results_cannot_be_read(grader):
    code = LOOK_AROUND + "    def add(a, b): return look_around()"
    grade = grader.grade(answer(code), script("assert add(1, 2) == 'an-expected-result'"))
    assert "gave 'nothing found'" in grade.how
    grade = grader.grade(answer(code), function(("1\n2", '"an-expected-result"')))
    assert "gave 'nothing found'" in grade.how
    grade = grader.grade(
        answer(LOOK_AROUND + "    print(look_around())"), program(("", "an-expected-result"))
    )
    assert "printed 'nothing found" in grade.how


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
