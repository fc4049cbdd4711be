"""Each fence by itself: what it still holds where the others are not there, or not in the way.

docs/sandbox.md names the test of each; take the fence away, and its test fails.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from recursivemas.sandbox import Limits, isolation, run, run_python
from recursivemas.sandbox.inside import confine, landlock, seccomp
from tests.support.attacks import need, running

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's fences"),
]

LIMITS = Limits(time_s=5, memory_bytes=256 << 20, open_files=40)


def told(code, level, limits=LIMITS):
    """What the code prints, read as JSON."""
    outcome = run_python(textwrap.dedent(code), limits=limits, isolation=level)
    assert outcome.exit_code == 0, outcome
    return json.loads(outcome.stdout)


@pytest.fixture
def group_of_ours():
    """As root, a group beside our own, as administrators have."""
    if os.geteuid() != 0:
        yield
        return
    before = os.getgroups()
    os.setgroups([*before, 4321])
    yield
    os.setgroups(before)


@pytest.mark.usefixtures("group_of_ours")
def test_what_the_code_has_given_up(level):
    found = told(
        """
        import json, os, resource
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        print(json.dumps({
            "capabilities": int(status["CapEff"], 16),
            "no_new_privileges": int(status["NoNewPrivs"]),
            "users": sorted({*os.getresuid(), *os.getresgid()}),
            "groups": os.getgroups(),
            "out_of_memory": int(open("/proc/self/oom_score_adj").read()),
            **{name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))
               for name in ("CORE", "MSGQUEUE", "NOFILE", "CPU", "FSIZE", "AS")},
        }))
        """,
        level,
    )
    assert (found["capabilities"], found["no_new_privileges"]) == (0, 1)
    assert found["out_of_memory"] == 1000, "the sandbox goes first where memory runs out"
    assert found["CORE"] == found["MSGQUEUE"] == [0, 0]
    assert found["NOFILE"] == [40, 40]
    assert found["FSIZE"] == [LIMITS.file_bytes] * 2
    assert found["AS"] == [LIMITS.memory_bytes] * 2
    assert found["CPU"] == [5 + confine.CPU_GRACE_S, 6 + confine.CPU_GRACE_S], "for what outlives the keeper"
    if os.geteuid() == 0 and level != "limits":
        (user,) = found["users"]
        assert user != 0
        assert found["groups"] == []


REFUSED_CALLS = (
    *("memfd_create", "memfd_secret", "shmget", "msgget"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "ioprio_set"),
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen"),
    *("fsmount", "mount_setattr", "open_by_handle_at"),
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "add_key", "request_key", "keyctl"),
)


@pytest.mark.skipif(not seccomp.is_supported(), reason="no filter for this machine")
def test_calls_that_no_program_needs(level):
    """Most of them would be let through, or go on to look at their arguments, without the filter."""
    column = list(seccomp.ARCHITECTURES).index(os.uname().machine)
    numbers = {call: seccomp.REFUSED[call][column] for call in REFUSED_CALLS}
    found = told(
        f"""
        import ctypes, json
        libc = ctypes.CDLL(None, use_errno=True)
        def number_of_error(call):
            return ctypes.get_errno() if libc.syscall(call, 0, 0, 0, 0, 0) == -1 else None
        print(json.dumps({{name: number_of_error(call) for name, call in {numbers}.items()}}))
        """,
        level,
    )
    assert found == dict.fromkeys(REFUSED_CALLS, errno.EPERM)
    assert set(REFUSED_CALLS) == set(seccomp.REFUSED)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are numbers of x86-64")
def test_calls_that_go_round_the_filter(level):
    """clone3 hides its flags in memory, and says that it is not there: clone is taken then.

    x32's numbers stand for the same calls and are none of the filter's.
    """
    calls = (seccomp.CLONE3[0], seccomp.X32_BIT + 39)
    found = told(
        f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        print([(libc.syscall(call, 0, 0), ctypes.get_errno())[1] for call in {calls}])
        """,
        level,
    )
    assert found == [errno.ENOSYS, errno.EPERM]


def test_the_code_ends_with_its_keeper(level, monkeypatch):
    """Even where nobody looks for what is left; at `namespaces` the keeper's end ends all between, too."""
    name = f"kept-{os.getpid()}"
    real = subprocess.Popen.communicate
    monkeypatch.setattr(run, "kill_rest", lambda process, environment: None)

    def kill_when_there(process, *arguments, **keywords):
        threading.Thread(target=kill_beside_the_code, args=(process.pid,)).start()
        return real(process, *arguments, **keywords)

    def kill_beside_the_code(started):
        give_up = time.monotonic() + 20
        while not running(name) and time.monotonic() < give_up:
            time.sleep(0.01)
        os.kill(started, signal.SIGKILL)

    monkeypatch.setattr(subprocess.Popen, "communicate", kill_when_there)
    code = f"import time; open('/proc/self/comm', 'w').write('{name}'); time.sleep(100)"
    outcome = run_python(code, limits=Limits(time_s=60), isolation=level)
    assert outcome.ended_by == "lost"
    give_up = time.monotonic() + 10  # a killed process is gone when its turn to run comes
    while running(name) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert running(name) == []


def test_the_keeper_is_closed_where_there_is_no_landlock(level, monkeypatch, tmp_path):
    """It holds the tests. As root another user runs the code, which closes it once more."""
    shutil.copytree(isolation.INSIDE, tmp_path / "inside", ignore=shutil.ignore_patterns("__pycache__"))
    without = "\n\ndef is_supported() -> bool:\n    return False\n"
    with (tmp_path / "inside" / "landlock.py").open("a") as file:
        file.write(without)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(isolation, "INSIDE", tmp_path / "inside")
    code = """
        import json, os
        opened = []
        for name in ("mem", "environ", "fd/0", "maps"):
            try:
                os.close(os.open(f"/proc/{os.getppid()}/{name}", os.O_RDONLY))
                opened.append(name)
            except OSError:
                pass
        print(json.dumps(opened))
    """
    assert told(code, level) == []


@pytest.mark.skipif(not landlock.is_supported(), reason="this kernel's Landlock has no scopes")
def test_abstract_sockets_of_others_without_a_network_namespace():
    need("limits")
    name = f"recursivemas-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        code = f"""
            import json, socket
            try:
                socket.socket(socket.AF_UNIX).connect("\\0{name}")
                print(json.dumps("reached"))
            except OSError as error:
                print(json.dumps("refused"))
        """
        assert told(code, "limits") == "refused"


def test_what_is_shown_cannot_be_written(isolated, tmp_path):
    """Not even what everybody may write elsewhere; for an ordinary user that goes for the root as well."""
    shown = tmp_path / "shown"
    shown.mkdir()
    shown.chmod(0o777)
    code = f"""
        import os
        for folder in ({str(shown)!r}, "/"):
            try:
                os.mkdir(os.path.join(folder, "new"))
                print("made")
            except OSError:
                pass
        print(os.listdir({str(shown)!r}))
    """
    outcome = run_python(textwrap.dedent(code), limits=LIMITS, isolation=isolated, import_from=[shown])
    assert outcome.stdout == "[]\n"
    assert list(shown.iterdir()) == []


def test_semaphores_of_others(isolated):
    """System V's, which the filter allows: programs use their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    key, create, remove = 0x52000000 + os.getpid(), 0o1000, 0
    semaphore = libc.semget(key, 1, create | 0o666)
    assert semaphore >= 0, os.strerror(ctypes.get_errno())
    try:
        code = f"import ctypes; print(ctypes.CDLL(None).semget({key}, 1, 0))"
        assert told(code, isolated) == -1
    finally:
        libc.semctl(semaphore, 0, remove)


def test_control_groups_of_ours_have_no_name(isolated):
    """Their paths tell of containers and users."""
    ours = set(Path("/proc/self/cgroup").read_text().split())
    if all(line.endswith(":/") for line in ours):
        pytest.skip("this process is in the root of every control group")
    shown = told("import json; print(json.dumps(open('/proc/self/cgroup').read().split()))", isolated)
    assert all(line.endswith(":/") for line in shown)
