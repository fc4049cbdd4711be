"""The processes that compare answers: what they refuse, survive, and give back."""

import os
import signal
import sys
import threading
import time

import pytest

from recursivemas.errors import UserError
from recursivemas.grading.maths import pool as pool_module
from recursivemas.grading.maths.pool import MAX_LENGTH, Comparison, MathPool, _environment

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def pool():
    with MathPool(num_workers=2, limit_s=60) as pool:
        yield pool


def test_equal_and_not(pool):
    assert pool.compare("(x+1)^2", "x^2+2x+1").equal
    verdict = pool.compare("(x+1)^2", "x^2+2x+2")
    assert (verdict.equal, verdict.error) == (False, None)


def test_plain_answers_need_no_process(monkeypatch):
    def refuse():
        raise AssertionError("a process was started")

    monkeypatch.setattr(pool_module, "_Worker", refuse)
    with MathPool() as pool:
        assert pool.compare("1,250", " 1250.0 ").equal
        assert not pool.compare("1250", "1251").equal
        assert pool.compare(r"\frac{x}{2}", r"\frac{x}{2}").equal
        assert not pool.compare("5", " ").equal
        assert not pool.compare("", "").equal
        long = pool.compare("5", "1+" * MAX_LENGTH)
        assert not long.equal
        assert "longer than" in long.error
        assert pool.compare("1+" * MAX_LENGTH, "1+" * MAX_LENGTH).equal


def test_an_endless_comparison_is_ended_and_the_next_one_is_answered():
    with MathPool(num_workers=1, limit_s=1) as pool:
        verdict = pool.compare("x + 1", "9^{9^{9^{9}}}")
        assert not verdict.equal
        assert verdict.error == "not compared: it would take more than 1 s of processor time"
        assert pool._idle == []
        pool.limit_s = 60
        assert pool.compare("x + 1", "1 + x").equal


@pytest.mark.parametrize("text", ["the answer is 9^9^9^9 + 1", r"\boxed{9^{9^{9^{9}}}}"])
def test_math_verify_is_held_to_the_same_limits(text):
    with MathPool(num_workers=1, limit_s=1) as pool:
        verdict = pool.math_verify("x + 1", text)
        assert verdict.error == "not compared: it would take more than 1 s of processor time"
        pool.limit_s = 60
        assert pool.math_verify("x + 1", "$1 + x$") == Comparison(equal=True, extracted="1 + x")
        assert pool.compare("x + 1", "1 + x").equal


def stopped_for(worker, seconds):
    """Stop a process now, and let it go on after a while: so does a machine that has other things to do."""
    pid = worker._process.pid
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(seconds, os.kill, (pid, signal.SIGCONT)).start()


def test_a_busy_machine_changes_no_verdict():
    """Only the processor time of the comparison itself counts, however long it waits."""
    with MathPool(num_workers=1, limit_s=0.5) as pool:
        pool.compare("x + 1", "1 + x")
        stopped_for(pool._idle[0], 2)
        started = time.monotonic()
        assert pool.compare("x + 2", "2 + x").equal
        assert time.monotonic() - started > 1


def test_a_process_that_does_not_go_on_is_ended_by_the_clock(monkeypatch):
    monkeypatch.setattr(pool_module, "CLOCK_FACTOR", 0.02)
    with MathPool(num_workers=1, limit_s=50) as pool:
        worker = pool._take()
        pool._idle.append(worker)
        os.kill(worker._process.pid, signal.SIGSTOP)
        verdict = pool.compare("x + 1", "1 + x")
        assert verdict.error == "not compared: no answer within 1 s by the clock"
        assert worker._process.returncode == -signal.SIGKILL


def test_a_process_that_died_is_replaced(pool):
    assert pool.compare("x + 1", "1 + x").equal
    for worker in pool._idle:
        worker._process.kill()
        worker._process.wait()
    assert pool.compare("x + 2", "2 + x").equal


def test_a_process_that_dies_while_it_compares(monkeypatch):
    with MathPool(num_workers=1, limit_s=60) as pool:
        pool.compare("x + 1", "1 + x")
        worker = pool._idle[0]
        monkeypatch.setattr(worker, "is_ours", lambda: True)
        worker._process.kill()
        worker._process.wait()
        verdict = pool.compare("x + 1", "x + 2")
        assert not verdict.equal
        assert "died with exit code -9" in verdict.error


def test_threads_share_the_processes(pool):
    verdicts = {}

    def compare(number):
        verdicts[number] = pool.compare(f"{number}x + 1", f"1 + x \\cdot {number}").equal

    threads = [threading.Thread(target=compare, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == dict.fromkeys(range(8), True)
    assert len(pool._idle) <= 2


def test_a_fork_does_not_talk_over_its_parents_pipe(pool, monkeypatch):
    assert pool.compare("x + 1", "1 + x").equal
    worker = pool._idle[-1]
    assert worker.is_ours()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert not worker.is_ours()


@pytest.mark.parametrize(
    "answer",
    [
        "__import__('pathlib').Path(r'{}').touch()",
        r"\text{{__import__('pathlib').Path(r'{}').touch()}}",
        r"\operatorname{{__import__('pathlib').Path(r'{}').touch()}}(1)",
        r"x_{{__import__('pathlib').Path(r'{}').touch()}}",
        r"\max(__import__('pathlib').Path(r'{}').touch(), 1)",
        r"\{{__import__('pathlib').Path(r'{}').touch(), 1\}}",
        "lambda: __import__('pathlib').Path(r'{}').touch()",
    ],
)
def test_an_answer_is_never_run(pool, tmp_path, answer):
    target = tmp_path / "run"
    answer = answer.format(target)
    assert not pool.compare("x + 1", answer).equal
    for text in (answer, f"${answer}$", rf"\boxed{{{answer}}}", f"The final answer is {answer}. I hope"):
        assert not pool.math_verify("x + 1", text).equal
    assert not target.exists()


def test_sympy_evaluates_no_text_in_a_worker():
    """What every way from a text to Python code in SymPy goes through."""
    import subprocess

    code = (
        "from recursivemas.grading.maths.worker import _refuse_python_code; _refuse_python_code()\n"
        "import sympy\n"
        "assert sympy.sympify('x') == sympy.Symbol('x')\n"
        "try: sympy.sympify('print(6)')\n"
        "except (ValueError, sympy.SympifyError): print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment()
    )
    assert done.stdout.strip() == "refused"


def test_the_processes_see_no_secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert not {"HF_TOKEN", "OPENAI_API_KEY"} & set(_environment())
    assert "secret" not in str(_environment())


@pytest.mark.parametrize(
    "text", ["(" * 300, "{" * 200, r"\frac{" * 200, "|" * 300, "\x00", "\ud800", "1," * 500]
)
def test_degenerate_texts_are_answered(pool, text):
    assert not pool.compare("x + 1", text).equal
    assert not pool.math_verify("x + 1", text).equal


def test_a_process_that_does_not_start_says_what_to_install(monkeypatch, tmp_path):
    package = tmp_path / "math_verify"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('No module named math_verify')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with (
        MathPool() as pool,
        pytest.raises(UserError, match=r'No module named math_verify.*pip install "math-verify\[antlr'),
    ):
        pool.compare("x + 1", "1 + x")
