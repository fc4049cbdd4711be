"""What code in the python tool finds, and how requests are read."""

import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

import pytest

from recursivemas.tools import python
from recursivemas.tools.python import PythonTool, normalise

pytestmark = pytest.mark.process


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
