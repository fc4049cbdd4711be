"""Comparing what a program prints, and what a source needs around it."""

import ast

import pytest

from recursivemas.grading.harness.comparing import same_output
from recursivemas.grading.harness.source import loose_names, needed_imports, used_names


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("3", "3\n"),
        ("  3 \n\n", "3"),
        ("1 2\n3", "1 2 \n 3\n"),
        ("1.0", "1"),
        ("1.50 2", "1.5 2.000"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("1  2", "1 2"),
        ("Yes", "Yes"),
        ("", "\n"),
        ("٣", "3"),
    ],
)
def test_same_output(printed, expected):
    assert same_output(printed, expected)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("3", "4"),
        ("3\n\n4", "3\n4"),
        ("3", "3\n3"),
        ("yes", "Yes"),
        ("a  b", "a b"),
        ("1.0000001", "1"),
        ("50000000000000001", "50000000000000000"),
        ("1 2", "12"),
        ("nan", "NaN"),
        ("", "0"),
        ("1 x", "1.0 x"),
    ],
)
def test_different_output(printed, expected):
    assert not same_output(printed, expected)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import math\nprint(math.pi)", set()),
        ("print(math.pi)", {"math"}),
        ("from typing import List\ndef f(a: List[int], *b, c=1, **d): return a, b, c, d", set()),
        ("def f(a: List[int]) -> int: return sqrt(a)", {"List", "sqrt"}),
        ("for i, (j, *k) in []: print(i, j, k)", set()),
        ("try: pass\nexcept OSError as e: print(e)", set()),
        (
            "match [1]:\n    case [x, *rest]: print(x, rest)\n    case {'a': y, **more} if y: print(more)",
            set(),
        ),
        ("import os.path as p, sys.path\nprint(p, sys)", set()),
        ("class A:\n    def f(self): return A", set()),
        ("(n := 3)\nprint([n for n in range(n)], lambda q: q)", set()),
        ("eval('sqrt(2)')", {"eval"}),
        ("from math import *\nprint(sqrt(2))", {"sqrt"}),
        # What one scope binds is not there for others
        ("def f(deque): return deque\nq = deque([1])", {"deque"}),
        ("def f():\n    gcd = 1\n    return gcd\ndef g(): return gcd(1, 2)", {"gcd"}),
        ("def f():\n    def g(): return x + y\n    x = 1\n    return g", {"y"}),
        ("def f():\n    global x\n    x = 1\nf()\nprint(x)", set()),
        ("def f(a=b, *, c: d = e) -> g: return a, c", {"b", "d", "e", "g"}),
        ("f = lambda pi=pi: pi", {"pi"}),
        ("class A:\n    heap = []\n    def f(self): return heap", {"heap"}),
        ("class A(Base, key=value):\n    x = 1\n    y = x", {"Base", "value"}),
        ("@cache\ndef f(): pass", {"cache"}),
        ("print([count for count in range(3)])\nprint(count)", {"count"}),
        ("async def f():\n    return [x async for x in g()]", {"g"}),
    ],
)
def test_loose_names(source, names):
    assert loose_names(ast.parse(source)) == names


def test_used_names():
    script = (
        "import numpy as np\ndef check(a, b):\n    assert np.all(len(a) == gold(b))\ncheck(f(zip), __file__)"
    )
    assert used_names(compile(script, "tests", "exec")) == {"numpy", "np", "all", "gold", "check", "f"} - {
        "all"
    }


def test_only_needed_imports_are_taken_over():
    lines = [
        "import math, os.path as p",
        "from re import match as m",
        "from heapq import *",
        "from here to there",
    ]
    script = "\n".join([*lines, "def f():", "    import ast"])
    assert needed_imports(script, set()) == ""
    assert needed_imports(script, {"m"}) == "from re import match as m\nfrom heapq import *"
    assert needed_imports(script, {"p"}) == "import math, os.path as p\nfrom heapq import *"
    assert needed_imports(script, {"eval"}).split("\n") == lines[:3]
