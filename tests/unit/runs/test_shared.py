"""Several hands in one run folder: who takes what, what is joined, and what an earlier launch left."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from recursivemas.errors import UserError
from recursivemas.files.locks import FileLock
from recursivemas.runs.files import SAMPLES, read_samples
from recursivemas.runs.folder import Journal, RunFolder, to_line
from recursivemas.runs.ranks import Rank
from recursivemas.runs.shared import SHARDS, SharedFolder, gather_shards, iterate_finished
from tests.support.run_folders import config_of, sample_of

ORDER = [(name, rollout) for name in "abcd" for rollout in range(2)]
BATCHES = [ORDER[start : start + 2] for start in range(0, len(ORDER), 2)]


def rows(keys):
    return [sample_of(name, rollout) for name, rollout in keys]


@pytest.fixture
def whole(tmp_path) -> bytes:
    with RunFolder.create(tmp_path / "whole", config_of(4), ORDER) as folder:
        folder.put(rows(ORDER), {})
    return (tmp_path / "whole" / SAMPLES).read_bytes()


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "run", config_of(4), ORDER) as folder:
        yield folder


def test_two_hands_take_turns_and_what_both_finished_ends_in_order(folder, whole):
    (folder.path / SHARDS).mkdir()
    with (
        SharedFolder(folder.path, Rank(0, 2), folder) as first,
        SharedFolder(folder.path, Rank(1, 2)) as second,
    ):
        hands = [first, second, second, first]
        takers = {id(hand): hand.pending(BATCHES) for hand in (first, second)}
        took = []
        for hand in hands:
            took.append(next(takers[id(hand)]))
            hand.put(rows(reversed(BATCHES[took[-1]])), {})
        assert took == [0, 1, 2, 3]
        assert all(list(taker) == [] for taker in takers.values())
        assert first.num_done == second.num_done == 8
        assert len(list(iterate_finished(folder.path))) == 8
        assert first.join() == [4, 4]
        second.put(rows(BATCHES[0]), {})  # it comes too late, and in peace
        assert list(second.pending(BATCHES)) == []
    assert (folder.path / SAMPLES).read_bytes() == whole
    assert not (folder.path / SHARDS).exists()


def test_what_a_dead_process_finished_is_gathered_and_the_rest_of_its_batch_run_again(folder, whole):
    shards = folder.path / SHARDS
    shards.mkdir()
    folder.put(rows([ORDER[1]]), {})
    lines = [to_line(sample) for sample in rows([ORDER[5], ORDER[1]])]
    (shards / "process-1.jsonl").write_bytes(b"".join([*lines, lines[0][:-9]]))
    gather_shards(folder)
    assert not shards.exists()
    assert folder.num_done == 2
    assert list(folder.pending(BATCHES)) == [0, 1, 2, 3]
    for index in folder.pending(BATCHES):
        folder.put(rows(BATCHES[index]), {})
    folder.put_in_order()
    assert (folder.path / SAMPLES).read_bytes() == whole


def test_a_process_that_comes_again_writes_behind_its_last_whole_line(folder):
    (folder.path / SHARDS).mkdir()
    half = to_line(rows(BATCHES[0])[0])[:-9]
    (folder.path / SHARDS / "process-1.jsonl").write_bytes(half)
    with SharedFolder(folder.path, Rank(1, 2)) as again:
        taken = []
        for index in islice(again.pending(BATCHES), len(BATCHES)):
            again.put(rows(BATCHES[index]), {})
            taken.append(index)
    assert taken == [0, 1, 2, 3]
    assert len(list(iterate_finished(folder.path))) == 8


def test_batches_that_an_older_version_left_are_gathered(folder, whole):
    shards = folder.path / SHARDS
    shards.mkdir()
    for index in (2, 0):
        batch = [sample.to_json() for sample in rows(BATCHES[index])]
        shard = {"process": 1, "samples": batch}
        (shards / f"batch-{index:05d}.json").write_text(json.dumps(shard))
    gather_shards(folder)
    assert list(folder.pending(BATCHES)) == [1, 3]
    folder.put(rows([*BATCHES[3], *BATCHES[1]]), {})
    folder.put_in_order()
    assert (folder.path / SAMPLES).read_bytes() == whole


def test_samples_of_other_questions_are_not_gathered(folder):
    (folder.path / SHARDS).mkdir()
    file = folder.path / SHARDS / "process-1.jsonl"
    file.write_bytes(to_line(sample_of("x")))
    with pytest.raises(UserError, match=r"process-1\.jsonl holds question 'x'.* Delete it"):
        gather_shards(folder)
    assert file.exists()
    assert read_samples(folder.path) == []


def test_a_journal_reads_on_and_begins_anew_where_another_file_has_come(tmp_path):
    file, other = tmp_path / "process-1.jsonl", tmp_path / "other"
    journal = Journal(file)
    journal.read_on()
    lines = [to_line(sample) for sample in rows(ORDER[:3])]
    file.write_bytes(lines[0] + lines[1][:-9])
    journal.read_on()
    assert list(journal.places) == ORDER[:1]
    file.write_bytes(lines[0] + lines[1])
    journal.read_on()
    assert journal.places[ORDER[1]] == (len(lines[0]), len(lines[0]) + len(lines[1]))
    other.write_bytes(lines[2] + lines[1] + lines[0])
    other.replace(file)
    journal.read_on()
    assert list(journal.places) == ORDER[2::-1]


def test_a_batch_that_was_finished_before_its_claim_was_had_is_not_run_again(folder, monkeypatch):
    (folder.path / SHARDS).mkdir()
    first, second = SharedFolder(folder.path, Rank(0, 2), folder), SharedFolder(folder.path, Rank(1, 2))
    acquire = FileLock.acquire

    def finished_in_between(lock, note):
        if lock.path.name == "batch-00000.claim":
            first.put(rows(BATCHES[0]), {})
        return acquire(lock, note)

    monkeypatch.setattr(FileLock, "acquire", finished_in_between)
    with first, second:
        assert next(second.pending(BATCHES)) == 1
