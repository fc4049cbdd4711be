"""How far code under test is kept from this machine, and the commands that do it.

Three levels, the first one that works is taken: `bubblewrap`, `namespaces` (the same by our own means), and
`limits`, which limits what code uses but not what it sees or touches.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Isolation = Literal["bubblewrap", "namespaces", "limits"]
LEVELS: tuple[Isolation, ...] = ("bubblewrap", "namespaces", "limits")

PYTHON = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
"""The interpreter itself, outside any virtual environment."""
INSIDE = Path(__file__).with_name("inside")
INSIDE_SHOWN = "/sandbox"
"""Where bubblewrap shows the folder that holds `inside`."""

SYSTEM_PATHS = ("/usr", "/lib", "/lib64", "/lib32", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives")
"""What a Python and its libraries need, of what a system has."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/shm": "/tmp",
}

NOBODY = 65534
UNUSED_USERS = range(1 << 30, (1 << 31) - 1)
"""User numbers that no account has. As root, each sandbox takes one: its processes are counted alone then."""
KEEPER_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_KILL")


@dataclass(frozen=True)
class View:
    """What a sandbox shows of the file system: read-only paths where they are, symbolic links, devices."""

    read_only: Sequence[str]
    symlinks: Mapping[str, str]
    devices: Sequence[str]


def python_view(extra: Sequence[Path]) -> View:
    """The Python installation with the system's libraries, and `extra` files or folders."""
    links = dict(LINKS)
    shown = [Path(sys.base_prefix), Path(sys.base_exec_prefix), Path(sysconfig.get_path("stdlib")), PYTHON]
    for path in map(Path, SYSTEM_PATHS):
        if path.is_symlink():
            links[str(path)] = str(path.readlink())
        else:
            shown.append(path)
    shown += [Path(folder) for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    return View(_without_nested([*(path.resolve() for path in shown), *extra]), links, DEVICES)


def _without_nested(paths: Sequence[Path]) -> list[str]:
    """Those that exist, parents first, without those that lie in others."""
    kept: list[Path] = []
    for path in sorted({path for path in paths if path.exists()}, key=lambda path: len(path.parts)):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return [str(path) for path in kept]


def keeper_command(inside_at: str) -> list[str]:
    """The keeper's Python, with the folder that holds the package `inside`."""
    code = f"import sys; sys.path.insert(0, {inside_at!r}); from inside.main import main; main()"
    return [str(PYTHON), "-I", "-S", "-B", "-c", code]


def bubblewrap_command(view: View, tmp_bytes: int) -> list[str]:
    """bubblewrap around the keeper. It needs version 0.7 or newer, for `--size`.

    As root there is no user namespace: it would give the sandbox root's own user number, which no limit on
    processes binds. The keeper keeps what it takes to become another user and to kill that user's processes.
    Raises FileNotFoundError where bubblewrap is not installed.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise FileNotFoundError("bwrap is not on the path; apt-get install bubblewrap puts it there")
    command = [program, "--die-with-parent", "--as-pid-1", "--clearenv"]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-cgroup-try"]
    if os.geteuid() == 0:
        command += ["--cap-drop", "ALL"]
        for capability in KEEPER_CAPABILITIES:
            command += ["--cap-add", capability]
    else:
        command += ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]
    # The private folder first: what is shown may lie below it.
    command += ["--perms", "1777", "--size", str(tmp_bytes), "--tmpfs", "/tmp"]
    inside = f"{INSIDE_SHOWN}/{INSIDE.name}"
    for parent in _parents([*view.read_only, inside, *view.devices, *view.symlinks]):
        command += ["--dir", parent]  # as a mount's parent it would be closed to the other user
    for path in view.read_only:
        command += ["--ro-bind", path, path]
    command += ["--ro-bind", str(INSIDE), inside]
    for path in view.devices:
        command += ["--dev-bind", path, path]
    for path, target in view.symlinks.items():
        command += ["--symlink", target, path]
    return [
        *command,
        "--proc",
        "/proc",
        "--remount-ro",
        "/",
        "--chdir",
        "/",
        "--",
        *keeper_command(INSIDE_SHOWN),
    ]


def _parents(paths: Sequence[str]) -> list[str]:
    """The folders on the way to the paths, outermost first, without the root."""
    folders = {parent for path in map(Path, paths) for parent in path.parents[:-1]}
    return sorted(map(str, folders))


def outer_worker_uid() -> int | None:
    """The user that the code runs as, seen from outside: as root another one, else None for our own."""
    if os.geteuid() != 0:
        return None
    first, _, count = Path("/proc/self/uid_map").read_text().split()[:3]
    everyone_is_mapped = int(first) == 0 and int(count) > UNUSED_USERS.stop
    # Not the global generator: runs must not depend on whether code was graded in between.
    return random.SystemRandom().choice(UNUSED_USERS) if everyone_is_mapped else NOBODY


def processes_counted_beside(level: Isolation) -> int:
    """How many processes outside the sandbox count towards its limit on processes.

    Since Linux 5.14 a user namespace has a count of its own; before, and without one, it is the user's.
    """
    if sys.platform != "linux" or os.geteuid() == 0:
        return 0
    major, minor = map(int, platform.release().split("-")[0].split(".")[:2])
    if level != "limits" and (major, minor) >= (5, 14):
        return 0
    return _num_threads_of(os.getuid())


def _num_threads_of(uid: int) -> int:
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == uid:
                count += sum(1 for _ in (process / "task").iterdir())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return count
