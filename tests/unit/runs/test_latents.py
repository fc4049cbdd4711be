"""Messages that a run kept: each is read alone, by the question's id and its name."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch

from recursivemas.errors import UserError
from recursivemas.runs.files import read_samples
from recursivemas.runs.latents import read_message, read_messages, save_latents, saved_messages

NAME = "r1/planner->critic"
IDS = ("sum/1", "sum_1", "../up", ".hidden", "", "長い" * 200, "half \ud800", "a b\x1b[2J")


def test_each_message_is_read_back_whatever_its_question_is_called(tmp_path):
    messages = {key: torch.arange(6.0).reshape(2, 3).T + number for number, key in enumerate(IDS)}
    for key, message in messages.items():
        if key != "half \ud800":  # safetensors' names are UTF-8
            save_latents(tmp_path, key, {NAME: message, "r2/critic->solver": -message})
            assert torch.equal(read_message(tmp_path, key, NAME), message)
            assert torch.equal(read_message(tmp_path, key, "r2/critic->solver"), -message)
    assert len(saved_messages(tmp_path)) == 14
    assert {file.parent for file in tmp_path.rglob("*.safetensors")} == {tmp_path / "latents"}


def test_the_other_questions_files_are_not_even_looked_at(tmp_path):
    save_latents(tmp_path, "b", {NAME: torch.ones(2, 3)})
    (tmp_path / "latents" / "a.safetensors").write_bytes(b"not looked at")
    assert read_message(tmp_path, "b", NAME).shape == (2, 3)
    with pytest.raises(UserError, match=r"a\.safetensors is damaged .*; delete it"):
        saved_messages(tmp_path)


def test_a_run_of_an_older_version_has_a_file_a_batch(tmp_path):
    (tmp_path / "latents").mkdir()
    old = {f"{key}/{NAME}": torch.full((2, 3), float(number)) for number, key in enumerate("abcd")}
    for number in range(2):
        part = dict(list(old.items())[2 * number : 2 * number + 2])
        safetensors.torch.save_file(part, tmp_path / "latents" / f"batch-{number:05d}.safetensors")
    assert read_message(tmp_path, "c", NAME).tolist() == [[2.0] * 3] * 2
    save_latents(tmp_path, "c", {NAME: torch.ones(2, 3)})  # it was resumed by this version
    assert read_message(tmp_path, "c", NAME).tolist() == [[1.0] * 3] * 2
    assert saved_messages(tmp_path) == sorted(old)


def test_what_was_not_kept_is_said_with_what_was(tmp_path):
    with pytest.raises(UserError, match="kept no message 'r1/x->y' of question 'a'; it has none of that"):
        read_message(tmp_path, "a", "r1/x->y")
    save_latents(tmp_path, "a", {NAME: torch.ones(2, 3)})
    with pytest.raises(UserError, match="it has a/r1/planner->critic"):
        read_message(tmp_path, "a", "r1/x->y")


def test_a_folder_may_be_given_as_text_and_has_to_be_there(tmp_path):
    save_latents(tmp_path, "a", {NAME: torch.ones(2, 3)})
    assert read_message(str(tmp_path), "a", NAME).shape == (2, 3)
    assert saved_messages(str(tmp_path)) == [f"a/{NAME}"]
    assert read_samples(str(tmp_path)) == []
    gone = str(tmp_path / "gone")
    for reading in (
        lambda: read_message(gone, "a", NAME),
        lambda: saved_messages(gone),
        lambda: read_samples(gone),
    ):
        with pytest.raises(UserError, match=r"there is no folder .*gone; give that of a run"):
            reading()


def test_without_messages_no_folder_is_made(tmp_path):
    save_latents(tmp_path, "a", {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_all_of_a_question_are_read_without_torch_to_the_last_bit(tmp_path, dtype):
    message = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)
    save_latents(tmp_path, "a/b", {NAME: message, "r2/critic->solver": -message})
    save_latents(tmp_path, "a", {"b/c": message})
    found = read_messages(tmp_path, "a/b")
    assert sorted(found) == [NAME, "r2/critic->solver"]
    assert torch.equal(torch.from_numpy(found[NAME]), message.double())
    assert read_messages(tmp_path, "none") == {}


def test_all_of_a_question_are_found_in_a_run_of_an_older_version(tmp_path):
    (tmp_path / "latents").mkdir()
    for key in "ab":
        file = tmp_path / "latents" / f"batch-0000{int(key == 'b')}.safetensors"
        safetensors.torch.save_file({f"{key}/{NAME}": torch.ones(2, 3)}, file)
    assert list(read_messages(tmp_path, "b")) == [NAME]
    for damaged in ({f"b/{NAME}": torch.ones(2, 3, dtype=torch.int64)}, None):
        if damaged:
            safetensors.torch.save_file(damaged, file)
        else:
            file.write_bytes(b"x")
        with pytest.raises(UserError, match=r"batch-00001\.safetensors is damaged .*; delete it"):
            read_messages(tmp_path, "b")
