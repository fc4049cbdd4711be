"""A program under test: one run on an input."""

from __future__ import annotations

import ast
import os
import select

from . import program, source
from .allowance import Allowance
from .process import describe_end, end_group, has_ended, nameless_file, spawn

READ_BYTES = 1 << 16
SPARE_OUTPUT_BYTES = 1 << 20
TICK_MS, LAST_TICK_MS = 10, 1
TAIL_BYTES = 500


def preamble_for(tree: ast.AST) -> str:
    """The imports that LiveCodeBench puts before a solution, for one that uses what it does not bind."""
    return program.PREAMBLE if source.loose_names(tree) else ""


def run(
    code: bytes, given: str, expected: str, needs_preamble: bool, memory_bytes: int, seconds: float
) -> tuple[str, tuple[str, str] | None]:
    """What a program prints, and the verdict (kind, detail) where it did not end well."""
    limit = SPARE_OUTPUT_BYTES + 4 * len(expected)
    source, stdin = nameless_file(code), nameless_file(given.encode("utf-8", "surrogatepass"))
    stderr = nameless_file()
    read_end, write_end = os.pipe()
    start = f"from harness.program import run; run(3, {memory_bytes}, {needs_preamble})"
    process = spawn(start, [stdin, write_end, stderr, source])
    for number in (write_end, stdin, source):
        os.close(number)
    try:
        output, status, late = _read_output(process, read_end, limit, Allowance(process, seconds))
        failure = _describe(status, stderr) if status else None
    finally:
        os.close(read_end)
        os.close(stderr)
    if len(output) > limit:
        return "", ("output limit", f"more than {limit} bytes of output")
    if late:
        return "", ("time limit", late)
    return output.decode(errors="replace"), failure


def _read_output(
    process: int, descriptor: int, limit: int, allowance: Allowance
) -> tuple[bytes, int, str | None]:
    """The output, the status, and what was used up where it had to be killed for that."""
    output = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    os.set_blocking(descriptor, False)
    tick_ms, late = TICK_MS, None
    while not (ended := has_ended(process)) and len(output) <= limit and late is None:
        if poll.poll(tick_ms) and not _read(descriptor, output):
            poll.unregister(descriptor)
            tick_ms = LAST_TICK_MS  # it has closed its output and is about to end
        late = str(allowance) if allowance.is_used_up() else None
    status = end_group(process)
    while ended and len(output) <= limit and _read(descriptor, output):
        pass
    return bytes(output), status, None if ended else late


def _read(descriptor: int, output: bytearray) -> bool:
    """Append what there is to read; False at the end, or when there is nothing."""
    try:
        piece = os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return False
    output += piece
    return bool(piece)


def _describe(status: int, stderr: int) -> tuple[str, str]:
    size = os.fstat(stderr).st_size
    tail = os.pread(stderr, TAIL_BYTES, max(0, size - TAIL_BYTES))
    last_line = tail.decode(errors="replace").strip().rpartition("\n")[2]
    kind = "memory limit" if last_line.startswith("MemoryError") else "runtime error"
    return kind, last_line or f"the program {describe_end(status)}"
