# ruff: noqa: PTH108, PTH118, PTH123, PTH208 - importing pathlib takes longer than what is done here
"""The keeper: starts the worker that runs the code, watches it, and leaves nothing of it behind.

It is the first process of the sandbox's process namespace where there is one, which nothing inside can kill,
and a subreaper elsewhere, so that daemons that leave their parents come to it.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import sys
import time

from . import STARTED, confine, libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGKILL, SIGXCPU = 9, 24
TICK_S = 0.02
LOOK_S = {True: 0.02, False: 0.05}
"""How often processes are counted: in a process namespace of our own, and where /proc lists the machine's."""
READ_BYTES = 1 << 16
CLEAN_UP_S = 5.0
STREAMS = ("stdout", "stderr", "verdict")  # at 1, 2 and 3 in the worker
FREE_DESCRIPTOR = 10
PAGE_BYTES = resource.getpagesize()
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
LINUX = sys.platform == "linux"


def keep(job: dict[str, Any]) -> dict[str, Any]:
    """Run the job's worker to its end, whatever that is, and report.

    `ended_by` is `exit`, or the limit that ended it: `time`, `output`, `memory`, `processes`; `code` is the
    worker's exit code, minus the signal's number where one ended it. Raises OSError when the worker cannot be
    started; what is raised after `STARTED` went out may be of the code's making.
    """
    _prepare(job)
    ends = {name: os.pipe() for name in STREAMS}
    stdin = _file_with(job["stdin"], job["folder"])
    start = time.monotonic()
    worker = _start(job, stdin, [ends[name][1] for name in STREAMS])
    for _, write_end in ends.values():
        os.close(write_end)
    os.close(stdin)
    os.write(sys.stdout.fileno(), STARTED)
    watch = _Watch(worker, {ends[name][0]: name for name in STREAMS}, job["limits"], start)
    try:
        watch.until_end()
    finally:
        seconds = time.monotonic() - start
        watch.kill_all()
    watch.drain()
    return {
        "ended_by": "time" if watch.code == -SIGXCPU else watch.ended_by,
        "code": watch.code,
        "seconds": seconds,
        "cpu_seconds": watch.cpu_seconds(),
        **{name: bytes(content) for name, content in watch.contents.items()},
    }


def _prepare(job: dict[str, Any]) -> None:
    os.umask(0o022)
    for name, content in job["files"].items():
        with open(os.path.join(job["folder"], name), "xb") as file:
            file.write(content)
    if LINUX:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # inherited: if memory runs out, the sandbox goes first
        libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
        # Nobody of the same user may look into our memory, environment and files, which hold the tests.
        libc.prctl(libc.PR_SET_DUMPABLE, 0)


def _file_with(content: bytes, folder: str) -> int:
    """A nameless file that holds the content, at its beginning."""
    if LINUX:
        descriptor = os.memfd_create("stdin")
    else:
        path = os.path.join(folder, "stdin")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.unlink(path)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _start(job: dict[str, Any], stdin: int, outputs: list[int]) -> int:
    """Fork and exec the worker; returns when it runs its own program."""
    failure_read, failure_write = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(failure_read)
        _become_worker(job, [stdin, *outputs], failure_write)
    os.close(failure_write)
    with open(failure_read, "rb") as failure:
        message = failure.read()
    if message:
        os.waitpid(worker, 0)
        raise OSError(f"the worker did not start: {message.decode()}")
    return worker


def _become_worker(job: dict[str, Any], descriptors: list[int], failure: int) -> None:
    failure = fcntl.fcntl(failure, fcntl.F_DUPFD_CLOEXEC, FREE_DESCRIPTOR)
    try:
        os.setsid()
        sources = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, FREE_DESCRIPTOR) for number in descriptors]
        for target, source in enumerate(sources):
            os.dup2(source, target)
        for standard in (0, 1, 2):
            os.fchmod(standard, 0o666)  # `/dev/stdin` and the like open it anew, as another user than ours
        os.chdir(job["folder"])
        confine.confine(job["limits"], uid=job["uid"])
        os.execve(job["argv"][0], job["argv"], job["environment"])
    except BaseException as error:
        os.write(failure, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(127)


class _Watch:
    """The worker's end, its output up to the limit, and what it started."""

    def __init__(self, worker: int, streams: dict[int, str], limits: dict[str, Any], start: float) -> None:
        self.worker = worker
        self.streams = streams
        self.limits = limits
        self.deadline = start + limits["time_s"]
        self.contents = {name: bytearray() for name in streams.values()}
        self.ended_by = "exit"
        self.code: int | None = None
        self._poll = select.poll()
        for descriptor in streams:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)
        self._poll.register(sys.stdout.fileno(), 0)  # tells when nobody waits for the report any more

    def until_end(self) -> None:
        """Until the worker has ended by itself or goes beyond a limit, which `ended_by` names."""
        next_look = 0.0
        while True:
            for descriptor, event in self._poll.poll(TICK_S * 1000):
                if descriptor in self.streams:
                    self._read(descriptor)
                elif event & (select.POLLERR | select.POLLHUP):
                    raise BrokenPipeError("the process that asked for this is gone")
            self._reap()
            now = time.monotonic()
            if self.code is not None or self.ended_by != "exit":
                return
            if now >= self.deadline:
                self.ended_by = "time"
            elif now >= next_look:
                self._look_at_processes()
                next_look = now + LOOK_S[os.getpid() == 1]

    def _read(self, descriptor: int) -> bool:
        """Take what there is to read now, up to the limit; whether there was something."""
        try:
            piece = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        if not piece:
            self._poll.unregister(descriptor)
            del self.streams[descriptor]
            os.close(descriptor)
            return False
        content = self.contents[self.streams[descriptor]]
        room = self.limits["output_bytes"] - len(content)
        content += piece[:room]
        if len(piece) > room:
            self.ended_by = "output"
        return True

    def drain(self) -> None:
        """What a worker that has ended left in the pipes."""
        for descriptor in list(self.streams):
            while self.ended_by != "output" and self._read(descriptor):
                pass

    def _reap(self) -> bool:
        """Take note of processes that ended; whether some are left."""
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if process == 0:
                return True
            if process == self.worker:
                self.code = os.waitstatus_to_exitcode(status)

    def _look_at_processes(self) -> None:
        processes = _descendants() if LINUX else {}
        if len(processes) > self.limits["processes"]:
            self.ended_by = "processes"
        elif sum(process.memory_bytes for process in processes.values()) > self.limits["memory_bytes"]:
            self.ended_by = "memory"
        elif self.cpu_seconds(processes) > self.limits["cpu_s"]:
            self.ended_by = "time"

    def cpu_seconds(self, processes: dict[int, _Process] | None = None) -> float:
        """What the worker and all that it started have used, of these that run and of those that ended."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        running = sum(process.cpu_seconds for process in (processes or {}).values())
        return ended.ru_utime + ended.ru_stime + running

    def kill_all(self) -> None:
        """Kill whatever is left, daemons included, until nothing is."""
        give_up = time.monotonic() + CLEAN_UP_S
        while self._kill_and_reap() and time.monotonic() < give_up:
            time.sleep(0.001)

    def _kill_and_reap(self) -> bool:
        for target in self._targets():
            try:
                os.kill(target, SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # it ended meanwhile; macOS says the latter of zombies
        return self._reap()

    def _targets(self) -> list[int]:
        if os.getpid() == 1:
            return [-1]  # all that is in our process namespace, but us
        # The whole group at one blow, as a fork bomb is faster than a list; then what left the group.
        return [-self.worker, *(_descendants() if LINUX else ())]


class _Process:
    """What /proc/PID/stat says."""

    def __init__(self, stat: bytes) -> None:
        fields = stat.rpartition(b")")[2].split()  # from the state on, which is the third of all fields
        self.parent = int(fields[1])
        self.cpu_seconds = sum(map(int, fields[11:15])) / TICKS_A_SECOND  # its own and of children it had
        self.memory_bytes = int(fields[21]) * PAGE_BYTES


def _descendants() -> dict[int, _Process]:
    """Each process that descends from this one, by its number."""
    processes: dict[int, _Process] = {}
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                process = _Process(file.read())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        children.setdefault(process.parent, []).append(int(name))
        processes[int(name)] = process
    found: list[int] = []
    queue = [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return {number: processes[number] for number in found}
