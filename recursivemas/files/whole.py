"""Files that are there whole or not at all, whether there can be any, and what is said where there cannot."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from recursivemas.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which is in its place once all is written; readable as the user's umask says.

    An OSError names the file that was asked for, not the one beside it that is written first.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # of where nothing can be written, either
            part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    with written_whole(path) as file:
        file.write(data)


@contextmanager
def naming_output(output: Path, other: str = "another -o") -> Iterator[None]:
    """What is done in it writes `output`: an OSError becomes a UserError with its name and why.

    `other` is what to give instead.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = f"{_nearest(Path(error.filename))} is no folder"
        elif error.errno not in FULL and error.filename not in (None, str(output)):
            reason += f": {error.filename}"
        space = "free some space there, or " if error.errno in FULL else ""
        raise UserError(f"{output} could not be written ({reason}); {space}give {other}") from error


def _nearest(path: Path) -> Path:
    """What there is of a path: itself, or the folder or file that it would stand in."""
    return next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))


def check_writable(folder: Path, name: str) -> None:
    """Raise UserError where the folder, or one in it, cannot be made; `name` is the setting that gives it."""
    nearest = _nearest(folder)
    if not nearest.is_dir():
        raise UserError(f"{name} {folder}: {nearest} is no folder; give another --{name}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"{name} {folder}: you may not write in {nearest}; give another --{name}")
    try:  # root may write everywhere by its rights, and still not in /proc
        Path(tempfile.mkdtemp(dir=nearest)).rmdir()
    except OSError as error:
        raise UserError(
            f"{name} {folder}: no folder can be made in {nearest} ({error.strerror}); give another --{name}"
        ) from error
