"""What hostile code tries, at every level of isolation that works here. Each run ends; the next one works.

What only isolation stops is not tried where there is none: it would succeed.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from recursivemas.sandbox import LEVELS, Limits, run_python, why_not
from recursivemas.sandbox.inside import landlock, seccomp

pytestmark = pytest.mark.process

LIMITS = Limits(time_s=5, memory_bytes=256 << 20, output_bytes=1 << 16, tmp_bytes=8 << 20, processes=16)
ISOLATED = [level for level in LEVELS if level != "limits"]


def need(level):
    reason = why_not(level)
    if reason is not None:
        pytest.skip(f"{level} does not work here: {reason}")


@pytest.fixture(params=LEVELS)
def level(request):
    need(request.param)
    return request.param


@pytest.fixture(params=ISOLATED)
def isolated(request):
    need(request.param)
    return request.param


def attack(code, level, **changes):
    """The outcome of hostile code, having seen that the next run works as if nothing had been."""
    limits = Limits(**{**vars(LIMITS), **changes})
    outcome = run_python(textwrap.dedent(code), limits=limits, isolation=level)
    assert run_python("print('still here')", isolation=level).stdout == "still here\n"
    return outcome


def running(name):
    """Processes of the whole machine that go by that name and have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            process, _, rest = path.read_text().partition(f" ({name}) ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [process] if rest and not rest.startswith("Z") else []
    return found


# ---------------------------------------------------------------------------------------------------------
# Using up the machine


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


# ---------------------------------------------------------------------------------------------------------
# Reaching out


def test_writing_outside(isolated, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    home = str(Path.home() / "planted")
    # Opened for writing, but nothing is written: where this fails, it must do no harm.
    code = f"""
        import os, sys
        library = os.path.dirname(os.__file__)
        there = [{str(victim)!r}, os.__file__, sys.executable, "/proc/sys/kernel/core_pattern", "/etc/fstab"]
        new = [{home!r}, "/etc/planted", "/planted", "/usr/planted", library + "/planted.py", "/dev/planted"]
        for place in there + new:
            try:
                open(place, "r+b" if place in there else "xb")
                print("reached", place)
            except OSError:
                pass
    """
    outcome = attack(code, isolated)
    assert (outcome.stdout, outcome.stderr, outcome.exit_code) == ("", "", 0)


def test_reading_what_is_ours(isolated, tmp_path):
    (tmp_path / "secret").write_text("a secret")
    code = f"""
        import os
        home = {str(Path.home())!r}
        for place in ({str(tmp_path)!r}, {str(Path.cwd())!r}, "/etc/passwd", "/root/.ssh", "/sys", "/home",
                      "/var"):
            print(os.path.exists(place))
        hidden = [name for name in os.listdir(home)] if os.path.exists(home) else []
        print([name for name in hidden if os.path.isfile(os.path.join(home, name))])
    """
    assert attack(code, isolated).stdout == "False\n" * 7 + "[]\n"


def test_reading_the_environment_of_others(isolated, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a-very-secret-token")
    code = """
        import os
        print(dict(os.environ))
        for process in os.listdir("/proc"):
            if not process.isdigit() or int(process) == os.getpid():
                continue
            for name in ("environ", "mem", "maps", "fd", "cwd", "root"):
                try:
                    place = f"/proc/{process}/{name}"
                    print(os.listdir(place) if os.path.isdir(place) else open(place, "rb").read())
                except OSError:
                    pass
    """
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        outcome = attack(code, isolated)
    finally:
        bystander.kill()
        bystander.wait()
    assert outcome.exit_code == 0
    assert "PATH" in outcome.stdout
    assert "secret" not in outcome.stdout
    assert len(outcome.stdout.splitlines()) == 1


def test_the_environment_is_scrubbed(level, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a-very-secret-token")
    outcome = attack("import os\nprint(sorted(os.environ), open('/proc/self/environ').read())", level)
    assert "TOKEN" not in outcome.stdout
    assert "secret" not in outcome.stdout


def test_network(level):
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""
            import socket
            for connect in (
                lambda: socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=1),
                lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
                lambda: socket.getaddrinfo("example.com", 80),
                lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
            ):
                try:
                    print("reached", connect())
                except OSError as error:
                    print(type(error).__name__)
        """
        outcome = attack(code, level)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert outcome.stdout == "PermissionError\nPermissionError\ngaierror\nPermissionError\n"


def test_unix_sockets_of_others(isolated, tmp_path):
    names = ["\0recursivemas-test", str(tmp_path / "socket")]
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as named:
        for listener, name in zip((abstract, named), names, strict=True):
            listener.bind(name)
            listener.listen()
        code = f"""
            import socket
            for name in {names!r}:
                try:
                    socket.socket(socket.AF_UNIX).connect(name)
                    print("reached")
                except OSError:
                    pass
        """
        assert attack(code, isolated).stdout == ""


def test_killing_the_parent_and_everybody(isolated):
    code = """
        import os, signal
        assert os.getppid() == 1, "this is not isolated: do not try"
        for target in (1, -1):
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
                try:
                    os.kill(target, number)
                except OSError as error:
                    print(type(error).__name__)
        print("survived")
    """
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        outcome = attack(code, isolated)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert outcome.ended_by == "exit"
    assert outcome.stdout.endswith("survived\n")


CHANGES_OF_OTHERS = [
    "resource.prlimit(target, resource.RLIMIT_AS, (1 << 20, 1 << 20))",
    "resource.prlimit(target, resource.RLIMIT_CPU, (0, 0))",
    "os.sched_setaffinity(target, {0})",
    "os.sched_setscheduler(target, os.SCHED_IDLE, os.sched_param(0))",
    "os.setpriority(os.PRIO_PROCESS, target, 19)",
    "os.setpriority(os.PRIO_USER, 0, 19)",
]


@pytest.mark.skipif(not seccomp.is_supported(), reason="there is no filter for this machine")
def test_changing_what_others_may_use(level):
    code = f"""
        import os, resource, time
        target = os.getppid()
        for change in {CHANGES_OF_OTHERS!r}:
            try:
                print("reached", eval(change))
            except PermissionError:
                pass
        resource.prlimit(0, resource.RLIMIT_CPU, (3, 3))
        os.sched_setaffinity(0, os.sched_getaffinity(0))
        os.nice(1)
        for _ in range(20): time.sleep(0.01); print("x" * 100)
    """
    outcome = attack(code, level)
    assert (outcome.ended_by, outcome.exit_code, outcome.stderr) == ("exit", 0, "")
    assert "reached" not in outcome.stdout


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
