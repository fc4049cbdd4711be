"""Who may write a run folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from recursivemas.errors import UserError
from recursivemas.files import locks
from recursivemas.files.locks import FileLock, is_held, read_note
from recursivemas.runs import lock as run_lock
from recursivemas.runs.lock import RunLock
from recursivemas.runs.ranks import Rank

HOLD = """
import sys
from pathlib import Path
from recursivemas.files.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire({"pid": 1})
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(run_lock, "PATIENCE_S", 0.2)
    monkeypatch.setattr(run_lock, "LATEST_START_S", 0.5)


def ranks(count, launch="a"):
    return [Rank(index, count, launch=launch) for index in range(count)]


@pytest.mark.process
def test_a_lock_ends_with_its_process_and_its_note_stays(tmp_path):
    file = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    assert is_held(file)
    assert not FileLock(file).acquire()
    holder.kill()
    holder.communicate()
    assert not is_held(file)
    assert read_note(file) == {"pid": 1}
    heir = FileLock(file)
    assert heir.acquire()
    heir.release()


def test_a_file_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    file = tmp_path / "lock"
    first, second = FileLock(file), FileLock(file)
    assert first.acquire()
    file.unlink()
    assert second.acquire({"who": "second"})
    assert not FileLock(file).acquire()
    assert read_note(file) == {"who": "second"}
    first.release()
    second.release()
    monkeypatch.setattr(locks, "is_at", lambda *_: False)
    assert not FileLock(tmp_path / "other").acquire()


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path):
    with RunLock(tmp_path, Rank()):
        with pytest.raises(UserError, match=f"being written by another process .*pid {os.getpid()} on "):
            RunLock(tmp_path, Rank()).__enter__()
        (tmp_path / "config.json").write_text("{}")
    with RunLock(tmp_path, Rank()):
        pass


def test_a_process_that_outlives_its_first_one_keeps_the_folder(tmp_path):
    first, second = ranks(2)
    (tmp_path / "config.json").write_text("{}")
    with RunLock(tmp_path, first):
        survivor = RunLock(tmp_path, second).__enter__()
    with pytest.raises(UserError, match=r"process 1 of a run"):
        RunLock(tmp_path, Rank()).__enter__()
    survivor.__exit__()
    with RunLock(tmp_path, Rank()):
        pass


def test_a_folder_without_a_run_goes_again(tmp_path):
    with RunLock(tmp_path / "new" / "run", Rank()):
        assert (tmp_path / "new" / "run").exists()
    assert not (tmp_path / "new" / "run").exists()
    (tmp_path / "notes.txt").write_text("mine")
    with RunLock(tmp_path, Rank()):
        pass
    assert {file.name for file in tmp_path.iterdir()} == {"new", "notes.txt"}


def test_others_wait_until_the_first_lets_them_in(tmp_path):
    first, second, _ = ranks(3)
    entered = []

    def come():
        with RunLock(tmp_path, second) as lock:
            entered.append(lock.wait_until_open())

    with RunLock(tmp_path, first) as lock:
        other = threading.Thread(target=come)
        other.start()
        while not is_held(tmp_path / ".locks" / "process-1.lock"):
            time.sleep(0.01)
        assert entered == []
        assert lock.let_others_in() == [2]
        other.join()
    assert entered == [True]


def test_a_note_that_is_just_being_written_ends_nothing(tmp_path, monkeypatch):
    first, second = ranks(2)
    unfinished = [{}, {}]
    with RunLock(tmp_path, first) as lock, RunLock(tmp_path, second) as other:
        lock.let_others_in()
        monkeypatch.setattr(
            run_lock, "read_note", lambda path: unfinished.pop() if unfinished else read_note(path)
        )
        assert other.wait_until_open()
    assert unfinished == []


def test_who_comes_after_all_is_done_is_told(tmp_path):
    first, second = ranks(2)
    (tmp_path / "config.json").write_text("{}")
    with RunLock(tmp_path, first) as lock:
        lock.finish()
    with RunLock(tmp_path, second) as late:
        assert late.wait_until_open() is False


def test_the_first_process_of_another_launch_is_not_ours(tmp_path):
    with (
        RunLock(tmp_path, ranks(2, "theirs")[0]),
        pytest.raises(UserError, match="has not come to"),
    ):
        RunLock(tmp_path, ranks(2, "ours")[1]).__enter__()


def test_a_first_process_that_ends_before_it_is_ready_is_reported(tmp_path):
    first, second = ranks(2)
    (tmp_path / "config.json").write_text("{}")
    with RunLock(tmp_path, first):
        other = RunLock(tmp_path, second).__enter__()
    with pytest.raises(UserError, match="the first process of this run has ended"):
        other.wait_until_open()
    other.__exit__()


def test_without_locks_one_process_is_warned_and_several_are_refused(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with RunLock(tmp_path, Rank()) as lock:
        lock.finish()
    assert "has no file locks (No locks available)" in caplog.text
    with pytest.raises(UserError, match="has no file locks"):
        RunLock(tmp_path, ranks(2)[0]).__enter__()
