"""The processes that compare answers: what they refuse, survive, and give back."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from recursivemas.errors import UserError
from recursivemas.grading.maths import pool as pool_module
from recursivemas.grading.maths.pool import MAX_LENGTH, Comparison, MathPool

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def pool():
    with MathPool(num_workers=2, limit_s=60) as pool:
        yield pool


OURS = os.getpid()


def workers():
    """The processes that compare for this one and have not ended."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (path / "cmdline").read_bytes()
            if int(parent) == OURS and state != "Z" and b"recursivemas.grading.maths.worker" in command:
                found.add(int(path.name))
    return found


@pytest.fixture
def started():
    """Tells which processes have been started since the test began, and go on."""
    before = workers()
    return lambda: workers() - before


def kill(process):
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)  # it has ended, and the pool may still ask how


def test_equal_and_not(pool):
    assert pool.compare("(x+1)^2", "x^2+2x+1").equal
    verdict = pool.compare("(x+1)^2", "x^2+2x+2")
    assert (verdict.equal, verdict.error) == (False, None)


def test_plain_answers_need_no_process(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
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


def test_an_endless_comparison_is_ended_and_the_next_one_is_answered(started):
    with MathPool(num_workers=1, limit_s=1) as pool:
        verdict = pool.compare("x + 1", "9^{9^{9^{9}}}")
        assert not verdict.equal
        assert verdict.error == "not compared: it would take more than 1 s of processor time"
        assert started() == set()
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


def stop_for(process, seconds):
    """Stop a process now, and let it go on after a while: so does a machine that has other things to do."""
    os.kill(process, signal.SIGSTOP)
    threading.Timer(seconds, os.kill, (process, signal.SIGCONT)).start()


def test_a_busy_machine_changes_no_verdict(started):
    """Only the processor time of the comparison itself counts, however long it waits."""
    with MathPool(num_workers=1, limit_s=0.5) as pool:
        pool.compare("x + 1", "1 + x")
        [process] = started()
        stop_for(process, 2)
        start = time.monotonic()
        assert pool.compare("x + 2", "2 + x").equal
        assert time.monotonic() - start > 1


def test_a_process_that_does_not_go_on_is_ended_by_the_clock(started, monkeypatch):
    with MathPool(num_workers=1, limit_s=50) as pool:
        pool.compare("x + 1", "1 + x")
        monkeypatch.setattr(pool_module, "CLOCK_FACTOR", 0.02)
        [process] = started()
        os.kill(process, signal.SIGSTOP)
        verdict = pool.compare("x + 1", "1 + x")
        assert verdict.error == "not compared: no answer within 1 s by the clock"
        assert started() == set()


def test_a_process_that_died_is_replaced(started):
    with MathPool(num_workers=1, limit_s=60) as pool:
        assert pool.compare("x + 1", "1 + x").equal
        [process] = started()
        kill(process)
        assert pool.compare("x + 2", "2 + x").equal
        assert len(started() - {process}) == 1


def test_a_process_that_dies_while_it_compares(started):
    with MathPool(num_workers=1, limit_s=60) as pool:
        pool.compare("x + 1", "1 + x")
        [process] = started()
        threading.Timer(0.5, os.kill, (process, signal.SIGKILL)).start()
        verdict = pool.compare("x + 1", "9^{9^{9^{9}}}")
        assert not verdict.equal
        assert "died with exit code -9" in verdict.error


def test_threads_share_the_processes(started):
    verdicts = {}
    pool = MathPool(num_workers=2, limit_s=60)

    def compare(number):
        verdicts[number] = pool.compare(f"{number}x + 1", f"1 + x \\cdot {number}").equal

    threads = [threading.Thread(target=compare, args=(number,)) for number in range(8)]
    with pool:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert verdicts == dict.fromkeys(range(8), True)
        assert 1 <= len(started()) <= 2


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_fork_does_not_talk_over_its_parents_pipe(started, monkeypatch):
    with MathPool(num_workers=1, limit_s=60) as pool:
        assert pool.compare("x + 1", "1 + x").equal
        [process] = started()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert pool.compare("x + 2", "2 + x").equal
        [other] = started() - {process}
        assert pool.compare("x + 3", "3 + x").equal
        assert started() - {process} == {other}, "its own process it may go on with"


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
    code = (
        "from recursivemas.grading.maths.worker import refuse_python_code; refuse_python_code()\n"
        "import sympy\n"
        "assert sympy.sympify('x') == sympy.Symbol('x')\n"
        "try: sympy.sympify('print(6)')\n"
        "except (ValueError, sympy.SympifyError): print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"


def test_the_processes_see_no_secrets(started, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with MathPool(num_workers=1) as pool:
        pool.compare("x + 1", "1 + x")
        [process] = started()
        environment = Path(f"/proc/{process}/environ").read_bytes()
    assert b"PYTHONHASHSEED" in environment
    for word in (b"HF_TOKEN", b"OPENAI_API_KEY", b"secret"):
        assert word not in environment


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
