"""Who may write a run folder: one process, or the processes of one launch.

Each process holds a lock in `.locks/` for as long as it lives. The first one's says by its note how far it
has come, so that the others, who start at the same time, know when the folder is theirs to work in.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from recursivemas.errors import UserError
from recursivemas.files.locks import FileLock, NoLocksError, is_held, read_note
from recursivemas.runs.files import CONFIG
from recursivemas.runs.ranks import Rank

logger = logging.getLogger(__name__)

LOCKS = ".locks"
POLL_S = 0.1
PATIENCE_S = 2.0
"""How long a lock is tried for: whoever only looks whether it is held, holds it for a moment."""
LATEST_START_S = 300.0
"""How long a process waits for the first one of its launch to come."""

OPENING, OPEN, FINISHED = "opening", "open", "finished"
"""How far the first process has come: still loading; others may work; nothing is left to do."""


class RunLock:
    """This process's hold on a run folder, as long as the context lasts.

    Entering it raises UserError when other processes write the folder, or when the first process of the same
    launch ends, or does not come, before it holds the folder. A folder that is left without a run goes again.
    """

    def __init__(self, path: Path, rank: Rank) -> None:
        self.path = path
        self.rank = rank
        self._locks = path / LOCKS
        self._lock = FileLock(self._of(rank.index))
        self._note = {**rank.describe(), "since": datetime.now(UTC).isoformat(timespec="seconds")}

    def __enter__(self) -> RunLock:
        if self.rank.is_first:
            self._locks.mkdir(parents=True, exist_ok=True)
            self._tried(self._take_folder)
        elif self._first_has_come():
            self._tried(self._take_place)
        return self

    def __exit__(self, *_: object) -> None:
        if self.rank.is_first and not (self.path / CONFIG).exists():
            with suppress(OSError):
                shutil.rmtree(self._locks)
                self.path.rmdir()  # unless something else is in it
        self._lock.release()

    def let_others_in(self) -> list[int]:
        """Tell the other processes that the folder is ready; returns those of them that have not come yet."""
        self._lock.write({**self._note, "state": OPEN})
        others = range(1, self.rank.count)
        return [index for index in others if not is_held(self._of(index))]

    def wait_until_open(self) -> bool:
        """Wait for the first process to have the folder ready; False when all is done already.

        Raises UserError when that process ends before.
        """
        while True:
            note, alive = read_note(self._of(0)), is_held(self._of(0))
            ours = note.get("launch") == self.rank.launch
            if ours and note.get("state") == FINISHED:
                return False
            is_being_written = not note
            if not (alive and (ours or is_being_written)):
                raise UserError("the first process of this run has ended; what it says tells why")
            if note.get("state") == OPEN:
                return True
            time.sleep(POLL_S)

    def finish(self) -> None:
        """Tell processes that are still to come that nothing is left to do."""
        if self._lock.is_held:
            self._lock.write({**self._note, "state": FINISHED})

    def _take_folder(self) -> str | None:
        """Take the first process's lock; who is in the way, if anybody is."""
        try:
            if not self._lock.acquire({**self._note, "state": OPENING}):
                return _busy(self._lock.path)
            for path in self._locks.glob("process-*.lock"):
                if path != self._lock.path and is_held(path):  # a process of an earlier launch lives on
                    self._lock.release()
                    return _busy(path)
        except NoLocksError as error:
            if self.rank.count > 1:
                raise
            logger.warning("%s. Until then, see to it that no two runs write %s", error, self.path)
        return None

    def _take_place(self) -> str | None:
        """Take this process's own lock; who is in the way, if anybody is."""
        return None if self._lock.acquire(self._note) else _busy(self._lock.path)

    def _tried(self, take: Callable[[], str | None]) -> None:
        """Do that until it finds nobody in the way; UserError when somebody stays there."""
        deadline = time.monotonic() + PATIENCE_S
        while hindrance := take():
            if time.monotonic() > deadline:
                raise UserError(hindrance)
            time.sleep(POLL_S)

    def _first_has_come(self) -> bool:
        """Wait until this launch's first process holds the folder; False when it has finished already."""
        deadline = time.monotonic() + LATEST_START_S
        while time.monotonic() < deadline:
            note = read_note(self._of(0))
            if note.get("launch") == self.rank.launch:
                if is_held(self._of(0)):
                    return True
                if note.get("state") == FINISHED:
                    return False
            time.sleep(POLL_S)
        raise UserError(
            f"the first process of this run has not come to {self.path} within {LATEST_START_S:.0f} s; "
            "do all processes see the same folder?"
        )

    def _of(self, index: int) -> Path:
        return self._locks / f"process-{index}.lock"


def is_written(path: Path) -> bool:
    """Whether a process writes the run in that folder just now."""
    return any(is_held(lock) for lock in (path / LOCKS).glob("process-*.lock"))


def _busy(path: Path) -> str:
    """Who holds that lock, as an error's text."""
    note = read_note(path)
    return (
        f"{path.parents[1]} is being written by another process (process {note.get('process')} of a run, pid "
        f"{note.get('pid')} on {note.get('host')}, since {note.get('since')}); wait until it has ended, end "
        "it, or give another --output_dir"
    )
