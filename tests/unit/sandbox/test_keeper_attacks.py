"""Hostile code and what keeps it: the keeper, our own processes, daemons, privileges, links."""

import os
import resource
import signal
import subprocess
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from recursivemas.sandbox import run_python
from recursivemas.sandbox.inside import landlock
from tests.support.attacks import LIMITS, attack, need, running

pytestmark = pytest.mark.process


def test_a_keeper_without_memory_is_lost_and_no_error(level, monkeypatch):
    """Where nothing refuses it: the same change from outside."""
    real = subprocess.Popen.communicate

    def starve(process, *arguments, **keywords):
        timer = threading.Timer(0.5, lambda: [limit_memory(number) for number in family(process.pid)])
        timer.start()
        try:
            return real(process, *arguments, **keywords)
        finally:
            timer.cancel()

    monkeypatch.setattr(subprocess.Popen, "communicate", starve)
    code = "import time\nwhile True: time.sleep(0.001); print('x' * 10_000)"
    outcome = run_python(code, limits=LIMITS, isolation=level)
    assert outcome.ended_by in ("lost", "output")
    assert outcome.exit_code is None


def limit_memory(process):
    resource.prlimit(process, resource.RLIMIT_AS, (1 << 20, 1 << 20))


def family(process):
    """The process and all that descend from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for number in found:
        found += [child for child, parent in parents.items() if parent == number]
    return found


@pytest.mark.skipif(not landlock.is_supported(), reason="this kernel has no domains that keep signals in")
def test_our_own_processes_without_a_namespace():
    """What nothing else stops at this level: the same user's processes, this one among them."""
    need("limits")
    code = f"""
        import os
        for process in (os.getppid(), {os.getpid()}):
            for number in (0, 19, 9):
                try:
                    print("reached", os.kill(process, number))
                except PermissionError:
                    pass
            for name in ("mem", "environ", "fd/0", "fd/1", "fd/2", "cwd", "root"):
                try:
                    print("reached", os.stat(f"/proc/{{process}}/{{name}}/.") if name in ("cwd", "root") else
                          os.open(f"/proc/{{process}}/{{name}}", os.O_RDONLY))
                except OSError:
                    pass
        print("survived")
    """
    assert attack(code, "limits").stdout == "survived\n"


def test_killing_the_keeper_where_nothing_stops_it(monkeypatch):
    need("limits")
    code = """
        import os, time
        open("/proc/self/comm", "w").write("orphan")
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        time.sleep(60)
    """
    real = subprocess.Popen.communicate

    def kill_when_there(process, *arguments, **keywords):
        threading.Thread(target=kill_beside_an_orphan, args=(process.pid,)).start()
        return real(process, *arguments, **keywords)

    def kill_beside_an_orphan(keeper):
        give_up = time.monotonic() + 20
        while len(running("orphan")) < 2 and time.monotonic() < give_up:
            time.sleep(0.01)
        os.kill(keeper, signal.SIGKILL)

    monkeypatch.setattr(subprocess.Popen, "communicate", kill_when_there)
    outcome = run_python(textwrap.dedent(code), limits=LIMITS, isolation="limits")
    assert (outcome.ended_by, outcome.exit_code, outcome.signal) == ("lost", None, None)
    give_up = time.monotonic() + 10  # a killed process is gone when its turn to run comes
    while running("orphan") and time.monotonic() < give_up:
        time.sleep(0.05)
    assert running("orphan") == []


def test_leaving_a_daemon_behind(level):
    code = """
        import os, time
        open("/proc/self/comm", "w").write("daemon-child")
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 100)
                time.sleep(60)
            os._exit(0)
        time.sleep(0.1)
    """
    outcome = attack(code, level)
    assert (outcome.ended_by, outcome.exit_code) == ("exit", 0)
    assert running("daemon-child") == []


def test_a_daemon_that_holds_the_output_open(level):
    code = "import os, time\nif os.fork() == 0: time.sleep(60)\nprint('done')"
    outcome = attack(code, level, time_s=20)
    assert outcome.stdout == "done\n"
    assert outcome.seconds < 10


@pytest.mark.parametrize(
    "call", ["os.unshare(0x10000000)", "libc.unshare(0x10000000)", "libc.ptrace(16, 1, 0, 0)"]
)
def test_new_privileges(level, call):
    code = f"""
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            result = {call}
        except (OSError, AttributeError):
            result = -1
        print(result)
    """
    assert attack(code, level).stdout == "-1\n"


def test_no_set_user_id_programs(level):
    code = "import os, re\nprint(re.search(r'NoNewPrivs:\\s*(\\d)', open('/proc/self/status').read())[1])"
    assert attack(code, level).stdout == "1\n"


def test_links_in_the_private_folder(level, tmp_path):
    (tmp_path / "kept").write_text("kept")
    code = f"""
        import os
        os.unlink("main.py") if os.access(".", os.W_OK) and os.stat("main.py").st_uid == os.getuid() else None
        os.symlink({str(tmp_path)!r}, "folder")
        os.symlink("/proc/self/mem", "memory")
        os.makedirs("deep/" * 50)
        os.mkfifo("pipe")
        os.chmod("deep", 0)
    """
    outcome = attack(code, level)
    assert outcome.stderr == ""
    assert (tmp_path / "kept").read_text() == "kept"
