"""Locks that end with the process that holds them.

They are the kernel's (`flock`), not files that say so: a process that is killed, or whose machine loses
power, leaves none behind, so none can be stale. Who is alive is never told by process ids, which mean nothing
in another container or on another machine. Over NFS Linux carries these locks to the server; where a file
system knows none at all, NoLocksError says so.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError

NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class NoLocksError(UserError):
    """The file system has no locks."""


class FileLock:
    """A lock on a file, and a note beside it that others may read: who holds it, or held it last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self, note: Mapping[str, Any] | None = None) -> bool:
        """Take the lock and leave the note; False when another process, or another lock here, has it.

        Raises NoLocksError, and OSError when the file cannot be made.
        """
        file = io.FileIO(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+")  # closed in child processes
        try:
            if not (_lock(file, fcntl.LOCK_EX) and is_at(file, self.path)):
                file.close()
                return False
        except BaseException:
            file.close()
            raise
        self._file = file
        if note is not None:
            self.write(note)
        return True

    def write(self, note: Mapping[str, Any]) -> None:
        """Replace the note. The lock has to be held."""
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(note).encode())

    def release(self) -> None:
        """Give the lock back, if it is held; the note stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock on that file; False where there is no file. Raises NoLocksError."""
    try:
        with path.open("rb", buffering=0) as file:
            return not _lock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def read_note(path: Path) -> dict[str, Any]:
    """The note on that file; empty where there is none, or none that is whole."""
    try:
        note = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _lock(file: io.FileIO, kind: int) -> bool:
    """Try to lock an open file; it stays so until the file is closed."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise NoLocksError(
                f"the file system of {file.name} has no file locks ({error.strerror}); give an "
                "--output_dir on another one, such as a local disk"
            ) from error
        raise
    return True


def is_at(file: io.FileIO, path: Path) -> bool:
    """Whether the open file is still the one at that path: it may have been removed meanwhile."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
