"""What the worker process gives up between fork and exec."""

from __future__ import annotations

import os
import resource
import sys

from . import landlock, libc, seccomp

LIMITS = {
    "memory_bytes": resource.RLIMIT_AS,
    "file_bytes": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
    "user_processes": resource.RLIMIT_NPROC,
}
STACK_BYTES = 64 << 20
"""Room for deep recursion through C code, within the hard limit."""
CPU_GRACE_S = 2
"""The keeper counts the processor's time; the kernel's limit is there for what outlives it."""


def confine(limits: dict[str, float], *, uid: int | None) -> None:
    """Set the limits, become `uid` if one is given, give up privileges, and keep to our own processes.

    System calls that reach further are filtered.
    """
    _set_limits(limits)
    if sys.platform != "linux":
        return
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    elif os.geteuid() == 0:
        for capability in range(64):
            try:
                libc.prctl(libc.PR_CAPBSET_DROP, capability)
            except OSError:
                break  # past the kernel's last one, or it is not ours to drop
    libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    if landlock.is_supported():
        landlock.enter_new_domain()
    if seccomp.is_supported():
        seccomp.install()


def _set_limits(limits: dict[str, float]) -> None:
    for name, number in LIMITS.items():
        _lower(number, int(limits[name]))
    _lower(resource.RLIMIT_CORE, 0)
    seconds = int(min(limits["cpu_s"], limits["time_s"])) + CPU_GRACE_S
    _lower(resource.RLIMIT_CPU, seconds, seconds + 1)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_MSGQUEUE, 0)
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    _lower(resource.RLIMIT_STACK, STACK_BYTES, hard)


def _lower(number: int, soft: int, hard: int | None = None) -> None:
    """Set a limit to `soft` and `hard` (else `soft` for both), or to what is allowed where that is less."""
    allowed = resource.getrlimit(number)[1]
    wanted = soft if hard is None else hard
    if allowed != resource.RLIM_INFINITY:
        soft = min(soft, allowed)
        wanted = allowed if wanted == resource.RLIM_INFINITY else min(wanted, allowed)
    resource.setrlimit(number, (soft, wanted))
