"""A program under test: one run on an input, and comparing what it prints."""

from __future__ import annotations

# ruff: noqa: PTH123 - importing pathlib takes longer than a run
import ast
import os
import select
import time
from decimal import Decimal, InvalidOperation

from . import program, source
from .solution import describe_end, spawn

READ_BYTES = 1 << 16
SPARE_OUTPUT_BYTES = 1 << 20
TICK_MS, LAST_TICK_MS = 10, 1
TAIL_BYTES = 500
SIGKILL = 9


def preamble_for(tree: ast.AST) -> str:
    """The imports that LiveCodeBench puts before a solution, for one that uses what it does not bind."""
    return program.PREAMBLE if source.loose_names(tree) else ""


def run(
    path: str, given: str, expected: str, needs_preamble: bool, memory_bytes: int, time_s: float
) -> tuple[str, tuple[str, str] | None]:
    """What the program at `path` prints, and the verdict (kind, detail) where it did not end well."""
    with open("input", "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(given)
    limit = SPARE_OUTPUT_BYTES + 4 * len(expected)
    read_end, write_end = os.pipe()
    code = f"from harness.program import run; run({path!r}, {memory_bytes}, {needs_preamble})"
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "input", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, write_end, 1),
    ]
    process = spawn(code, actions)
    os.close(write_end)
    try:
        output, status = _read_output(process, read_end, limit, time.monotonic() + time_s)
    finally:
        os.close(read_end)
    if len(output) > limit:
        return "", ("output limit", f"more than {limit} bytes of output")
    if status is None:
        return "", ("time limit", f"more than {time_s:g} s")
    return output.decode(errors="replace"), _describe(status) if status else None


def _read_output(process: int, descriptor: int, limit: int, deadline: float) -> tuple[bytes, int | None]:
    """The output and the status, which is None for a process that had to be killed."""
    output = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    os.set_blocking(descriptor, False)
    tick_ms, status = TICK_MS, None
    while status is None and len(output) <= limit and time.monotonic() < deadline:
        if poll.poll(tick_ms) and not _read(descriptor, output):
            poll.unregister(descriptor)
            tick_ms = LAST_TICK_MS  # it has closed its output and is about to end
        ended, code = os.waitpid(process, os.WNOHANG)
        status = code if ended else None
    if status is None:
        os.killpg(process, SIGKILL)
        os.waitpid(process, 0)
    while status is not None and len(output) <= limit and _read(descriptor, output):
        pass
    return bytes(output), status


def _read(descriptor: int, output: bytearray) -> bool:
    """Append what there is to read; False at the end, or when there is nothing."""
    try:
        piece = os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return False
    output += piece
    return bool(piece)


def _describe(status: int) -> tuple[str, str]:
    with open("stderr", "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
        last_line = file.read().decode(errors="replace").strip().rpartition("\n")[2]
    kind = "memory limit" if last_line.startswith("MemoryError") else "runtime error"
    return kind, last_line or f"the program {describe_end(status)}"


# ---------------------------------------------------------------------------------------------------------
# Comparing


def same_output(printed: str, expected: str) -> bool:
    """Line by line without outer white space; a line may also hold the same numbers, as decimals.

    Source: LiveCodeBench's runner. `1.0` equals `1.00`; nothing is rounded.
    """
    ours, theirs = (text.strip().split("\n") for text in (printed, expected))
    return len(ours) == len(theirs) and all(map(_same_line, ours, theirs))


def _same_line(ours: str, theirs: str) -> bool:
    if ours.strip() == theirs.strip():
        return True
    try:
        return [Decimal(word) for word in ours.split()] == [Decimal(word) for word in theirs.split()]
    except InvalidOperation:
        return False
