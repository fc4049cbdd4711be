"""What training does to links, and leaves alone."""

from __future__ import annotations

import logging

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.benchmarks.base import DatasetError
from recursivemas.errors import UserError
from recursivemas.training import InnerSettings, OuterSettings, as_training_rows, train_inner, train_outer
from recursivemas.training.inner import find_pair_places
from recursivemas.training.learners import InnerLearner, OuterLearner
from recursivemas.training.lessons import LessonWriter, teach
from recursivemas.training.loop import Steps
from recursivemas.training.metrics import make_accelerator
from recursivemas.training.outer import MessageSettings, Reading, RowNotes
from recursivemas.training.train import learning
from tests.support.pupils import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.process]  # loading a system tries out its chat templates

FEW = {"log_every": 1, "warmup_steps": 0}


@pytest.fixture
def system(toy_release):
    with load_mas_system("sequential_light", device="cpu", release=toy_release) as loaded:
        yield loaded


@pytest.fixture
def rows(system):
    return as_training_rows(system.graph, ROWS)


def weights_of(system):
    """Everything but the outer links, byte by byte."""
    models = [value for agent in system.agents.values() for value in agent.model.state_dict().values()]
    inner = [value for agent in system.agents.values() for value in agent.inner_link.state_dict().values()]
    return [value.clone() for value in (*models, *inner)]


def test_an_inner_link_learns_and_nothing_else_changes(system, rows):
    before = {role: agent.inner_link for role, agent in system.agents.items()}
    models = [value.clone() for value in system.agents["critic"].model.state_dict().values()]
    trained = train_inner(
        system, "critic", rows, InnerSettings(max_steps=30, batch_size=3, adapter_lr=5e-3, **FEW)
    )
    assert trained.losses[-1] < 0.5 * trained.losses[0]
    assert system.agents["critic"].inner_link is not before["critic"]
    assert system.agents["planner"].inner_link is before["planner"]
    assert all(map(torch.equal, models, system.agents["critic"].model.state_dict().values()))
    assert not any(one.requires_grad for one in system.agents["critic"].inner_link.parameters())


@pytest.mark.parametrize("messages", ["teacher", "rollout"])
def test_outer_links_learn_and_nothing_else_changes(system, rows, messages):
    before = weights_of(system)
    settings = OuterSettings(
        max_steps=6,
        batch_size=3,
        messages=messages,
        latent_length=3,
        num_recursive_rounds=2,
        outer_lr=2e-3,
        **FEW,
    )
    trained = train_outer(system, rows, settings)
    assert trained.losses[-1] < trained.losses[0]
    assert all(map(torch.equal, before, weights_of(system)))


def test_gradients_reach_the_first_rounds_links(system, rows):
    trained = train_outer(system, rows, OuterSettings(max_steps=1, batch_size=3, **FEW))
    norms = trained.records[0].norms
    links = ["outer_12", "outer_23", "outer_31"]
    watched = {f"{link}/r{number}" for link in links for number in (1, 2, 3)} - {"outer_31/r3"}
    assert set(norms) == {*links, *watched}
    assert all(norm > 0 for norm in norms.values())
    once = train_outer(system, rows, OuterSettings(max_steps=1, batch_size=3, num_recursive_rounds=2, **FEW))
    norms = once.records[0].norms  # in two rounds feedback is given once
    assert norms["outer_31/r1"] == pytest.approx(norms["outer_31"])


def test_watching_rounds_changes_no_gradient_and_the_rounds_add_up(system, rows):
    learner = OuterLearner(system, OuterSettings(num_recursive_rounds=2))
    found = []
    with learning(learner.links.values()):
        for watched in (False, True):
            for link in learner.links.values():
                link.zero_grad()
            learner.read(rows, watched=watched).total.backward()
            found.append(learner.links["outer_12"].proj1.weight.grad.clone())
    parted = learner.parted_gradients()
    total = parted["outer_12/r1"]["proj1.weight"] + parted["outer_12/r2"]["proj1.weight"]
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(total, found[0])


def test_the_span_holds_what_closes_the_turn_and_begins_where_the_prompt_ends(system, rows):
    writer = LessonWriter(system.graph, system.agents, system.prompts)
    lesson = writer.with_texts(rows[:1], "solver")[0]
    agent = system.agents["solver"]
    taught = teach(backbone(agent), lesson, lesson.full, {})
    said = agent.tokenizer.decode(taught.ids[taught.start :])
    assert said == "12 + 30 is \\boxed{42}.<|im_end|>\n"
    pairs = find_pair_places(taught, lesson, 10_000)
    assert (pairs.start, pairs.stop) == (taught.start - 1, taught.end - 1)


def backbone(agent):
    from recursivemas.engine.backbone import Backbone

    return Backbone(agent.model)


def test_a_cue_is_read_and_not_learnt(system):
    answer = "6 * 7 is 42."
    rows = as_training_rows(
        system.graph,
        [
            {**ROWS[0], "id": "cue", "answer": f"{answer}\n#### 42"},
            {**ROWS[0], "id": "plain", "answer": answer},
        ],
    )
    learner = InnerLearner(system, "solver", InnerSettings())
    told, plain = (learner.pairs([row]) for row in rows)
    decode = system.agents["solver"].tokenizer.decode
    assert decode(plain.next_ids) == f"{answer}<|im_end|>\n"
    assert decode(told.next_ids).rstrip() == answer  # a token may hold the end of the line as well
    assert decode(learner._writer.with_texts(rows[:1], "solver")[0].full.segments[0]).endswith(
        f"{answer}\nFinal Answer: \\boxed{{42}}<|im_end|>\n"
    )


def test_a_cut_on_the_right_shortens_the_span_and_a_long_prompt_leaves_no_room(system, rows, caplog):
    learner = InnerLearner(system, "planner", InnerSettings())
    whole = len(learner.pairs(rows[:1]))
    lesson = LessonWriter(system.graph, system.agents, system.prompts).with_texts(rows[:1], "planner")[0]
    length = lesson.full.num_text_tokens
    cut = InnerLearner(system, "planner", InnerSettings(max_length=length - 3))
    assert len(cut.pairs(rows[:1])) == whole - 3
    assert not len(cut.skipped)
    assert cut.cut.describe() == f"1 with a target cut to max_length {length - 3} (row sum)"
    assert not len(learner.cut)
    short = InnerLearner(system, "planner", InnerSettings(max_length=length - whole))
    assert short.pairs(rows[:1]) is None
    assert "a prompt that leaves no room for its target" in short.skipped.describe()
    assert "(row sum)" in short.skipped.describe()


@pytest.mark.parametrize("init", ["random", "ridge"])
def test_rows_that_are_all_too_long_are_an_error(system, rows, init):
    inner = InnerSettings(max_steps=2, batch_size=2, max_length=8, init=init)
    with pytest.raises(DatasetError, match=r"row: 3 with a prompt|room for its target in max_length 8"):
        train_inner(system, "planner", rows, inner)
    with pytest.raises(DatasetError, match=r"max_length 3"):
        train_outer(system, rows, OuterSettings(max_steps=2, max_length=3, init=init))


def test_a_cut_on_the_left_keeps_the_span_until_no_prompt_is_left(system, rows):
    settings = {"num_recursive_rounds": 1}
    learner = OuterLearner(system, OuterSettings(**settings))
    _, lessons = learner.lessons(rows[:1])
    losses, channel = learner.answer_losses(lessons)
    assert losses.by_round[1].isfinite().all()
    assert not channel.notes.cut
    longest = max(one.full.num_text_tokens for one in lessons[0].values())
    cut = OuterLearner(system, OuterSettings(max_length=longest - 2, **settings))
    _, channel = cut.answer_losses(lessons)
    assert channel.notes.cut == {0}
    assert cut.read(rows[:1], watched=False).count == 1
    assert cut.cut.describe() == f"1 with a conversation cut to max_length {longest - 2} (row sum)"
    tiny = OuterLearner(system, OuterSettings(max_length=3, **settings))
    assert tiny.read(rows[:1], watched=False) is None
    assert "leaves no room for its prompt in max_length 3 (row sum)" in tiny.skipped.describe()


def test_a_prompt_that_is_cut_ahead_of_a_rollout_is_noted(system, rows):
    _, lessons = OuterLearner(system, OuterSettings(messages="rollout")).lessons(rows[:1])
    lesson = lessons[0]["planner", False]
    for shorter, noted in ((0, set()), (2, {0})):
        settings = MessageSettings(max_length=lesson.prompt.num_text_tokens - shorter)
        reading = Reading(backbone(system.agents["planner"]), [lesson], {}, settings, RowNotes())
        assert len(reading.prompts[0]) == settings.max_length
        assert reading.notes.cut == noted


def test_links_that_are_no_longer_finite_end_a_training(system, rows, tmp_path, monkeypatch):
    def overflow(optimizer):
        optimizer.param_groups[0]["params"][-1].data.fill_(torch.inf)

    monkeypatch.setattr(torch.optim.AdamW, "step", overflow)
    settings = InnerSettings(max_steps=2, batch_size=3, **FEW)
    with pytest.raises(UserError, match="step 1: the links are no longer finite; give a lower learning rate"):
        train_inner(system, "critic", rows, settings, save_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_training_that_learns_nothing_any_more_ends(system, rows, monkeypatch):
    """Links so large that no loss is finite may be finite themselves."""
    real, read = OuterLearner.answer_losses, []

    def overflow(self, lessons, *, watched=False):
        losses, channel = real(self, lessons, watched=watched)
        read.append(len(lessons))
        if len(read) > 2:
            losses.by_round[1][:] = torch.inf
        return losses, channel

    monkeypatch.setattr(OuterLearner, "answer_losses", overflow)
    settings = OuterSettings(max_steps=9, batch_size=3, num_recursive_rounds=1, **FEW)
    with pytest.raises(UserError, match="step 5: for 3 steps no row's loss has been finite"):
        train_outer(system, rows, settings)
    assert len(read) == 5


def test_a_gradient_that_is_not_finite_spoils_no_link(system, rows):
    settings = InnerSettings(max_steps=2, batch_size=3, adapter_mse_weight=1e38, **FEW)
    with pytest.raises(UserError, match="step 1: the gradient is not finite"):
        train_inner(system, "planner", rows, settings)
    assert all(one.isfinite().all() for one in system.agents["planner"].inner_link.parameters())


def test_a_rows_loss_that_is_not_finite_leaves_the_others_gradients_as_if_it_were_not_there(
    system, rows, monkeypatch
):
    learner = OuterLearner(system, OuterSettings(num_recursive_rounds=1))
    real = OuterLearner.answer_losses

    def spoiled(self, lessons, *, watched=False):
        losses, channel = real(self, lessons, watched=watched)
        texts = [one.full.text for lesson in lessons for one in lesson.values()]
        for row, lesson in enumerate(lessons):
            if any("odd numbers" in one.full.text for one in lesson.values()):
                losses.by_round[1][row] = float("nan")
        assert texts
        return losses, channel

    monkeypatch.setattr(OuterLearner, "answer_losses", spoiled)
    with learning(learner.links.values()):
        outcome = learner.read(rows, watched=False)
        outcome.total.backward()
        with_bad = learner.links["outer_12"].proj1.weight.grad.clone()
        learner.links["outer_12"].zero_grad()
        learner.read(rows[:2], watched=False).total.backward()
    assert outcome.count == 2
    assert torch.equal(with_bad, learner.links["outer_12"].proj1.weight.grad)
    assert "1 with a loss that is not finite (row odd)" in learner.skipped.describe()


def test_skipped_rows_rescale_the_others(system, rows):
    """A step's gradient is the mean over the rows that count."""
    bad = as_training_rows(
        system.graph, [{**ROWS[0], "id": "bad", "answer": " ".join(str(7919 * i) for i in range(400))}]
    )
    settings = OuterSettings(
        max_steps=1, num_recursive_rounds=1, batch_size=3, max_length=900, outer_lr=0, **FEW
    )
    gradients = []
    for chosen, size in ((rows[:2], 2), ([*rows[:2], *bad], 3)):
        learner = OuterLearner(system, OuterSettings(**{**vars(settings), "batch_size": size}))
        with learning(learner.links.values()):
            record = Steps(learner, chosen, learner.settings, make_accelerator(settings, None)).take(0)
        gradients.append({name: link.proj1.weight.grad for name, link in learner.links.items()})
        assert record.loss > 0
    assert "row bad" in learner.skipped.describe()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


def test_final_only_reads_the_last_round_and_weighted_all_of_them(system, rows):
    _, lessons = OuterLearner(system, OuterSettings()).lessons(rows[:2])
    final, _ = OuterLearner(system, OuterSettings()).answer_losses(lessons)
    every, _ = OuterLearner(system, OuterSettings(supervise_final_only=False)).answer_losses(lessons)
    assert set(final.by_round) == {3}
    assert set(every.by_round) == {1, 2, 3}
    torch.testing.assert_close(final.combine(0.1), every.by_round[3])
    mean = (every.by_round[1] + every.by_round[2]) / 2
    torch.testing.assert_close(every.combine(0.1), every.by_round[3] + 0.1 * mean)


def test_a_rollouts_messages_are_those_of_inference(system, rows):
    settings = OuterSettings(messages="rollout", latent_length=4, num_recursive_rounds=1)
    learner = OuterLearner(system, settings)
    seen = {}
    carry = learner._carry
    learner._carry = lambda turn, link, thought: seen.setdefault(str(link), carry(turn, link, thought))
    _, lessons = learner.lessons(rows[:1])
    with learning(learner.links.values()):
        learner.answer_losses(lessons)
    solved = system.solve(
        rows[0].question, num_rounds=1, latent_length=4, max_new_tokens=1, save_latents=True, greedy=True
    )[0]
    for name in ("planner->critic", "critic->solver"):
        torch.testing.assert_close(seen[name].detach(), solved.messages[f"r1/{name}"], rtol=1e-4, atol=1e-4)


def test_rollouts_need_no_texts_but_the_answers(system):
    rows = as_training_rows(
        system.graph, [{"question": row["question"], "answer": row["answer"]} for row in ROWS]
    )
    settings = OuterSettings(max_steps=1, messages="rollout", latent_length=2, num_recursive_rounds=2, **FEW)
    assert len(train_outer(system, rows, settings).losses) == 1


def test_a_template_that_opens_turns_in_two_ways_is_told_of(toy_release, caplog):
    with load_mas_system("mixture", device="cpu", release=toy_release) as system:
        rows = as_training_rows(system.graph, ROWS[:1])
        with caplog.at_level(logging.WARNING, logger="recursivemas.training"):
            writer = LessonWriter(system.graph, system.agents, system.prompts)
            for role in (*system.graph.roles, "math"):
                writer.with_texts(rows, role)
    assert caplog.text.count("chat template writes an assistant's turn otherwise") == 1
    assert caplog.text.count("the math's chat template writes an assistant's turn otherwise") == 1
