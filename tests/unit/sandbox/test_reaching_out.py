"""Hostile code that reaches out, for files, secrets, networks and other processes."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from recursivemas.sandbox.inside import seccomp
from tests.support.attacks import attack

pytestmark = pytest.mark.process


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
