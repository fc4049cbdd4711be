"""Hostile code and what becomes of it: each run ends, and the next one works.

What only isolation stops is not tried where there is none: it would succeed.
"""

import textwrap
from pathlib import Path

import pytest

from recursivemas.sandbox import LEVELS, Limits, run_python, why_not

LIMITS = Limits(time_s=5, memory_bytes=256 << 20, output_bytes=1 << 16, tmp_bytes=8 << 20, processes=16)
ISOLATED = [level for level in LEVELS if level != "limits"]


def need(level):
    reason = why_not(level)
    if reason is not None:
        pytest.skip(f"{level} does not work here: {reason}")


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
