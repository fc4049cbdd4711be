"""A system call filter for the code under test: what the namespaces and limits do not cover.

Refused are sockets other than Unix ones, memory that no limit counts, reaching into other processes and
changing what they may use, new namespaces and mounts, and kernel interfaces that no program under test needs.
It is a second fence: the first one is the namespaces.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from . import libc

# Numbers of (x86_64, aarch64). From 424 on they are the same on both.
REFUSED: dict[str, tuple[int, int]] = {
    # memory that belongs to no process and no file system with a limit
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "ioprio_set": (251, 30),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    # kernel interfaces with a history
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
OF_OTHERS: dict[str, tuple[int, int]] = {
    "prlimit64": (302, 261),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
}
"""Refused for every process but the caller, which is process 0: all of the same user are within reach."""
CLONE3 = (435, 435)
SET_PRIORITY = (141, 140)
CLONE, KILL, SOCKET = (56, 220), (62, 129), (41, 198)
NEW_NAMESPACES = 0x7E020000
AF_UNIX = 1
EVERYONE = 0xFFFFFFFF  # kill(-1, ...)

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT, SECOND_ARGUMENT_AT = 0, 4, 16, 24
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def is_supported() -> bool:
    return os.uname().machine in ARCHITECTURES


def build_filter(machine: str) -> bytes:
    """The filter as BPF instructions for `x86_64` or `aarch64`; KeyError for other machines."""
    column = list(ARCHITECTURES).index(machine)
    refuse = _instruction(RETURN, REFUSE | errno.EPERM)
    program = [
        _instruction(LOAD, ARCHITECTURE_AT),
        _instruction(JUMP_EQUAL, ARCHITECTURES[machine], equal=1),
        refuse,
        _instruction(LOAD, NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [_instruction(JUMP_AT_LEAST, X32_BIT, unequal=1), refuse]
    for numbers in REFUSED.values():
        program += [_instruction(JUMP_EQUAL, numbers[column], unequal=1), refuse]
    # glibc falls back to clone, whose flags can be looked at; those of clone3 cannot.
    program += [
        _instruction(JUMP_EQUAL, CLONE3[column], unequal=1),
        _instruction(RETURN, REFUSE | errno.ENOSYS),
    ]
    program += _refuse_argument(CLONE[column], JUMP_ANY_BIT, NEW_NAMESPACES, refuse)
    program += _refuse_argument(KILL[column], JUMP_EQUAL, EVERYONE, refuse)
    for numbers in OF_OTHERS.values():
        program += _refuse_unless_zero(numbers[column], [FIRST_ARGUMENT_AT], refuse)
    # Here the first argument says whether the second is a process, a group or a user.
    program += _refuse_unless_zero(SET_PRIORITY[column], [FIRST_ARGUMENT_AT, SECOND_ARGUMENT_AT], refuse)
    program += [
        _instruction(JUMP_EQUAL, SOCKET[column], unequal=3),
        _instruction(LOAD, FIRST_ARGUMENT_AT),
        _instruction(JUMP_EQUAL, AF_UNIX, equal=1),
        _instruction(RETURN, REFUSE | errno.EACCES),
    ]
    return b"".join([*program, _instruction(RETURN, ALLOW)])


def _refuse_argument(number: int, test: int, value: int, refuse: bytes) -> list[bytes]:
    """Refuse the system call where its first argument meets the test."""
    return [
        _instruction(JUMP_EQUAL, number, unequal=4),
        _instruction(LOAD, FIRST_ARGUMENT_AT),
        _instruction(test, value, unequal=1),
        refuse,
        _instruction(RETURN, ALLOW),
    ]


def _refuse_unless_zero(number: int, places: list[int], refuse: bytes) -> list[bytes]:
    """Refuse the system call unless the arguments at these places are all 0."""
    tests = []
    for place in places:
        tests += [_instruction(LOAD, place), _instruction(JUMP_EQUAL, 0, equal=1), refuse]
    return [
        _instruction(JUMP_EQUAL, number, unequal=len(tests) + 1),
        *tests,
        _instruction(RETURN, ALLOW),
    ]


def _instruction(code: int, value: int, *, equal: int = 0, unequal: int = 0) -> bytes:
    return struct.pack("HBBI", code, equal, unequal, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install() -> None:
    """Filter this process and all that it starts, for good. Needs no_new_privs."""
    code = build_filter(os.uname().machine)
    program = _Program(len(code) // 8, code)
    pointer = ctypes.cast(ctypes.pointer(program), ctypes.c_void_p)
    libc.call("prctl", libc.PR_SET_SECCOMP, ctypes.c_ulong(libc.SECCOMP_MODE_FILTER), pointer)
