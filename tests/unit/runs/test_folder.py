"""The run folder: whole batches, torn writes, and folders that are not this run's."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import stat
import tracemalloc

import pytest
import torch

from recursivemas.errors import UserError
from recursivemas.runs.files import CONFIG, SAMPLES, read_config, read_samples
from recursivemas.runs.folder import RunFolder, check_free
from tests.support.run_folders import config_of, sample_of

BATCHES = [[("a", 0), ("b", 0)], [("c", 0), ("d", 0)], [("e", 0)]]
ORDER = [key for batch in BATCHES for key in batch]


def rows(batch):
    return [sample_of(name, rollout, text=f"Ünïcode {name}\u2028") for name, rollout in batch]


def written(path, batches=BATCHES, **files):
    with RunFolder.create(path, config_of(5), ORDER, **files) as folder:
        for batch in batches:
            folder.put(rows(batch), {})
    return (path / SAMPLES).read_bytes()


def test_samples_are_there_as_soon_as_they_are_put(tmp_path):
    with RunFolder.create(tmp_path / "run", {}, ORDER) as folder:
        folder.put(rows(BATCHES[0]), {})
        assert [row.id for row in read_samples(tmp_path / "run")] == ["a", "b"]


def test_a_run_cut_anywhere_resumes_to_the_same_bytes(tmp_path):
    whole = written(tmp_path / "whole")
    path = tmp_path / "cut"
    written(path)
    for cut in range(0, len(whole) + 1, 7):
        (path / SAMPLES).write_bytes(whole[:cut])
        with RunFolder.resume(path, ORDER) as folder:
            for index in folder.pending(BATCHES):
                folder.put(rows(BATCHES[index]), {})
        assert [row.id for row in read_samples(path)] == ["a", "b", "c", "d", "e"]
        assert (path / SAMPLES).read_bytes() == whole


def test_a_copy_is_cut_back_with_the_samples(tmp_path):
    copy = tmp_path / "copy.jsonl"
    whole = written(tmp_path / "run", copy_to=copy)
    assert copy.read_bytes() == whole
    (tmp_path / "run" / SAMPLES).write_bytes(whole[:-5])
    with RunFolder.resume(tmp_path / "run", ORDER, copy) as folder:
        assert list(folder.pending(BATCHES)) == [2]
        folder.put(rows(BATCHES[2]), {})
    assert copy.read_bytes() == whole


def test_samples_finished_in_any_order_end_in_that_of_questions_and_rollouts(tmp_path):
    """Whatever is killed in between: what is there stays, and only the rest is asked for."""
    whole = written(tmp_path / "whole")
    keys = [[key] for key in ORDER]
    for seed in range(10):
        path, copy = tmp_path / f"run{seed}", tmp_path / f"copy{seed}.jsonl"
        with RunFolder.create(path, config_of(5), ORDER, copy) as folder:
            for key in random.Random(seed).sample(ORDER, 3):
                folder.put(rows([key]), {})
        with RunFolder.resume(path, ORDER, copy) as folder:
            assert folder.num_done == 3
            left = list(folder.pending(keys))
            assert len(left) == 2
            for index in reversed(left):
                folder.put(rows(keys[index]), {})
            folder.put_in_order()
        assert (path / SAMPLES).read_bytes() == copy.read_bytes() == whole


def test_a_batch_that_is_run_again_writes_what_was_missing_alone(tmp_path):
    with RunFolder.create(tmp_path, config_of(5), ORDER) as folder:
        folder.put([sample_of("b", text="the first")], {})
        assert list(folder.pending(BATCHES)) == [0, 1, 2]
        folder.put(rows(BATCHES[0]), {})
        assert list(folder.pending(BATCHES)) == [1, 2]
        folder.put(rows([*BATCHES[2], *BATCHES[1]]), {})
        folder.put_in_order()
    assert [sample.id for sample in read_samples(tmp_path)] == ["a", "b", "c", "d", "e"]
    assert read_samples(tmp_path)[1].text == "the first"


def test_other_questions_are_not_resumed(tmp_path):
    written(tmp_path, BATCHES[:1])
    before = (tmp_path / SAMPLES).read_bytes()
    with pytest.raises(UserError, match="holds question 'b', rollout 0, which this run does not have"):
        RunFolder.resume(tmp_path, [("a", 0), ("x", 0)])
    assert (tmp_path / SAMPLES).read_bytes() == before


def test_a_folder_with_a_run_is_not_free(tmp_path):
    check_free(tmp_path)
    written(tmp_path)
    with pytest.raises(UserError, match="already holds a run; give --resume"):
        RunFolder.create(tmp_path, {}, ORDER)


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        read_config(tmp_path)
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        read_config(tmp_path)


def test_the_summary_is_written_whole(tmp_path):
    with RunFolder.create(tmp_path, {}, ()) as folder:
        folder.finish({"value": 0.5})
    assert json.loads((tmp_path / "summary.json").read_text()) == {"value": 0.5}
    assert not list(tmp_path.glob(".*"))


def test_nothing_of_the_samples_stays_in_memory(tmp_path):
    """Ten batches of 2 MB each: what is kept does not grow with them."""
    text = "long " * 400_000
    with RunFolder.create(tmp_path / "run", config_of(10), ()) as folder:
        tracemalloc.start()
        for number in range(10):
            folder.put([sample_of(f"q{number}", text=text)], {})
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize("what", ["removed", "moved", "replaced"])
def test_a_folder_that_goes_is_noticed_at_the_next_batch(what, tmp_path):
    path = tmp_path / "run"
    with RunFolder.create(path, config_of(5), ORDER) as folder:
        folder.put(rows(BATCHES[0]), {})
        path.rename(tmp_path / "elsewhere")
        if what == "removed":
            shutil.rmtree(tmp_path / "elsewhere")
        if what == "replaced":
            written(path)
        with pytest.raises(UserError, match=r"samples.jsonl is gone, or another file"):
            folder.put(rows(BATCHES[1]), {})


def test_latents_on_a_full_disk_are_an_error_with_its_number_and_leave_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    message = {"c": {"r1/planner->critic": torch.ones(2, 3)}}
    with RunFolder.create(tmp_path, config_of(5), ORDER) as folder:
        folder.put(rows(BATCHES[0]), {})
        with monkeypatch.context() as patch:
            patch.setattr("recursivemas.runs.folder.os.fsync", full)
            with pytest.raises(OSError, match="No space left") as raised:
                folder.put(rows(BATCHES[1]), message)
        assert raised.value.errno == errno.ENOSPC
        assert not any((tmp_path / "latents").iterdir())
        assert len(read_samples(tmp_path)) == 2
        folder.put(rows(BATCHES[1]), message)
    assert len(read_samples(tmp_path)) == 4


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_are_as_readable_as_the_umask_says(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        with RunFolder.create(tmp_path, config_of(5), ORDER) as folder:
            folder.put(rows(BATCHES[0]), {"a": {"r1/planner->critic": torch.ones(2, 3)}})
            folder.finish({})
    finally:
        os.umask(before)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    names = {file.name.partition("-")[0] for file in files}
    assert names == {"config.json", "samples.jsonl", "summary.json", "a"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {mode}


def test_half_of_a_surrogate_pair_is_kept(tmp_path):
    with RunFolder.create(tmp_path, config_of(1), ()) as folder:
        folder.put([sample_of("a", text="half: \ud800, whole: \U0001f600")], {})
    (tmp_path / SAMPLES).read_text(encoding="utf-8", errors="strict")
    assert read_samples(tmp_path)[0].text == "half: \ud800, whole: \U0001f600"


def test_the_seconds_of_all_launches_add_up(tmp_path):
    path = tmp_path / "run"
    written(path, BATCHES[:1])
    config = json.loads((path / CONFIG).read_text())
    config["launches"][0]["seconds"] = 100.0
    (path / CONFIG).write_text(json.dumps(config))
    with RunFolder.resume(path, ORDER, num_processes=3) as folder:
        assert 100.0 < folder.seconds < 200.0
        folder.put(rows(BATCHES[1]), {})
        first, second = json.loads((path / CONFIG).read_text())["launches"]
    assert (first["seconds"], first["processes"], second["processes"]) == (100.0, 1, 3)
    assert second["seconds"] > 0
