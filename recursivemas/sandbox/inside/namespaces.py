# ruff: noqa: PTH102, PTH103, PTH112, PTH120, PTH123, PTH211 - importing pathlib takes longer than what is done here
"""Entering fresh user, mount, network, process, IPC and cgroup namespaces, without bubblewrap.

What is left to see is a read-only tree of the given paths, a few devices, a private /proc and a private /tmp.
"""

from __future__ import annotations

import ctypes
import os
import struct

from . import libc

# CLONE_NEW...: mounts, cgroup, IPC, users, processes, network
NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4

NOBODY = 65534


def enter(
    *,
    read_only: list[str],
    symlinks: dict[str, str],
    devices: list[str],
    base: str,
    tmp_bytes: int,
    tmp_files: int,
    outer_uid: int | None,
) -> None:
    """Returns in the first process of the fresh namespaces; the caller's own process stays behind and waits.

    `base` is any folder: it becomes the root of the new tree, for the new namespaces alone. As root,
    `outer_uid` is the user outside for the inside's unprivileged user `NOBODY`; otherwise None, and our own
    user becomes `NOBODY`. Raises OSError when the kernel refuses, in whichever process that is.
    """
    if outer_uid is None:
        user, group = os.geteuid(), os.getegid()
        libc.call("unshare", NEW_NAMESPACES)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{NOBODY} {user} 1")
        _write("/proc/self/gid_map", f"{NOBODY} {group} 1")
    else:
        _unshare_mapped_by_parent(outer_uid)
    _fork_and_wait()  # a new process namespace begins with the next child
    _build_tree(read_only, symlinks, devices, base, tmp_bytes, tmp_files)


def _unshare_mapped_by_parent(outer_uid: int) -> None:
    """Root's way: only a process outside may map a user other than the one that unshares."""
    unshared, mapped = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(mapped[1])
        libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)
        libc.call("unshare", NEW_NAMESPACES)
        os.write(unshared[1], b"x")
        if not os.read(mapped[0], 1):
            os._exit(1)  # the parent failed and says why
        for end in (*unshared, mapped[0]):
            os.close(end)
        return
    os.close(unshared[1])
    if os.read(unshared[0], 1):
        for kind in ("uid_map", "gid_map"):
            _write(f"/proc/{child}/{kind}", f"0 0 1\n{NOBODY} {outer_uid} 1\n")
        os.write(mapped[1], b"x")
    _wait_for(child)


def _fork_and_wait() -> None:
    child = os.fork()
    if child:
        _wait_for(child)
    libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _wait_for(child: int) -> None:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)


# ---------------------------------------------------------------------------------------------------------
# Mounts


def _build_tree(
    read_only: list[str],
    symlinks: dict[str, str],
    devices: list[str],
    base: str,
    tmp_bytes: int,
    tmp_files: int,
) -> None:
    _mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # Opened before the new root covers `base`, as they may lie below it.
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in (*read_only, *devices)}
    _mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    # The private folder first: what is shown may lie below it.
    options = f"mode=1777,size={tmp_bytes},nr_inodes={tmp_files}"
    for path, kind, flags, extra in (("/tmp", "tmpfs", 0, options), ("/proc", "proc", MS_NOEXEC, "")):
        os.mkdir(base + path)
        _mount(kind, base + path, kind, MS_NOSUID | MS_NODEV | flags, extra)
    for path, source in sources.items():
        _bind(source, base + path, restricted=path not in devices)
        os.close(source)
    for path, target in symlinks.items():
        os.makedirs(os.path.dirname(base + path), exist_ok=True)
        os.symlink(target, base + path)
    os.chdir(base)
    # With the same place for both, the old root lies on top of the new one and is taken off again.
    libc.call("pivot_root", b".", b".")
    libc.call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    _restrict("/", recursive=False)


def _bind(source: int, target: str, *, restricted: bool) -> None:
    if os.path.isdir(f"/proc/self/fd/{source}"):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT))
    _mount(f"/proc/self/fd/{source}", target, flags=MS_BIND | MS_REC)
    if restricted:
        _restrict(target, recursive=True)


def _mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    encoded_kind = None if kind is None else kind.encode()
    libc.call(
        "mount",
        os.fsencode(source),
        os.fsencode(target),
        encoded_kind,
        ctypes.c_ulong(flags),
        options.encode(),
    )


def _restrict(target: str, *, recursive: bool) -> None:
    """Read only, no set-user-id, no devices; by mount_setattr(2), which reaches the mounts below too."""
    attributes = struct.pack("QQQQ", ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, 0, 0, 0)
    libc.call(
        "syscall",
        ctypes.c_long(MOUNT_SETATTR),
        ctypes.c_long(AT_FDCWD),
        os.fsencode(target),
        ctypes.c_long(AT_RECURSIVE if recursive else 0),
        attributes,
        ctypes.c_long(len(attributes)),
    )
