"""A domain of processes that reaches no process outside it: neither by a signal nor by a look into it.

What belongs to the same user is otherwise within reach: `/proc/PID/mem` and `/proc/PID/fd` of every process
that has not closed them, and signals to all. Since Linux 6.12; a domain made in a domain lies within it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

from . import libc

CREATE_RULESET, RESTRICT_SELF = 444, 446
ASK_FOR_VERSION = 1
FIRST_VERSION_WITH_SCOPES = 6
ABSTRACT_SOCKETS, SIGNALS = 1, 2


def is_supported() -> bool:
    """Whether this kernel has domains that keep signals in; without them the other fences have to do."""
    if sys.platform != "linux":
        return False
    try:
        version = _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_FOR_VERSION))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            return False  # not built in, not switched on, or refused by a container's own filter
        raise
    return version >= FIRST_VERSION_WITH_SCOPES


def enter_new_domain() -> None:
    """Put this process, and all that it starts, into a domain of their own, for good. Needs no_new_privs."""
    # No rule on files (the first number) or the network (the second): others see to these.
    attributes = struct.pack("QQQ", 0, 0, ABSTRACT_SOCKETS | SIGNALS)
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _call(number: int, *arguments: object) -> int:
    return libc.call("syscall", ctypes.c_long(number), *arguments)
