"""Hostile code that uses up the machine, at every level of isolation that works here."""

import signal
import time

import pytest

from tests.support.attacks import LIMITS, attack, running

pytestmark = pytest.mark.process


def test_fork_bomb(isolated):
    code = """
        import os
        open("/proc/self/comm", "w").write("forkbomb")
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """
    start = time.monotonic()
    assert attack(code, isolated, time_s=1).ended_by == "time"
    assert time.monotonic() - start < 20
    assert running("forkbomb") == []


def test_many_processes(level):
    code = """
        import os, time
        open("/proc/self/comm", "w").write("forkmany")
        for _ in range(100):
            try:
                if os.fork() == 0:
                    time.sleep(60)
            except OSError:
                raise SystemExit("refused")
            time.sleep(0.002)
        print("all started")
        time.sleep(60)
    """
    outcome = attack(code, level, time_s=10)
    assert outcome.ended_by == "processes" or outcome.stderr == "refused\n"
    assert "all started" not in outcome.stdout
    assert running("forkmany") == []


def test_memory_bomb_in_one_process(level):
    outcome = attack("hoard = []\nwhile True: hoard.append(bytearray(1 << 20))", level)
    assert "MemoryError" in outcome.stderr
    assert outcome.exit_code == 1


def test_memory_bomb_in_several_processes(level):
    code = """
        import os, time
        for _ in range(6):
            if os.fork() == 0:
                hoard = bytearray(os.urandom(1)) * (100 << 20)
                time.sleep(60)
        time.sleep(60)
    """
    assert attack(code, level, time_s=10).ended_by == "memory"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nfile = os.memfd_create('x')",
        "import ctypes\nctypes.CDLL(None, use_errno=True).shmget(0, 1 << 20, 0o1600) == -1 and 1 / 0",
    ],
)
def test_memory_that_no_limit_counts(level, code):
    outcome = attack(code, level)
    assert outcome.exit_code == 1
    assert "PermissionError" in outcome.stderr or "ZeroDivisionError" in outcome.stderr


def test_endless_output(level):
    for stream, filled in (("stdout", "stdout"), ("stderr", "stderr")):
        outcome = attack(f"import sys\nwhile True: sys.{stream}.write('x' * 1000)", level)
        assert outcome.truncated
        assert getattr(outcome, filled) == "x" * LIMITS.output_bytes


def test_filling_the_disk(isolated):
    code = """
        import os
        written = 0
        try:
            for number in range(100):
                with open(f"/tmp/{number}", "wb") as file:
                    written += file.write(bytes(1 << 20))
        except OSError as error:
            print(written <= 8 << 20, error.strerror)
    """
    assert attack(code, isolated).stdout == "True No space left on device\n"


def test_one_large_file(level):
    outcome = attack("open('large', 'wb').write(bytes(2 << 20))", level, file_bytes=1 << 20)
    assert "OSError: [Errno 27] File too large" in outcome.stderr


def test_sleeping_forever(level):
    outcome = attack("print('before', flush=True)\nimport time\ntime.sleep(60)", level, time_s=0.3)
    assert outcome.timed_out
    assert outcome.stdout == "before\n"
    assert 0.3 <= outcome.seconds < 5


def test_ignoring_signals_and_burning_time(level):
    code = """
        import signal
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        while True:
            pass
    """
    assert attack(code, level, time_s=0.3).timed_out


def test_waiting_for_input(level):
    outcome = attack("import sys\nprint(repr(sys.stdin.read()))\ninput()", level)
    assert outcome.stdout == "''\n"
    assert "EOFError" in outcome.stderr


@pytest.mark.parametrize(
    "code",
    [
        "def f(n): return f(n + 1)\nf(0)",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)",
        "import sys\nsys.setrecursionlimit(10**9)\nclass C:\n def __str__(self): return str(self)\nstr(C())",
    ],
)
def test_deep_recursion(level, code):
    outcome = attack(code, level, time_s=0.6)
    assert outcome.exit_code not in (0, None) or outcome.signal == signal.SIGSEGV or outcome.timed_out


def test_closing_every_descriptor(level):
    outcome = attack("import os, time\nos.closerange(0, 4096)\ntime.sleep(60)", level, time_s=0.3)
    assert outcome.timed_out
    assert outcome.stdout == outcome.stderr == ""
