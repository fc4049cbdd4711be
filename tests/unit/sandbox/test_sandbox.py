"""Running code: what comes back, what it may use, and choosing a level of isolation."""

import marshal
import platform
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from recursivemas.sandbox import (
    LEVELS,
    IsolationError,
    Limits,
    SandboxError,
    find_isolation,
    isolation,
    run_python,
    site_packages,
    why_not,
)
from recursivemas.sandbox import run as sandbox
from recursivemas.sandbox.inside import STARTED, seccomp

pytestmark = pytest.mark.process


@pytest.fixture(params=LEVELS)
def level(request):
    reason = why_not(request.param)
    if reason is not None:
        pytest.skip(f"{request.param} does not work here: {reason}")
    return request.param


# ---------------------------------------------------------------------------------------------------------
# What comes back


def test_output_exit_code_and_time(level):
    code = "import sys, time\nprint('é')\nprint('oh', file=sys.stderr)\ntime.sleep(0.2)\nsys.exit(3)"
    outcome = run_python(code, isolation=level)
    assert (outcome.stdout, outcome.stderr) == ("é\n", "oh\n")
    assert (outcome.ended_by, outcome.exit_code, outcome.signal) == ("exit", 3, None)
    assert 0.2 <= outcome.seconds < 5
    assert not outcome.timed_out
    assert not outcome.truncated


def test_input_and_output_beyond_a_pipe(level):
    text = "naïve \ud7ff\n" * 50_000
    outcome = run_python("import sys\nsys.stdout.write(sys.stdin.read())", stdin=text, isolation=level)
    assert outcome.stdout == text


def test_a_signal(level):
    outcome = run_python("import os\nos.abort()", isolation=level)
    assert (outcome.ended_by, outcome.exit_code, outcome.signal) == ("exit", None, 6)


def test_an_exception_shows_its_line(level):
    outcome = run_python("x = 1\nx / 0\n", isolation=level)
    assert outcome.exit_code == 1
    assert "line 2" in outcome.stderr
    assert "x / 0" in outcome.stderr
    assert outcome.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_the_verdict_is_a_channel_of_its_own(level):
    outcome = run_python("import os\nprint('to stdout')\nos.write(3, b'to the verdict')", isolation=level)
    assert (outcome.stdout, outcome.verdict) == ("to stdout\n", "to the verdict")


def test_bytes_that_are_no_text(level):
    outcome = run_python("import os\nos.write(1, b'\\xff ok')", isolation=level)
    assert outcome.stdout == "\ufffd ok"


def test_an_output_of_just_the_limit_is_not_truncated(level):
    limits = Limits(output_bytes=100)
    assert not run_python("print('x' * 99)", limits=limits, isolation=level).truncated
    assert run_python("print('x' * 100)", limits=limits, isolation=level).truncated


def test_code_that_does_not_compile(level):
    outcome = run_python("def f(:", isolation=level)
    assert outcome.exit_code == 1
    assert "SyntaxError" in outcome.stderr


# ---------------------------------------------------------------------------------------------------------
# What the code finds


def test_the_code_is_the_main_module_with_nothing_else_in_it(level):
    code = """
        import sys
        assert __name__ == "__main__"
        assert sys.modules["__main__"].__dict__ is globals()
        print(sorted(name for name in globals() if not name.startswith("__")))
        print(sys.argv == [__file__], sys.flags.isolated, exit)
    """
    outcome = run_python(textwrap.dedent(code), isolation=level)
    assert outcome.stdout.splitlines()[0] == "['sys']"
    assert outcome.stdout.splitlines()[1].startswith("True 1 Use exit()")


def test_the_private_folder_is_writable_empty_and_gone_afterwards(level):
    code = """
        import os, tempfile
        open("x", "w").close()
        print([name for name in sorted(os.listdir()) if os.path.isfile(name)])
        print(os.getcwd())
        print(tempfile.gettempdir())
    """
    listing, here, temporary = run_python(textwrap.dedent(code), isolation=level).stdout.splitlines()
    assert listing == "['main.py', 'x']"
    assert here == temporary
    assert here == "/tmp" or not Path(here).exists()


def test_installed_packages_only_on_request(level):
    code = "import numpy\nprint(numpy.arange(3).sum())"
    assert "ModuleNotFoundError" in run_python(code, isolation=level).stderr
    assert run_python(code, isolation=level, import_from=site_packages()).stdout == "3\n"


def test_a_package_of_our_own(level, tmp_path):
    package = tmp_path / "packaged"
    package.mkdir()
    (package / "__init__.py").write_text("value = 'from the package'")
    (tmp_path / "beside.py").write_text("")
    code = "import packaged\nprint(packaged.value)\nopen(packaged.__file__, 'r+')"
    outcome = run_python(code, isolation=level, import_from=[package])
    assert outcome.stdout == "from the package\n"
    if level != "limits":
        assert "Read-only file system" in outcome.stderr or "Permission denied" in outcome.stderr
        code = "import packaged, os\nprint(os.listdir(os.path.dirname(os.path.dirname(packaged.__file__))))"
        assert run_python(code, isolation=level, import_from=[package]).stdout == "['packaged']\n"


def test_subprocesses_and_threads_of_its_own_are_fine(level):
    code = """
        import concurrent.futures, multiprocessing, subprocess, sys
        print(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True).stdout)
        print(sum(concurrent.futures.ThreadPoolExecutor(4).map(int, "123")))
        print(multiprocessing.get_context("fork").Pool(2).map(abs, [-1, -2]))
    """
    outcome = run_python(textwrap.dedent(code), isolation=level)
    assert outcome.stdout.split("\n") == ["1", "", "6", "[1, 2]", ""]


def test_many_threads_fit_beside_the_memory_limit(level):
    code = """
        import threading
        started = threading.Barrier(41)
        def wait():
            bytearray(1 << 16)
            started.wait()
        threads = [threading.Thread(target=wait) for _ in range(40)]
        for thread in threads: thread.start()
        started.wait()
        print(len(threads))
    """
    outcome = run_python(textwrap.dedent(code), limits=Limits(memory_bytes=1 << 30), isolation=level)
    assert (outcome.stdout, outcome.stderr) == ("40\n", "")


def test_a_thread_may_ask_for_a_deep_stack(level):
    code = """
        import sys, threading
        sys.setrecursionlimit(10**6)
        threading.stack_size(256 << 20)
        depth = lambda n: 0 if n == 0 else 1 + depth(n - 1)
        thread = threading.Thread(target=lambda: print(depth(100_000)))
        thread.start()
        thread.join()
    """
    assert run_python(textwrap.dedent(code), isolation=level).stdout == "100000\n"


def test_standard_input_by_its_name(level):
    code = "print(open('/dev/stdin').read(), file=open('/dev/stdout', 'w'))"
    assert run_python(code, stdin="by name", isolation=level).stdout == "by name\n"


def test_the_processor_s_time_counts_and_the_wall_clock_guards(level):
    limits = Limits(time_s=20, cpu_s=0.3)
    busy = "import os\nif os.fork() == 0:\n while True: pass\nos.wait()"
    outcome = run_python(busy, limits=limits, isolation=level)
    assert outcome.timed_out
    assert outcome.seconds < 15
    outcome = run_python("import time\ntime.sleep(0.8)", limits=limits, isolation=level)
    assert outcome.ended_by == "exit"
    assert outcome.cpu_seconds < 0.3 < outcome.seconds
    assert run_python("while True: pass", limits=Limits(time_s=0.5), isolation=level).timed_out


def test_runs_at_the_same_time_do_not_meet(level):
    code = "import os, time\nopen('mine', 'x').write(input())\ntime.sleep(0.1)\nprint(open('mine').read())"
    results = {}

    def run(number):
        results[number] = run_python(code, stdin=str(number), isolation=level).stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"{number}\n" for number in range(6)}


def test_nothing_goes_on_when_the_asking_process_dies(level):
    script = f"""
        from recursivemas.sandbox import run_python, why_not
        why_not({level!r})
        print("ready", flush=True)
        code = 'open("/proc/self/comm", "w").write("left-alone")\\nimport time\\ntime.sleep(60)'
        run_python(code, isolation={level!r})
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    process.stdout.readline()
    _wait_until(lambda: _is_running("left-alone"))
    process.kill()
    process.wait()
    process.stdout.close()
    _wait_until(lambda: not _is_running("left-alone"))


def _is_running(name):
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text() == name + "\n":
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def _wait_until(condition):
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


# ---------------------------------------------------------------------------------------------------------
# Choosing


@pytest.mark.parametrize("name", ["time_s", "memory_bytes", "processes"])
def test_limits_have_to_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        Limits(**{name: 0})


def test_the_best_level_that_works_is_taken(monkeypatch):
    working = set(LEVELS)
    monkeypatch.setattr(sandbox, "why_not", lambda level: None if level in working else "a reason")
    assert find_isolation() == "bubblewrap"
    working.remove("bubblewrap")
    assert find_isolation(allow_unisolated=True) == "namespaces"
    working.remove("namespaces")
    assert find_isolation(allow_unisolated=True) == "limits"
    with pytest.raises(IsolationError, match="--allow_unisolated_code") as caught:
        find_isolation()
    assert "bubblewrap: a reason\n  namespaces: a reason" in str(caught.value)
    assert "apt-get install bubblewrap" in str(caught.value)
    with pytest.raises(IsolationError):
        run_python("print('must not run')")


def test_a_level_that_does_not_work_says_why(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="bwrap is not on the path"):
        run_python("print()", isolation="bubblewrap")
    assert "bwrap is not on the path" in why_not.__wrapped__("bubblewrap")


def test_what_shares_our_namespaces_is_not_isolated(monkeypatch):
    real = sandbox.run_python
    monkeypatch.setattr(sandbox, "run_python", lambda code, limits, isolation: real(code, isolation="limits"))
    assert why_not.__wrapped__("namespaces") == "shares the mnt, net, pid, ipc namespace with this machine"


@pytest.mark.parametrize("report", [b"", b"\x00", b"{cut", marshal.dumps({"error": "MemoryError"})])
def test_a_report_that_is_lost_is_an_error_only_before_the_code_runs(report):
    def read(answer):
        return sandbox.read_report(sandbox.parse_report(answer), answer.startswith(STARTED), "")

    with pytest.raises(SandboxError):
        read(report)
    assert read(STARTED + report).ended_by == "lost"


def test_other_systems(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert why_not.__wrapped__("namespaces") == "needs Linux; this is darwin"


def test_a_sandbox_that_cannot_be_set_up_is_an_error_of_its_own(level, monkeypatch):
    monkeypatch.setattr(isolation, "PYTHON", Path("/nonexistent/python"))
    with pytest.raises(SandboxError, match="nonexistent"):
        run_python("print()", isolation=level)


def test_bubblewrap_as_root_and_as_somebody_else(monkeypatch):
    view = isolation.View(["/usr", "/opt/python/3"], {"/lib": "usr/lib"}, ["/dev/null"])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(isolation.os, "geteuid", lambda: 0)
    as_root = " ".join(isolation.bubblewrap_command(view, 1000))
    assert "--unshare-user" not in as_root
    assert "--cap-drop ALL --cap-add CAP_SETUID" in as_root
    monkeypatch.setattr(isolation.os, "geteuid", lambda: 1000)
    as_user = " ".join(isolation.bubblewrap_command(view, 1000))
    assert "--unshare-user --uid 65534 --gid 65534" in as_user
    assert "--cap-add" not in as_user
    for command in (as_root, as_user):
        assert "--unshare-net" in command
        assert "--unshare-pid" in command
        assert "--clearenv" in command
        order = [
            "--tmpfs /tmp",
            "--dir /opt ",
            "--dir /opt/python ",
            "--ro-bind /opt/python/3",
            "--remount-ro /",
        ]
        assert sorted(order, key=command.index) == order


def test_the_view_holds_the_python_and_nothing_twice():
    view = isolation.python_view([Path("/usr/share"), Path("/nonexistent")])
    shown = [Path(path) for path in view.read_only]
    assert any(isolation.PYTHON.is_relative_to(path) for path in shown)
    assert not any(a != b and a.is_relative_to(b) for a in shown for b in shown)
    assert Path("/usr/share") not in shown
    assert "/nonexistent" not in view.read_only
    assert not any(Path.home().is_relative_to(path) for path in shown)


# ---------------------------------------------------------------------------------------------------------
# The filter


def run_filter(program, machine, number, first=0, second=0):
    """What the BPF program says: a small interpreter of the instructions that it uses."""
    data = {0: number, 4: seccomp.ARCHITECTURES.get(machine, 0), 16: first, 24: second}
    place, value = 0, 0
    while True:
        code, equal, unequal, constant = seccomp.struct.unpack_from("HBBI", program, 8 * place)
        place += 1
        if code == seccomp.RETURN:
            return constant
        if code == seccomp.LOAD:
            value = data[constant]
            continue
        tests = {
            seccomp.JUMP_EQUAL: value == constant,
            seccomp.JUMP_AT_LEAST: value >= constant,
            seccomp.JUMP_ANY_BIT: bool(value & constant),
        }
        place += equal if tests[code] else unequal


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_the_filter_refuses_what_it_lists(machine, column):
    program = seccomp.build_filter(machine)
    refused = seccomp.REFUSE | seccomp.errno.EPERM
    for numbers in seccomp.REFUSED.values():
        assert run_filter(program, machine, numbers[column]) == refused
    assert run_filter(program, machine, 0) == seccomp.ALLOW
    assert run_filter(program, machine, seccomp.KILL[column], 0xFFFFFFFF) == refused
    assert run_filter(program, machine, seccomp.KILL[column], 17) == seccomp.ALLOW
    assert run_filter(program, machine, seccomp.CLONE[column], 0x11) == seccomp.ALLOW
    assert run_filter(program, machine, seccomp.CLONE[column], 0x10000011) == refused
    for numbers in seccomp.OF_OTHERS.values():
        assert run_filter(program, machine, numbers[column], 0) == seccomp.ALLOW
        assert run_filter(program, machine, numbers[column], 1) == refused
    assert run_filter(program, machine, seccomp.SET_PRIORITY[column], 0, 0) == seccomp.ALLOW
    assert run_filter(program, machine, seccomp.SET_PRIORITY[column], 0, 1) == refused
    assert run_filter(program, machine, seccomp.SET_PRIORITY[column], 2, 0) == refused
    assert run_filter(program, machine, seccomp.SOCKET[column], 1) == seccomp.ALLOW
    for family in (0, 2, 10, 16, 40):
        assert run_filter(program, machine, seccomp.SOCKET[column], family) == seccomp.REFUSE | 13
    assert run_filter(program, "another", 0) == refused


@pytest.mark.skipif(platform.machine() not in seccomp.ARCHITECTURES, reason="no filter for this machine")
def test_the_filter_is_on(level):
    outcome = run_python("print(open('/proc/self/status').read())", isolation=level)
    assert "Seccomp:\t2" in outcome.stdout
