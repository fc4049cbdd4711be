"""What a training leaves on disk, and that one which was broken off ends as one that was not."""

from __future__ import annotations

import copy
import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.benchmarks.base import DatasetError
from recursivemas.errors import UserError
from recursivemas.training import InnerSettings, OuterSettings, as_training_rows, train_inner, train_outer
from recursivemas.training.learners import InnerLearner
from recursivemas.training.loop import Order, Steps
from recursivemas.training.train import hold_out, learning
from tests.support.pupils import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.process]  # loading a system tries out its chat templates

INNER = InnerSettings(max_steps=6, batch_size=2, save_steps=2, log_every=1, warmup_steps=2)
OUTER = OuterSettings(
    max_steps=5,
    num_recursive_rounds=1,
    save_steps=2,
    log_every=2,
    warmup_steps=1,
    messages="rollout",
    latent_length=2,
)


@pytest.fixture
def system(toy_release):
    with load_mas_system("sequential_light", device="cpu", release=toy_release) as loaded:
        yield loaded


@pytest.fixture
def rows(system):
    return as_training_rows(
        system.graph, [{**row, "id": f"{row['id']}-{n}"} for n in range(3) for row in ROWS]
    )


class BrokenOffError(Exception):
    pass


def break_off(monkeypatch, step):
    take = Steps.take

    def broken(self, number, *, watched=False):
        if number == step:
            raise BrokenOffError
        return take(self, number, watched=watched)

    monkeypatch.setattr(Steps, "take", broken)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".pt", ".json")}


def lines_without_times(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    changing = ("tokens_per_second", "peak_memory_bytes")
    return [{name: value for name, value in line.items() if name not in changing} for line in lines]


@pytest.mark.parametrize("kind", ["inner", "outer"])
@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_training_that_was_broken_off_ends_as_one_that_was_not(
    system, rows, tmp_path, monkeypatch, kind, step
):
    def train(place, resume=False):
        if kind == "inner":
            return train_inner(system, "critic", rows, INNER, save_dir=tmp_path / place, resume=resume)
        return train_outer(system, rows, OUTER, save_dir=tmp_path / place, resume=resume)

    train("whole")
    with monkeypatch.context() as patch:
        break_off(patch, step)
        with pytest.raises(BrokenOffError):
            train("broken")
    torch.manual_seed(step)  # nothing hangs on it
    train("broken", resume=True)
    assert files(tmp_path / "broken") == files(tmp_path / "whole")
    assert lines_without_times(tmp_path / "broken") == lines_without_times(tmp_path / "whole")


def test_half_a_checkpoint_is_none(system, rows, tmp_path):
    train_inner(system, "critic", rows, INNER, save_dir=tmp_path)
    for name in ("checkpoint-8", ".checkpoint-10.partial"):
        (tmp_path / name).mkdir()
    trained = train_inner(system, "critic", rows, INNER, save_dir=tmp_path, resume=True)
    assert trained.records == []


def test_a_copy_of_a_checkpoint_is_none(system, rows, tmp_path):
    settings = replace(INNER, init="ridge", max_steps=2, save_steps=0)
    begun = train_inner(system, "critic", rows, settings)
    copied = tmp_path / "checkpoint-2.bak"
    copied.mkdir()
    (copied / "state.pt").touch()
    again = train_inner(system, "critic", rows, settings, save_dir=tmp_path, resume=True)
    assert again.losses == begun.losses


def test_a_damaged_checkpoint_is_told_of(system, rows, tmp_path):
    train_inner(system, "critic", rows, INNER, save_dir=tmp_path)
    whole = files(tmp_path)
    newest = tmp_path / "checkpoint-6"
    (newest / "state.pt").write_bytes((newest / "state.pt").read_bytes()[:100])
    with pytest.raises(UserError, match=r"state.pt is damaged; delete .*/checkpoint-6, and --resume goes on"):
        train_inner(system, "critic", rows, INNER, save_dir=tmp_path, resume=True)
    shutil.rmtree(newest)
    assert len(train_inner(system, "critic", rows, INNER, save_dir=tmp_path, resume=True).records) == 2
    assert files(tmp_path) == whole


def too_long(rows, places):
    """The same rows; the questions in those places leave no room for a target."""
    question = "Why? " * 2000
    return [
        replace(row, question=replace(row.question, text=question)) if place in places else row
        for place, row in enumerate(rows)
    ]


def test_a_training_that_goes_on_with_rows_too_long_ends_as_the_whole_one(system, rows, tmp_path):
    settings = replace(INNER, max_steps=3)
    rows = too_long(rows, Order(len(rows), 2, settings.seed).rows(2))
    train_inner(system, "critic", rows, settings, save_dir=tmp_path)
    whole = files(tmp_path)
    (tmp_path / "adapter.pt").unlink()
    trained = train_inner(system, "critic", rows, settings, save_dir=tmp_path, resume=True)
    assert trained.records == []
    assert files(tmp_path) == whole


def test_held_out_rows_that_cannot_be_read_have_no_loss(system, rows, tmp_path, caplog):
    settings = replace(INNER, eval_samples=2, eval_steps=2)
    _, held_out = hold_out(rows, settings)
    rows = too_long(rows, [place for place, row in enumerate(rows) if row in held_out])
    trained = train_inner(system, "critic", rows, settings, save_dir=tmp_path)
    assert trained.best is None
    assert "none of the held-out rows can be read: 2 with a prompt that leaves no room" in caplog.text
    assert not (tmp_path / "best").exists()


def test_each_training_chooses_its_precision(system, rows):
    losses = []
    for precision in ("no", "bf16", "no"):
        settings = replace(INNER, max_steps=1, mixed_precision=precision)
        losses += train_inner(system, "critic", rows, settings).losses
    assert losses[0] == losses[2] != losses[1]


def test_a_folder_is_not_written_over_and_not_gone_on_with_otherwise(system, rows, tmp_path):
    train_inner(system, "critic", rows, INNER, save_dir=tmp_path)
    with pytest.raises(UserError, match="holds a training; give another --save_dir, or --resume"):
        train_inner(system, "critic", rows, INNER, save_dir=tmp_path)
    other = InnerSettings(**{**vars(INNER), "adapter_lr": 1.0})
    with pytest.raises(UserError, match=r"adapter_lr was 0\.0005, now 1\.0; give the same value, or another"):
        train_inner(system, "critic", rows, other, save_dir=tmp_path, resume=True)
    with pytest.raises(UserError, match="num_rows was 9"):
        train_inner(system, "critic", rows[1:], INNER, save_dir=tmp_path, resume=True)
    reworded = [*rows[1:], replace(rows[0], question=replace(rows[0].question, text="Another one?"))]
    with pytest.raises(UserError, match="the rows say something else than before"):
        train_inner(system, "critic", reworded, INNER, save_dir=tmp_path, resume=True)
    quieter = InnerSettings(**{**vars(INNER), "log_every": 3})
    train_inner(system, "critic", rows, quieter, save_dir=tmp_path, resume=True)


def test_outer_links_do_not_go_on_learning_with_other_inner_links(system, rows, tmp_path):
    train_outer(system, rows, OUTER, save_dir=tmp_path)
    critic = system.agents["critic"]
    other = copy.deepcopy(critic.inner_link)
    other.proj1.bias[0] += 1e-4
    system.agents["critic"] = replace(critic, inner_link=other)
    with pytest.raises(UserError, match=r"the critic's inner link has other weights .* critic=FOLDER"):
        train_outer(system, rows, OUTER, save_dir=tmp_path, resume=True)
    system.agents["critic"] = replace(critic, inner_link=copy.deepcopy(critic.inner_link))
    assert train_outer(system, rows, OUTER, save_dir=tmp_path, resume=True).best is None


def test_another_number_of_processes_does_not_go_on(system, rows, tmp_path):
    train_inner(system, "critic", rows, INNER, save_dir=tmp_path)
    arguments = tmp_path / "train_args.json"
    arguments.write_text(json.dumps({**json.loads(arguments.read_text()), "num_processes": 2}))
    with pytest.raises(UserError, match="2 processes shared the training, now 1; start 2 again, or another"):
        train_inner(system, "critic", rows, INNER, save_dir=tmp_path, resume=True)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_record_is_told_of(system, rows, tmp_path, text):
    (tmp_path / "train_args.json").write_text(text)
    with pytest.raises(UserError, match=r"train_args.json is damaged .*; take another --save_dir"):
        train_inner(system, "critic", rows, INNER, save_dir=tmp_path, resume=True)


@pytest.mark.parametrize("save_steps", [1, 2])
def test_where_nothing_was_learnt_the_folder_is_free(system, rows, tmp_path, save_steps):
    place = tmp_path / "links"
    evaluated = {"eval_samples": 2, "eval_steps": 1}
    settings = InnerSettings(**{**vars(INNER), "save_steps": save_steps, **evaluated})
    with pytest.raises(DatasetError, match="nothing was learnt from any row"):
        train_inner(system, "critic", rows, replace(settings, max_length=8), save_dir=place)
    assert not place.exists()
    with pytest.raises(UserError, match="the gradient is not finite"):
        train_inner(system, "critic", rows, replace(settings, adapter_mse_weight=1e38), save_dir=place)
    assert not place.exists()
    assert train_inner(system, "critic", rows, settings, save_dir=place).records


def test_a_folder_that_cannot_be_written_is_refused(system, rows, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"save_dir .*/file/links: .*/file is no folder"):
        train_inner(system, "critic", rows, INNER, save_dir=tmp_path / "file" / "links")


def test_the_loader_takes_what_was_saved(system, rows, tmp_path, toy_release):
    settings = OuterSettings(**{**vars(OUTER), "outer_types": ("outer_31=outer_adapter",)})
    train_inner(system, "critic", rows, INNER, save_dir=tmp_path / "critic")
    train_outer(system, rows, settings, save_dir=tmp_path / "outer")
    folders = {"critic": tmp_path / "critic", "outer": tmp_path / "outer"}
    with load_mas_system("sequential_light", device="cpu", release=toy_release, overrides=folders) as loaded:
        pairs = [(loaded.agents["critic"].inner_link, system.agents["critic"].inner_link)]
        pairs += [(loaded.outer_links[place], system.outer_links[place]) for place in system.outer_links]
        for found, trained in pairs:
            assert found.variant == trained.variant
            assert all(map(torch.equal, found.state_dict().values(), trained.state_dict().values()))
        assert loaded.outer_links["solver", "planner"].variant == "outer_adapter"
    told = json.loads((tmp_path / "outer" / "outer_adapter_config.json").read_text())
    assert told["adapter_types"]["solver->planner"] == "outer_adapter"
    assert told["tasks"] == ["math"]
    alike = replace(OUTER, outer_adapter_type="outer_adapter", max_steps=2)
    train_outer(system, rows, alike)
    train_outer(system, rows, replace(OUTER, init="loaded"), save_dir=tmp_path / "further")
    told = json.loads((tmp_path / "further" / "outer_adapter_config.json").read_text())
    assert told["adapter_type"] == "outer_adapter"
    unknown = OuterSettings(**{**vars(OUTER), "outer_types": ("outer_el=outer_adapter",)})
    with pytest.raises(
        UserError, match=r"names 'outer_el', which is no link of .* outer_12, planner->critic"
    ):
        train_outer(system, rows, unknown)


def test_held_out_rows_are_not_learnt_from_and_the_best_links_are_kept(system, rows, tmp_path):
    settings = InnerSettings(**{**vars(INNER), "eval_samples": 4, "eval_steps": 3})
    trained = train_inner(system, "critic", rows, settings, save_dir=tmp_path)
    lines = lines_without_times(tmp_path)
    evaluated = [line for line in lines if "eval/loss" in line]
    assert [line["step"] for line in evaluated] == [3, 6]
    assert json.loads((tmp_path / "train_args.json").read_text())["num_rows"] == 5
    best = min(evaluated, key=lambda line: line["eval/loss"])
    assert json.loads((tmp_path / "best" / "best.json").read_text()) == best == trained.best
    assert (tmp_path / "best" / "adapter.pt").is_file()


def test_outer_links_are_evaluated_by_the_recursion_and_the_grader(system, rows, monkeypatch):
    asked = []
    solve = type(system).solve

    def watched(self, questions, **settings):
        asked.append((questions, settings))
        return solve(self, questions, **settings)

    monkeypatch.setattr(type(system), "solve", watched)
    settings = OuterSettings(
        **{**vars(OUTER), "max_steps": 1, "eval_samples": 3, "eval_steps": 1, "eval_max_new_tokens": 4}
    )
    trained = train_outer(system, rows, settings)
    assert trained.best["eval/accuracy"] == 0
    [(questions, how)] = asked
    assert {question.gold for question in questions} <= {"42", "4", "5"}
    assert (how["num_rounds"], how["latent_length"], how["greedy"]) == (1, 2, True)


def test_an_inner_link_computed_again_has_the_same_gradient_and_keeps_less(system, rows, monkeypatch):
    monkeypatch.setattr("recursivemas.training.inner.PAIRS_AT_ONCE", 7)
    settings = InnerSettings(adapter_relative_weight=1.0)
    system.agents["critic"].inner_link.double()
    gradients, kept = [], []
    for again in (False, True):
        learner = InnerLearner(system, "critic", replace(settings, gradient_checkpointing=again))
        learner.agent.inner_link.zero_grad()
        with learning(learner.links.values()), bytes_kept() as saved:
            learner.read(rows[:3], watched=False).total.backward()
        gradients.append([one.grad.clone() for one in learner.agent.inner_link.parameters()])
        kept.append(sum(saved.values()))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert kept[1] < 0.5 * kept[0]


@contextmanager
def bytes_kept():
    """Fills up with the bytes of each storage that is kept for the way back."""
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield saved


def test_less_memory_may_be_taken_from_a_checkpoint_on(system, rows, tmp_path):
    train_inner(system, "critic", rows, INNER, save_dir=tmp_path)
    again = replace(INNER, gradient_checkpointing=True)
    assert train_inner(system, "critic", rows, again, save_dir=tmp_path, resume=True).records == []


def test_checkpointing_changes_no_gradient(system, rows):
    losses = []
    for wanted in (False, True):
        settings = OuterSettings(
            max_steps=3,
            batch_size=3,
            num_recursive_rounds=2,
            warmup_steps=0,
            gradient_checkpointing=wanted,
            log_every=1,
        )
        trained = train_outer(system, rows, settings)
        losses.append([(record.loss, record.gradient_norm) for record in trained.records])
    assert losses[1] == [pytest.approx(pair, rel=1e-5) for pair in losses[0]]
    modules = [one for agent in system.agents.values() for one in agent.model.modules()]
    assert not any(getattr(one, "gradient_checkpointing", False) for one in modules)
