"""Files that are there whole or not at all, and whether there can be any."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from recursivemas.errors import UserError


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which is in its place once all is written; readable as the user's umask says."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    with written_whole(path) as file:
        file.write(data)


def check_writable(folder: Path, name: str) -> None:
    """Raise UserError where the folder, or one in it, cannot be made; `name` is the setting that gives it."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
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
