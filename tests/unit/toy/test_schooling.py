"""Teaching an agent: what is learnt of a turn, how inputs are blurred, and that it learns."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch.nn.functional import cross_entropy

from recursivemas.prompts import load_pack
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.toy.agents import make_agent, toy_agents
from recursivemas.toy.lessons import TurnMaker
from recursivemas.toy.schooling import LessonWriter, Schooling, blur, share_right, summed_loss, teach_agent
from recursivemas.toy.train import PACK

pytestmark = pytest.mark.process  # rendering tries templates out in one

STYLE = PUBLISHED_STYLES["deliberation"]
SHARP = Schooling(slot_blur=0.0, reply_blur=0.0)
TINY = Schooling(num_steps=12, turns_per_step=4, drills_per_step=2, warmup_steps=2)


@pytest.fixture(scope="module")
def agent():
    """A Llama in two layers, with its tokenizer."""
    family = toy_agents("sequential_light")["critic"].family
    model, tokenizer = make_agent(family, 32, load_pack(PACK), seed=0)
    model.model.layers = model.model.layers[:2]
    model.config.num_hidden_layers = 2
    return model, tokenizer


def writer(style, role, tokenizer, how=SHARP):
    return LessonWriter(style, role, tokenizer, load_pack(PACK), how)


def test_what_the_agent_says_is_learnt_and_nothing_that_it_reads(agent):
    _, tokenizer = agent
    turn = TurnMaker(STYLE, "toolcaller").random_turn(Random(0))
    lesson = writer(STYLE, "toolcaller", tokenizer).write(turn, Random(0))
    learnt = [id_ for id_, learned in zip(lesson.ids, lesson.learned, strict=True) if learned]
    said = "".join(passage.text for passage in turn.reply if passage.learned)
    end = tokenizer.eos_token
    assert tokenizer.decode(learnt).rstrip().replace(end, "").rstrip() == said
    assert end in tokenizer.decode(learnt)
    assert "Query" in tokenizer.decode(lesson.ids)
    assert "Query" not in tokenizer.decode(learnt)


def test_messages_are_whole_or_of_a_rollouts_length(agent):
    _, tokenizer = agent
    style = PUBLISHED_STYLES["sequential_light"]
    turn = TurnMaker(style, "critic").random_turn(Random(1))
    message = turn.messages["plan"]
    seen = {
        tokenizer.decode(writer(style, "critic", tokenizer).write(turn, Random(seed)).ids)
        .split("Report:\n")[1]
        .split("\nGo on.")[0]
        for seed in range(40)
    }
    assert message in seen
    assert len(seen) > 3
    assert all(text.startswith(message) for text in seen)  # 15 tokens, which is the shortest rollout


def test_the_loss_is_the_plain_cross_entropy_where_nothing_is_blurred(agent):
    model, tokenizer = agent
    maker, write = TurnMaker(STYLE, "reflector"), writer(STYLE, "reflector", tokenizer).write
    lessons = [write(maker.random_turn(Random(seed)), Random(seed)) for seed in range(3)]
    with torch.no_grad():
        together = summed_loss(model, lessons, torch.Generator().manual_seed(0))
        apart = 0.0
        for lesson in lessons:
            logits = model(torch.tensor([lesson.ids])).logits[0]
            for place in range(1, len(lesson.ids)):
                if lesson.learned[place]:
                    apart += cross_entropy(logits[place - 1], torch.tensor(lesson.ids[place]))
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_only_what_may_be_blurred_is_and_a_row_as_a_whole(agent):
    model, _ = agent
    embedding = model.get_input_embeddings()
    ids = torch.arange(40).reshape(2, 20)
    largest = torch.zeros(2, 20)
    largest[:, 10:] = 0.5
    with torch.no_grad():
        blurred = blur(embedding, ids, largest, torch.Generator().manual_seed(3)) - embedding(ids)
    assert torch.equal(blurred[:, :10], torch.zeros_like(blurred[:, :10]))
    assert (blurred[:, 10:].abs().amax(dim=-1) > 0).all()
    spread = blurred[:, 10:].std(dim=(1, 2))
    assert abs(spread[0] - spread[1]) > 0.05 * spread.mean()


def test_it_learns_and_the_same_seed_learns_the_same(agent):
    style = PUBLISHED_STYLES["sequential_light"]
    family = toy_agents("sequential_light")["solver"].family

    def taught(seed: int):
        model, tokenizer = make_agent(family, 32, load_pack(PACK), seed=0)
        how = Schooling(**{**vars(TINY), "seed": seed})
        losses = teach_agent(model, tokenizer, style, "solver", load_pack(PACK), how)
        return losses, model, tokenizer

    losses, model, tokenizer = taught(0)
    again, *_ = taught(0)
    other, *_ = taught(1)
    assert losses[-1] < 0.8 * losses[0]
    assert losses == again
    assert losses != other
    turns = [TurnMaker(style, "solver").random_turn(Random(5))]
    assert share_right(model, turns, writer(style, "solver", tokenizer)) == 0.0


def test_blurred_words_are_drawn_to_others(agent):
    model, _ = agent
    embedding = model.get_input_embeddings()
    ids = torch.randint(0, 400, (64, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = embedding(ids)
        moved = blur(embedding, ids, torch.full(ids.shape, 0.5), torch.Generator().manual_seed(1)) - own
        towards = embedding(ids.unique()).mean(dim=0) - own
    share = (moved * towards).sum() / towards.square().sum()
    assert 0.08 < share < 0.17  # half of the largest blur at most, so an eighth on average
