"""The python tool: what code finds, how its errors read, and what an agent is told of a run."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, util
from pathlib import Path

import pytest

from recursivemas.sandbox import LEVELS, Limits, Outcome, SandboxError, why_not
from recursivemas.sandbox import run as sandbox
from recursivemas.tools import python
from recursivemas.tools.python import PythonTool, normalise

pytestmark = pytest.mark.process


@pytest.fixture(params=LEVELS)
def level(request):
    reason = why_not(request.param)
    if reason is not None:
        pytest.skip(f"{request.param} does not work here: {reason}")
    return request.param


@pytest.fixture(scope="module")
def best_level():
    """The code here does no harm at any."""
    return next(level for level in LEVELS if why_not(level) is None)


@pytest.fixture(scope="module")
def tool(best_level):
    return PythonTool(best_level)


@pytest.fixture
def ended(monkeypatch):
    """A tool whose runs all end as the test says."""

    def build(*, stdout="", stderr="", ended_by="exit", exit_code=None, signal=None, limits=None):
        outcome = Outcome(
            stdout=stdout,
            stderr=stderr,
            verdict="",
            ended_by=ended_by,
            exit_code=exit_code,
            signal=signal,
            seconds=1.0,
        )
        monkeypatch.setattr(python, "run_python", lambda *arguments, **options: outcome)
        return PythonTool("limits", limits=limits)

    return build


def is_ours(text):
    """Whether a text tells of the program that runs the code."""
    return any(word in text for word in ("python_runner", "<string>", "main.py", "importlib"))


# ---------------------------------------------------------------------------------------------------------
# Requests


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        (" print(1) ", "print(1)"),
        (" for i in range(2):\n    print(i)\nprint(3)", "for i in range(2):\n    print(i)\nprint(3)"),
        (" for i in range(2):\n    print(i)\n", "for i in range(2):\n   print(i)"),
        ("\n    x = 1\n    if x:\n        print(x)\n    ", "x = 1\nif x:\n    print(x)"),
        ("\n\tif 1:\n\t\tprint(1)\n", "if 1:\n\tprint(1)"),
        ("\r\n  x = 1\r\n  \r\n  print(x)\r\n", "x = 1\n\nprint(x)"),
        ("x = 1\rprint(x)", "x = 1\nprint(x)"),
        (" ```python\nprint(1)\n``` ", "```python\nprint(1)\n```"),
        ("print('\ud83d\ude00 \udcff \ud800')", "print('\U0001f600 \ufffd \ufffd')"),
        ("  \n ", ""),
    ],
)
def test_requests_are_normalised(request_text, code):
    assert normalise(request_text) == code


def test_a_request_that_is_no_utf8_runs(tool):
    assert tool(" print(ascii('\udcff \ud83d\ude00')) ").text == r"'\ufffd \U0001f600'"


# ---------------------------------------------------------------------------------------------------------
# What code finds


def test_a_first_program(level):
    answer = PythonTool(level)(" print('é', 6 * 7) ")
    assert (answer.text, answer.status, answer.cached) == ("é 42", "ok", False)


def test_it_is_the_main_program_with_the_modules_at_hand(tool):
    code = """
        import sys
        print(sorted(name for name in globals() if not name.startswith("__")))
        print(__name__, sys.modules["__main__"].__dict__ is globals(), sys.argv)
        print(math.sqrt(4), list(itertools.chain("ab")), functools.reduce(max, [1, 3, 2]))
        print(fractions.Fraction(1, 2), statistics.mean([1, 2]))
        if __name__ == "__main__":
            print("main")
    """
    assert tool(code).text.splitlines() == [
        "['fractions', 'functools', 'itertools', 'math', 'sp', 'statistics', 'sys']",
        "__main__ True ['<python>']",
        "2.0 ['a', 'b'] 3",
        "1/2 1.5",
        "main",
    ]


def test_nothing_is_kept_from_one_call_to_the_next(tool):
    tool("x = 1\nmath.pi = 3\nopen('here', 'w').close()")
    answer = tool("import os\nprint('x' in globals(), math.pi > 3, os.path.exists('here'))")
    assert answer.text == "False True False"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("print(sp.factor(sp.Symbol('x')**2 - 1))", "(x - 1)*(x + 1)"),
        ("import sympy\nprint(sympy.Symbol is sp.Symbol)", "True"),
        ("import sympy as sp\nprint(sp.sqrt(8))", "2*sqrt(2)"),
        ("from sympy import *\nprint(gcd(4, 6), sp.gcd(4, 6))", "2 2"),
        ("from sympy.abc import x\nprint(sp.diff(x**2))", "2*x"),
        ("import sympy.abc\nprint(sympy.abc.x, sp.abc.x)", "x x"),
        ("print(sp.__version__, 'Symbol' in vars(sp))", f"{metadata.version('sympy')} True"),
        ("import mpmath\nprint(mpmath.mpf(1) / 4)", "0.25"),
        ("import sys\nprint(isinstance(sp, type(sys)), 'sympy' in sys.modules)", "True False"),
        (
            "from concurrent.futures import ThreadPoolExecutor as Pool\n"
            "print(list(Pool(4).map(lambda n: sp.isprime(n), range(4))))",
            "[False, False, True, True]",
        ),
    ],
)
def test_sympy_is_there_when_it_is_used(tool, code, text):
    assert tool(code).text == text


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


@pytest.mark.parametrize("name", ["numpy", "recursivemas", "sandbox", "python_runner.isolation"])
def test_no_other_package_is_there(level, name):
    answer = PythonTool(level)(f"import {name}")
    assert f"ModuleNotFoundError: No module named '{name}'" in answer.text


def test_no_folder_of_ours_is_on_the_path(level):
    ours = (str(Path(python.__file__).parent), str(Path(pytest.__file__).parents[1]))
    answer = PythonTool(level)("import sys\nprint(*sys.path, sep='\\n')")
    assert answer.status == "ok"
    assert not set(ours) & set(answer.text.splitlines())


def test_a_package_that_was_never_compiled_is(best_level, tmp_path, monkeypatch):
    folder = tmp_path / "uncompiled"
    folder.mkdir()
    (folder / "__init__.py").write_text("from uncompiled.inner import value")
    (folder / "inner.py").write_text("value = 7")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(python, "PACKAGES", ("uncompiled",))
    monkeypatch.setattr(sys, "pycache_prefix", None)
    PythonTool(best_level)
    assert Path(util.cache_from_source(str(folder / "inner.py"))).exists()
    assert "uncompiled" not in sys.modules


def test_our_own_process_does_not_import_sympy():
    code = (
        "import sys\nfrom recursivemas.tools.python import PythonTool\n"
        "PythonTool('limits').describe()\nprint('sympy' in sys.modules, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"


def test_stdin_is_empty(tool):
    text = tool("import sys\nsys.stdin.seek(0)\nprint(repr(sys.stdin.read()))\ninput()").text
    assert text.startswith("''\n[stderr]\n")
    assert "line 4, in <module>\n    input()\n" in text
    assert "EOFError: EOF when reading a line" in text


def test_the_environment_is_not_shown(level, monkeypatch):
    monkeypatch.setenv("TAVILY_API_KEY", "a-secret")
    answer = PythonTool(level)("import os\nprint('PATH' in os.environ, dict(os.environ))")
    assert answer.text.startswith("True {")
    assert "a-secret" not in answer.text
    assert "TAVILY" not in answer.text


def test_files_and_network_are_out_of_reach(level, tmp_path):
    if level == "limits":
        pytest.skip("limits keeps no code from files")
    (tmp_path / "secret").write_text("a-secret")
    code = f"""
        import socket
        for action in (lambda: open({str(tmp_path / "secret")!r}).read(),
                       lambda: socket.create_connection(("127.0.0.1", 1))):
            try:
                print(action())
            except OSError as error:
                print(type(error).__name__)
    """
    assert PythonTool(level)(code).text == "FileNotFoundError\nPermissionError"


# ---------------------------------------------------------------------------------------------------------
# Errors and ends, as a script's


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


# ---------------------------------------------------------------------------------------------------------
# Limits and the report


@pytest.mark.parametrize("time_s", [1, 1.5])
def test_an_endless_loop(level, time_s):
    answer = PythonTool(level, limits=Limits(time_s=time_s))("print('so far')\nwhile True:\n    pass")
    text = f"[timeout] Python tool exceeded {float(time_s)} seconds."
    assert (answer.text, answer.status) == (text, "timeout")


def test_a_flood(level):
    answer = PythonTool(level)("print('begin')\nprint('x' * 10**8)")
    assert answer.status == "error"
    assert answer.text.startswith("begin\nxxx")
    assert answer.text.endswith(f"x\n[stopped] more than {1 << 20} bytes of output")


def test_a_default_time_limit_of_ten_seconds(ended):
    assert PythonTool("limits").describe()["time_s"] == 10
    assert ended(ended_by="time", signal=9)("").text == "[timeout] Python tool exceeded 10.0 seconds."


@pytest.mark.parametrize(
    ("ended_by", "line"),
    [
        ("memory", "[stopped] more than 1024 MiB of memory"),
        ("output", "[stopped] more than 1000 bytes of output"),
        ("processes", "[stopped] more than 64 processes"),
        ("lost", "[stopped] the code ended the sandbox around it"),
    ],
)
def test_each_limit_has_its_line(ended, ended_by, line):
    tool = ended(stdout="so far\n", ended_by=ended_by, signal=9, limits=Limits(output_bytes=1000))
    answer = tool("")
    assert answer.text == f"so far\n{line}"
    assert answer.status == "error"


# ---------------------------------------------------------------------------------------------------------
# Several at a time


def test_no_more_than_the_workers_run_at_a_time(monkeypatch):
    running, counts, lock = [], [], threading.Lock()

    def run(*arguments, **options):
        with lock:
            running.append(1)
            counts.append(len(running))
        time.sleep(0.05)
        with lock:
            running.pop()
        raise SandboxError("a failure gives its place back too")

    monkeypatch.setattr(python, "run_python", run)
    tool = PythonTool("limits", workers=2)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(tool, "pass") for _ in range(8)]
    assert all(isinstance(call.exception(), SandboxError) for call in calls)
    assert len(counts) == 8
    assert max(counts) == 2


def test_calls_from_several_threads_do_not_meet(tool):
    codes = [f"open('mine', 'x').write('{n}')\nprint(open('mine').read())" for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert [answer.text for answer in pool.map(tool, codes)] == list("012345")


def test_as_many_workers_as_processors_that_may_be_used(monkeypatch):
    counts = []
    monkeypatch.setattr(python.threading, "BoundedSemaphore", counts.append)
    monkeypatch.setattr(python.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(python.os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    PythonTool("limits")
    monkeypatch.delattr(python.os, "sched_getaffinity")
    PythonTool("limits")
    assert counts == [3, 64]


def test_a_lost_keeper_whose_pipes_are_held_open_is_not_waited_for():
    """As a process that left the keeper's group might; it would be waited for until it ends."""
    code = (
        "import subprocess, sys\n"
        "held = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print(held.pid, flush=True)\nheld.wait()"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    keeper = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    holder = int(keeper.stdout.readline())
    try:
        start = time.monotonic()
        sandbox._kill_rest(keeper, {})
        assert time.monotonic() - start < 60
        assert keeper.returncode == -signal.SIGKILL
    finally:
        os.kill(holder, signal.SIGKILL)


def test_workers_have_to_be_one_at_least():
    with pytest.raises(ValueError, match="workers is 0"):
        PythonTool("limits", workers=0)


def test_what_a_record_says():
    tool = PythonTool("limits", echo=True, limits=Limits(time_s=3), workers=1)
    assert (tool.name, tool.deadline_s) == ("python", None)
    assert tool.describe() == {
        "isolation": "limits",
        "time_s": 3,
        "echo": True,
        "sympy": metadata.version("sympy"),
    }
