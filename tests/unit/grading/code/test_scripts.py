"""Grading by a script of assertions."""

from dataclasses import replace

import pytest

from recursivemas.grading.code_tests import ScriptTests
from tests.support.code_answers import ASSERTIONS, answer, script

pytestmark = pytest.mark.process


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
