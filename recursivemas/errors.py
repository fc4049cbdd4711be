"""The one kind of error that a user can mend."""

from __future__ import annotations

import errno
from pathlib import Path


class UserError(ValueError):
    """Something asked for or given is wrong: the message says what, the value, what is accepted, what to do.

    The command line shows these without a traceback; any other exception is a defect of the library.
    """


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read, and what to do about it."""
    place, reason = error.filename or path, error.strerror or str(error)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"{place} may not be read by this user ({reason}). Nothing is damaged: give permission to read "
            "it, or run as a user who has it"
        )
    if error.errno == errno.ENOENT:
        return f"{place} is not there ({reason}). Is the folder complete? Copy or get it again"
    return f"{place} cannot be read ({reason}). See to the disk that it is on, and run again"
