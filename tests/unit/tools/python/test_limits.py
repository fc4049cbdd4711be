"""The python tool's limits, its report, and several runs at a time."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import pytest

from recursivemas.sandbox import Limits, Outcome, SandboxError
from recursivemas.sandbox import run as sandbox
from recursivemas.tools import python
from recursivemas.tools.python import PythonTool

pytestmark = pytest.mark.process


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
        sandbox.kill_rest(keeper, {})
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
