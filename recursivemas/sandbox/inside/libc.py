"""The Linux system calls that Python has no function for."""

from __future__ import annotations

import ctypes
import os

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_CAPBSET_DROP = 24
SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def call(function: str, *arguments: object) -> int:
    """The C function with int, bytes, None or ctypes arguments; OSError with its name when it returns -1."""
    result = int(getattr(_libc, function)(*arguments))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int | ctypes.c_void_p) -> None:
    """prctl(2) with one argument; OSError when the kernel refuses."""
    argument = value if isinstance(value, ctypes.c_void_p) else ctypes.c_ulong(value)
    call("prctl", option, argument, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
