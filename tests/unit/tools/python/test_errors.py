"""How a program's errors and its end read, and what a bare expression at the end shows."""

import pytest

from recursivemas.tools import python
from recursivemas.tools.python import PythonTool

pytestmark = pytest.mark.process


def is_ours(text):
    """Whether a text tells of the program that runs the code."""
    return any(word in text for word in ("python_runner", "<string>", "main.py", "importlib"))


def test_an_error_in_using_sympy(tool):
    text = tool("x = 1\nsp.nothing").text
    assert "line 2, in <module>\n    sp.nothing\n" in text
    assert "AttributeError: module 'sympy' has no attribute 'nothing'" in text
    assert not is_ours(text)


def test_without_sympy(best_level, monkeypatch):
    monkeypatch.setattr(python, "PACKAGES", ())
    tool = PythonTool(best_level)
    assert tool.describe()["sympy"] is None
    assert tool("print(math.gcd(4, 6))").text == "2"
    for code in ("sp.sqrt(2)", "import sympy", "try:\n    sp.sqrt(2)\nexcept ImportError:\n    1 / 0"):
        answer = tool(code)
        assert answer.status == "error"
        assert "ModuleNotFoundError: No module named 'sympy'" in answer.text
        assert not is_ours(answer.text)


def test_a_traceback_quotes_the_code_and_nothing_of_ours(level):
    code = """
        def half(n):
            return n / 0

        # a comment, then a form feed in a text: \\x0c
        text = '''\x0c
        '''
        half(1)
    """
    text = PythonTool(level)(code).text
    lines = [line for line in text.splitlines() if not set(line) <= set(" ^~")]
    assert lines == [
        "[stderr]",
        "Traceback (most recent call last):",
        '  File "<python>", line 7, in <module>',
        "    half(1)",
        '  File "<python>", line 2, in half',
        "    return n / 0",
        "ZeroDivisionError: division by zero",
        "[exit_code] 1",
    ]


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("x = 1\ndef f(:\n", ['[stderr]\n  File "<python>", line 2\n    def f(:\n', "SyntaxError:"]),
        ("if 1:\nx = 1", ["IndentationError: expected an indented block", "line 2"]),
        ("return 1", ["SyntaxError: 'return' outside function"]),
        ("a\0b", ["null bytes"]),
        ("def f(n):\n    return f(n + 1)\nf(0)", ["line 3", "more times]", "RecursionError"]),
        ("+".join("1" * 100_000), ["RecursionError"]),
        ("-" * 100_000 + "1", ["Error"]),
        (
            "try:\n    1/0\nexcept Exception as e:\n    raise KeyError(2) from e",
            ["line 2", "line 4", "direct"],
        ),
        ("raise ExceptionGroup('two', [ValueError(1), ValueError(2)])", ["line 1", "ValueError: 2"]),
        ("x = [0] * 10**12", ["line 1", "MemoryError"]),
        ("print(2 ** 20_000)", ["ValueError: Exceeds the limit"]),
        ("import sys\nsys.excepthook = lambda kind, *_: print('own', kind.__name__)\n1/0", ["own Zero"]),
    ],
)
def test_errors(tool, code, parts):
    answer = tool(code)
    assert answer.status == "error"
    assert answer.text.endswith("\n[exit_code] 1")
    for part in parts:
        assert part in answer.text
    assert not is_ours(answer.text)


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        ("import sys\nprint(1)\nsys.exit(3)", "1\n[exit_code] 3", "error"),
        ("exit()", "[no output]", "ok"),
        ("raise SystemExit('no more')", "[stderr]\nno more\n[exit_code] 1", "error"),
        ("import os\nprint(1)\nos._exit(4)", "1\n[exit_code] 4", "error"),
        ("import os\nos.kill(os.getpid(), 9)", "[exit_code] -9", "error"),
        ("import os\nos.abort()", "[exit_code] -6", "error"),
        ("import sys\nprint(1)\nprint('oh', file=sys.stderr)", "1\n[stderr]\noh", "ok"),
        ("import sys\nprint('oh\\n', file=sys.stderr)\nsys.exit(2)", "[stderr]\noh\n[exit_code] 2", "error"),
        ("import sys\nprint(' ', file=sys.stderr)\nprint(1)", "1", "ok"),
        ("import atexit\natexit.register(print, 'last')\nprint('first')", "first\nlast", "ok"),
        ("x = 1", "[no output]", "ok"),
        ("print()", "[no output]", "ok"),
        ("print(' ')", "[no output]", "ok"),
        ("def f(x: 1 + 1): pass\nprint(f.__annotations__)", "{'x': 2}", "ok"),
        ("", "[no output]", "ok"),
        ("1 + 1", "[no output]", "ok"),
        ("print('  two \\n\\n')", "two", "ok"),
        ("print('  two\\n  three')", "two\n  three", "ok"),
    ],
)
def test_ends(tool, code, text, status):
    answer = tool(code)
    assert (answer.text, answer.status) == (text, status)


def test_code_in_a_text_has_no_source(tool):
    text = tool("exec('1/0')").text
    assert 'File "<string>", line 1, in <module>\nZeroDivisionError' in text


def test_an_interrupt_of_its_own(tool):
    text = tool("raise KeyboardInterrupt").text
    assert "line 1, in <module>\n    raise KeyboardInterrupt\n" in text
    assert text.endswith("\nKeyboardInterrupt\n[exit_code] -2")


def test_threads_end_before_the_run_does_and_say_what_they_raise(tool):
    code = """
        import threading, time
        def fail():
            time.sleep(0.1)
            1 / 0
        def leave():
            raise SystemExit(5)
        threading.Thread(target=leave).start()
        threading.Thread(target=fail, name="failing").start()
        print("first")
    """
    answer = tool(code)
    assert answer.status == "ok"
    assert answer.text.startswith("first\n[stderr]\nException in thread failing:\nTraceback")
    assert 'File "<python>", line 4, in fail\n    1 / 0\n' in answer.text
    assert answer.text.endswith("\nZeroDivisionError: division by zero")
    assert "SystemExit" not in answer.text


def test_functions_classes_and_pickles_know_their_home(tool):
    code = """
        import inspect, pickle
        class Point:
            pass
        def f():
            return 1
        print(type(pickle.loads(pickle.dumps(Point()))) is Point, f.__module__)
        print(inspect.getsource(f))
    """
    assert tool(code).text == "True __main__\ndef f():\n    return 1"


# ---------------------------------------------------------------------------------------------------------
# Echo


@pytest.fixture(scope="module")
def notebook(best_level):
    return PythonTool(best_level, echo=True)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1 + 1", "2"),
        ("x = 'é'\nx", "'é'"),
        ("print(1)\n2", "1\n2"),
        ("print(1)", "1"),
        ("None", "[no output]"),
        ("x = 1", "[no output]"),
        ("1\nx = 2", "[no output]"),
        ("for x in range(2):\n    x", "[no output]"),
        ("", "[no output]"),
        ("sp.Symbol('x') + 1", "x + 1"),
        ("from __future__ import annotations\ndef f(x: missing): return 5\nf(1)", "5"),
        ("print(" + "-" * 500 + "1)\n6", "1\n6"),
    ],
)
def test_echo_shows_a_bare_expression_at_the_end(notebook, code, text):
    answer = notebook(code)
    assert (answer.text, answer.status) == (text, "ok")


def test_what_is_too_deep_to_echo_runs_all_the_same(notebook):
    answer = notebook("x = 2\n" + "+".join("x" * 2000))
    assert answer.text in ("[no output]", "4000")
    assert answer.status == "ok"


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("x = 1\n\nx / 0", ["line 3, in <module>\n    x / 0\n", "ZeroDivisionError"]),
        ("x = (", ['[stderr]\n  File "<python>", line 1\n', "SyntaxError: '(' was never closed"]),
        ("return 5\n1", ["'return' outside function"]),
        ("a\0b", ["null bytes"]),
        ("class A:\n    def __repr__(self):\n        return 1 / 0\nA()", ["line 4", "line 3, in __repr__"]),
    ],
)
def test_errors_with_echo(notebook, code, parts):
    answer = notebook(code)
    assert answer.status == "error"
    for part in parts:
        assert part in answer.text
    assert not is_ours(answer.text)
    assert "ast.py" not in answer.text
