"""The processes that a solution runs in: started with the descriptors they get, and nothing by name.

A file that is opened by its name here could have been put there by a solution that ran before.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys

from inside import landlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SIGKILL = 9
FREE_DESCRIPTOR = 64
FOLDER_OF_INSIDE = os.path.dirname(os.path.dirname(landlock.__file__))  # noqa: PTH120 - pathlib is slow


def spawn(code: str, descriptors: Sequence[int]) -> int:
    """Start a fresh Python, in a process group of its own, with the descriptors as 0, 1, 2 and so on.

    It imports from where this process does, `inside` left out. Where the kernel has domains, it is in one of
    its own: it can neither signal this process nor look into it.
    """
    folders = [folder for folder in sys.path if folder != FOLDER_OF_INSIDE]
    boot = f"import sys; sys.path[:] = {folders!r}; {code}"
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", boot]
    process = os.fork()
    if process == 0:
        _become(command, descriptors)
    _set_group(process)
    return process


def _become(command: list[str], descriptors: Sequence[int]) -> None:
    try:
        _set_group(0)
        # Out of the way first, so that none is overwritten before it is in its place.
        moved = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, FREE_DESCRIPTOR) for number in descriptors]
        for number, source in enumerate(moved):
            os.dup2(source, number)
        if landlock.is_supported():
            landlock.enter_new_domain()
        os.execve(command[0], command, os.environ)
    finally:
        os._exit(127)


def _set_group(process: int) -> None:
    """On both sides of the fork, as either may come first."""
    try:
        os.setpgid(process, process)
    except (PermissionError, ProcessLookupError):
        return  # it runs its own program already, or it has ended


def end_group(process: int) -> int:
    """End a process that has not been waited for, and what is in its group; its status."""
    try:
        os.killpg(process, SIGKILL)
    except PermissionError:
        os.kill(process, SIGKILL)  # macOS says so of a group of zombies
    return os.waitpid(process, 0)[1]


def has_ended(process: int) -> bool:
    """Whether it has ended; it can still be waited for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def describe_end(status: int) -> str:
    """How a process ended, in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"


def nameless_file(content: bytes = b"") -> int:
    """A descriptor of a file without a name that holds the content, at its beginning."""
    try:
        descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    except (AttributeError, OSError):  # not Linux, or a file system that has none
        name = os.urandom(16).hex()
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.unlink(name)  # noqa: PTH108 - pathlib is slow to import
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
