"""Running Python code that nobody has vouched for: limits, isolation, and what came of it.

A run is a chain of processes: this one, the keeper (`inside`), and the worker that runs the code. The worker
is a fresh `python -I` in a session of its own, with a scrubbed environment, an empty private folder and
limits. The keeper watches it, ends it, and ends whatever it left running.
"""

from __future__ import annotations

import compileall
import functools
import marshal
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from recursivemas.errors import UserError
from recursivemas.sandbox import isolation as levels
from recursivemas.sandbox.inside import STARTED
from recursivemas.sandbox.isolation import Isolation

PRIVATE_FOLDER = "/tmp"
MAX_FILES = 4096
MARK = "RECURSIVEMAS_SANDBOX"
"""An environment variable by which processes are found again where there is no process namespace."""
NAMESPACES = ("mnt", "net", "pid", "ipc")
PROBE = f"import os\nfor name in {NAMESPACES!r}: print(os.stat('/proc/self/ns/' + name).st_ino)"
GRACE_S = 30.0
"""How much longer than its time limit a run may take to set up and clean up, on a machine that is busy."""
THREAD_STACK_BYTES = 8 << 20
"""What a thread's stack has elsewhere; as large as the main one's, a few would use up the memory limit."""
ALLOW_FLAG = "--allow_unisolated_code"

EndedBy = Literal["exit", "time", "output", "memory", "processes", "lost"]


class IsolationError(UserError):
    """This machine offers no isolation for code under test."""


class SandboxError(RuntimeError):
    """The sandbox itself could not be set up. Nothing that the code under test does raises this."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may use.

    On a busy machine the wall clock says little about code: to judge it, give it `cpu_s`, and several times
    as much `time_s` as a guard.
    """

    time_s: float = 10.0
    """The wall clock's."""
    cpu_s: float | None = None
    """The processor's, for all processes together; None leaves it to the wall clock."""
    memory_bytes: int = 1 << 30
    """For each process (address space), and for all together (resident)."""
    output_bytes: int = 1 << 20
    """For stdout, stderr and the verdict each."""
    file_bytes: int = 16 << 20
    """For each file."""
    tmp_bytes: int = 64 << 20
    """For all files, where isolated."""
    processes: int = 64
    """At a time; threads count too."""
    open_files: int = 128
    """Of each process."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}; limits have to be positive")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run."""

    stdout: str
    stderr: str
    verdict: str
    """What the code wrote to file descriptor 3."""
    ended_by: EndedBy
    """`exit` where the code's process ended by itself (whatever its exit code), the limit that ended it, or
    `lost` where the keeper was killed too."""
    exit_code: int | None
    """None where a signal ended it."""
    signal: int | None
    """The number of the signal that ended it."""
    seconds: float
    """The code's wall clock, without the isolation's."""
    cpu_seconds: float = 0.0
    """What its processes used of the processor."""

    @property
    def timed_out(self) -> bool:
        return self.ended_by == "time"

    @property
    def truncated(self) -> bool:
        return self.ended_by == "output"


def run_python(
    code: str,
    *,
    stdin: str = "",
    limits: Limits | None = None,
    isolation: Isolation | None = None,
    import_from: Sequence[Path] = (),
) -> Outcome:
    """Run code as a program and return when it and all that it started have ended.

    `isolation` is a level from `find_isolation`; without it, the best one there is, and never `limits`.
    `import_from` are folders that the code may import from, shown read-only: folders of packages, such as
    `site_packages()`, or packages. Without them there is the standard library.

    Safe to call from several threads. Raises IsolationError where there is no isolation, and SandboxError
    when the sandbox cannot be set up, never for what the code does.
    """
    level = find_isolation() if isolation is None else isolation
    limits = limits or Limits()
    paths = [Path(path).resolve() for path in import_from]
    with ExitStack() as stack:
        folder = PRIVATE_FOLDER
        if level == "limits":
            temporary = tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True)
            folder = stack.enter_context(temporary)
        return _run(level, _make_job(level, code, stdin, limits, paths, folder), limits, paths)


def site_packages() -> list[Path]:
    """The folders on our own path that packages are installed in."""
    folders = [Path(path).resolve() for path in sys.path if path]
    return [folder for folder in folders if any(folder.glob("*.dist-info"))]


def _make_job(
    level: Isolation, code: str, stdin: str, limits: Limits, paths: Sequence[Path], folder: str
) -> dict[str, Any]:
    """What `inside.main` reads."""
    program = f"{folder}/main.py"
    user_processes = limits.processes + levels.processes_counted_beside(level)
    uid = None if level == "limits" else levels.outer_worker_uid()
    environment = _environment(folder)
    if level == "limits":
        environment[MARK] = secrets.token_hex(8)
    job = {
        "argv": [str(levels.PYTHON), "-I", "-S", "-X", "utf8", "-c", _boot(program, paths)],
        "environment": environment,
        "folder": folder,
        "files": {"main.py": code.encode("utf-8", "surrogatepass")},
        "stdin": stdin.encode("utf-8", "surrogatepass"),
        "limits": {
            **asdict(limits),
            "cpu_s": math.inf if limits.cpu_s is None else limits.cpu_s,
            "user_processes": user_processes,
        },
        "uid": uid,
        "namespaces": None,
    }
    if level == "namespaces":
        view = levels.python_view(paths)
        job["uid"] = None if uid is None else levels.NOBODY
        job["namespaces"] = {
            "read_only": view.read_only,
            "symlinks": dict(view.symlinks),
            "devices": list(view.devices),
            "base": tempfile.gettempdir(),
            "tmp_bytes": limits.tmp_bytes,
            "tmp_files": MAX_FILES,
            "outer_uid": uid,
        }
    return job


def _boot(program: str, paths: Sequence[Path]) -> str:
    """What the worker's Python runs: the program as `__main__`, and no name but its own in there.

    `-S` leaves the site packages out, and with them `exit` and `quit`, which programs use.
    """
    folders = [str(path.parent if (path / "__init__.py").exists() else path) for path in paths]
    return (
        "def boot():\n"
        " import _thread, site, sys\n"
        " site.setquit()\n"
        f" _thread.stack_size({THREAD_STACK_BYTES})\n"
        f" sys.path += {folders!r}\n"
        f" sys.argv = [{program!r}]\n"
        " names = globals()\n"
        " del names['boot']\n"
        f" names['__file__'] = {program!r}\n"
        f" with open({program!r}, 'rb') as file: source = file.read()\n"
        f" exec(compile(source, {program!r}, 'exec'), names)\n"
        "boot()\n"
    )


def _environment(folder: str) -> dict[str, str]:
    """All that the code sees of an environment.

    One thread for numpy: more would count as processes. Few arenas for malloc: each thread's would reserve
    64 MiB of addresses, which count as memory.
    """
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"}
    variables["MALLOC_ARENA_MAX"] = "2"
    variables |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return variables | _library_path()


def _library_path() -> dict[str, str]:
    """What a Python that is not installed in the usual place may need to start."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def _run(level: Isolation, job: dict[str, Any], limits: Limits, paths: Sequence[Path]) -> Outcome:
    process = _start_keeper(level, limits, paths)
    complaint = b""
    try:
        answer, complaint = process.communicate(marshal.dumps(job), timeout=limits.time_s + GRACE_S)
    except subprocess.TimeoutExpired as error:
        answer = error.output or b""
    except BaseException:
        kill_rest(process, job["environment"])
        raise
    report = parse_report(answer)
    if report is None:
        kill_rest(process, job["environment"])
    return read_report(report, answer.startswith(STARTED), complaint.decode(errors="replace").strip())


def _start_keeper(level: Isolation, limits: Limits, paths: Sequence[Path]) -> subprocess.Popen[bytes]:
    try:
        if level == "bubblewrap":
            command = levels.bubblewrap_command(levels.python_view(paths), limits.tmp_bytes)
        else:
            command = levels.keeper_command(str(levels.INSIDE.parent))
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_library_path(),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"the sandbox does not start: {error}") from error


def kill_rest(process: subprocess.Popen[bytes], environment: Mapping[str, str]) -> None:
    """Kill what a keeper that did not finish may have left; without namespaces, that is found by its mark."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        with process:  # waits, and closes the pipes: what is left may hold their other ends open
            pass
    if MARK not in environment:
        return
    mark = f"{MARK}={environment[MARK]}".encode()
    while marked := [path for path in Path("/proc").glob("[0-9]*/environ") if mark in _read_if_there(path)]:
        for path in marked:
            with suppress(ProcessLookupError):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _read_if_there(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""  # it ended, or it is another user's


def parse_report(answer: bytes) -> dict[str, Any] | None:
    """The report in what the keeper wrote; None where there is none, or not all of one."""
    try:
        report: dict[str, Any] = marshal.loads(answer.removeprefix(STARTED))
    except (EOFError, ValueError, TypeError):
        return None
    return report


def read_report(report: dict[str, Any] | None, started: bool, complaint: str) -> Outcome:
    """Once the code has started, a report that is missing or of an error may be the code's doing."""
    if report is None or "error" in report:
        if not started:
            raise SandboxError(
                report["error"] if report else complaint or "the sandbox did not start in time"
            )
        report = {"ended_by": "lost", "code": None, "seconds": 0.0, "cpu_seconds": 0.0}
    code = report["code"]
    return Outcome(
        **{name: report.get(name, b"").decode(errors="replace") for name in ("stdout", "stderr", "verdict")},
        ended_by=report["ended_by"],
        exit_code=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None,
        seconds=report["seconds"],
        cpu_seconds=report["cpu_seconds"],
    )


# ---------------------------------------------------------------------------------------------------------
# Choosing a level


def find_isolation(*, allow_unisolated: bool = False) -> Isolation:
    """The best level that works here; each is tried once per process.

    Raises IsolationError where only `limits` is left and `allow_unisolated` does not accept it.
    """
    reasons = {level: why_not(level) for level in levels.LEVELS if level != "limits" or allow_unisolated}
    for level, reason in reasons.items():
        if reason is None:
            return level
    tried = "\n".join(f"  {level}: {reason}" for level, reason in reasons.items())
    raise IsolationError(
        f"code under test has to be kept from this machine, and no way to do so works here:\n{tried}\n"
        "Install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap), or allow user namespaces; "
        "docs/sandbox.md says how, in containers too. To let the code run as you, limited in what it uses "
        f"but not in what it reads, writes and kills, give {ALLOW_FLAG}"
    )


@functools.cache
def why_not(level: Isolation) -> str | None:
    """Why a level does not work here, None where it does."""
    if os.name != "posix" or (level != "limits" and sys.platform != "linux"):
        return f"needs {'Linux' if os.name == 'posix' else 'Linux or macOS'}; this is {sys.platform}"
    # Where the keeper runs it cannot write, and would compile its modules again every time.
    compileall.compile_dir(levels.INSIDE, quiet=2)
    try:
        outcome = run_python(PROBE, limits=Limits(time_s=GRACE_S), isolation=level)
    except SandboxError as error:
        return str(error)
    if outcome.exit_code != 0:
        return f"a first program failed: {outcome.stderr.strip()[-300:] or outcome}"
    if level == "limits":
        return None
    inside = dict(zip(NAMESPACES, outcome.stdout.split(), strict=True))
    shared = [name for name in NAMESPACES if int(inside[name]) == Path(f"/proc/self/ns/{name}").stat().st_ino]
    return f"shares the {', '.join(shared)} namespace with this machine" if shared else None
