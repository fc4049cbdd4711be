"""How long a process under test may take: its processor time decides, the wall clock only guards."""

from __future__ import annotations

import time

WALL_FACTOR = 6.0
"""How many times its processor time a run may take by the clock: as long as others use the machine too."""


def cpu_seconds(process: int) -> float:
    """What the process has used of the processor, all its threads together; 0 where that cannot be told."""
    try:
        return time.clock_gettime(~process << 3 | 2)  # as clock_getcpuclockid(3) makes a process' clock
    except OSError:
        return 0.0  # it has ended, or this is not Linux


class Allowance:
    """Seconds of a process' processor time from now on, and `WALL_FACTOR` times as many by the clock."""

    def __init__(self, process: int, seconds: float) -> None:
        self.seconds = seconds
        self._process = process
        self._cpu_end = cpu_seconds(process) + seconds
        self._end = time.monotonic() + WALL_FACTOR * seconds

    def is_used_up(self) -> bool:
        return time.monotonic() >= self._end or cpu_seconds(self._process) >= self._cpu_end

    def __str__(self) -> str:
        if cpu_seconds(self._process) >= self._cpu_end:
            return f"more than {self.seconds:g} s of processor time"
        by_the_clock = f"not done after {WALL_FACTOR * self.seconds:g} s by the clock"
        return f"more than {self.seconds:g} s, and {by_the_clock}"
