"""What is kept of rows that were read stands for reading them anew, on every backbone; less is computed."""

from __future__ import annotations

import random

import pytest
import torch

from recursivemas.engine import (
    Positions,
    PrefixCache,
    SamplingSettings,
    WriteRequest,
    random_stream,
    reuse_prefixes,
)
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_engine, tiny_inner_link, tiny_model
from tests.support.pauses import Scattered, prompts_for, write_rows
from tests.support.sessions import GREEDY
from tests.support.slow import SlowModel, decode_slowly, roll_out_slowly

pytestmark = [pytest.mark.usefixtures("no_grad"), pytest.mark.slow]

ROOM = 1 << 30
INSTRUCTIONS = tuple(range(20, 50))
QUESTIONS = (5, 23, 1, 70, 12)
"""How long they are; one is longer than the linear attention's chunk."""
TAIL = (9, 8, 7)
L = 4
STOP_IDS = set(range(2, 30))
SAMPLED = SamplingSettings(temperature=1.0, repetition_penalty=1.2).resolve(None)


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


def heads() -> list[tuple[int, ...]]:
    chance = random.Random(5)
    return [(*INSTRUCTIONS, *(chance.randrange(60, VOCAB_SIZE) for _ in range(n))) for n in QUESTIONS]


def message(engine, number: int) -> torch.Tensor:
    """Latents [L, D] of about the norm of embeddings."""
    generator = torch.Generator().manual_seed(number)
    hidden = torch.randn(L, engine.hidden_size, generator=generator, dtype=torch.float64)
    return tiny_inner_link(engine)(hidden)


def think_in_rounds(engine, link, rounds=2):
    """Thoughts after the same words with other latents in each round."""
    return [
        engine.open(
            [[head, message(engine, 10 * number + row), TAIL] for row, head in enumerate(heads())]
        ).think(link, 3)
        for number in range(rounds)
    ]


@pytest.mark.parametrize("name", BACKBONES)
def test_what_stands_before_the_first_slot_is_read_once(name):
    engine, model = tiny_engine(name), SlowModel(tiny_model(name))
    link = tiny_inner_link(engine)
    anew = think_in_rounds(engine, link)
    kept = PrefixCache(ROOM)
    with reuse_prefixes([engine], kept):
        reused = think_in_rounds(engine, link)
    for number, (one, other) in enumerate(zip(anew, reused, strict=True)):
        for row, head in enumerate(heads()):
            assert ((one.latents[row] - other.latents[row]).norm() / one.latents[row].norm()) < 1e-9
            prompt = torch.cat([model.embed(head), message(engine, 10 * number + row), model.embed(TAIL)])
            slow = link(roll_out_slowly(model, link, prompt, 3))
            assert ((other.latents[row] - slow).norm() / slow.norm()) < 1e-9
    rest = L + len(TAIL)
    lengths = [len(head) + rest for head in heads()]
    assert [thoughts.read for thoughts in anew] == [tuple(map(Positions, lengths))] * 2
    assert reused[1].read == tuple(Positions(rest, length - rest) for length in lengths)
    assert kept.num_evicted == 0
    assert kept.most_bytes > 0


@pytest.mark.parametrize("name", BACKBONES)
def test_what_all_rows_begin_with_is_read_once_for_all(name):
    """Padding counts here: rows that go on from a common beginning are as long as their own words."""
    engine = tiny_engine(name)
    link, sizes = tiny_inner_link(engine), []
    engine.model.get_decoder().register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(kwargs["inputs_embeds"].shape[:2].numel()), with_kwargs=True
    )
    with reuse_prefixes([engine], PrefixCache(ROOM)):
        engine.open([[head] for head in heads()]).think(link, 1)
    apart, longest = sum(QUESTIONS), max(QUESTIONS) * len(QUESTIONS)
    assert sizes[0] == len(INSTRUCTIONS)
    assert sum(sizes[1:]) == (apart if name == "qwen3_5" else longest)


def think_with_instructions(engine, kept, rows):
    """Thoughts behind some of the heads, their instructions a piece of their own: a window of questions."""
    link, first = tiny_inner_link(engine), len(INSTRUCTIONS)
    with reuse_prefixes([engine], kept):
        prompts = [[heads()[row][:first], heads()[row][first:], message(engine, row), TAIL] for row in rows]
        return engine.open(prompts).think(link, 3)


@pytest.mark.parametrize("name", BACKBONES)
def test_instructions_are_read_once_for_all_windows(name):
    engine, kept = tiny_engine(name), PrefixCache(ROOM)
    link, first = tiny_inner_link(engine), len(INSTRUCTIONS)
    anew = engine.open([[head, message(engine, row), TAIL] for row, head in enumerate(heads())])
    anew = anew.think(link, 3).latents
    for rows in ((0, 1, 2), (3,), (4, 0)):
        thoughts = think_with_instructions(engine, kept, rows)
        for row, latents, read in zip(rows, thoughts.latents, thoughts.read, strict=True):
            assert ((latents - anew[row]).norm() / anew[row].norm()) < 1e-9
            assert read.computed + read.reused == first + QUESTIONS[row] + L + len(TAIL)
            # Of rests that are read side by side the shorter ones begin earlier, in place of padding.
            assert read.computed <= max(QUESTIONS[row] for row in rows) + L + len(TAIL)
    assert kept.figures()["instruction_positions"] == first
    assert 0 < kept.figures()["instruction_bytes"] <= kept.most_bytes


@pytest.mark.parametrize("name", BACKBONES)
def test_a_window_computes_the_same_whatever_came_before_it(name):
    """To the last bit, in float32: as a run does that is resumed, or takes up every other window."""
    engine, kept = tiny_engine(name, torch.float32), PrefixCache(200_000)
    for rows in ((0, 1, 2), (3, 4)):
        after = think_with_instructions(engine, kept, rows)
    first = think_with_instructions(engine, PrefixCache(200_000), rows)
    assert torch.equal(after.latents, first.latents)
    assert after.read == first.read


def test_instructions_without_room_are_read_with_their_prompts():
    engine = tiny_engine("qwen3")
    kept = PrefixCache(4 * 10_000)
    thoughts = [think_with_instructions(engine, kept, (row,)) for row in (0, 1)]
    assert [one.read[0].reused for one in thoughts] == [0, 0]
    assert kept.figures()["instruction_bytes"] == 0


def answer_twice(engine, sampling):
    """Texts behind prompts with latents, and more text behind a cue: as an answer and its retry."""
    session = engine.open([[head, message(engine, row)] for row, head in enumerate(heads())])
    said, texts = {}, []
    for cue, count in (((), 24), ((40, 41, 42), 8)):
        requests = [
            WriteRequest(
                row=row,
                stream=random_stream(3, f"{row}{cue}"),
                max_new_tokens=count,
                inserted=cue,
                said=said.get(row, ()),
            )
            for row in range(len(heads()))
        ]
        written = dict(session.write(requests, sampling=sampling, stop_ids=STOP_IDS))
        said = {row: generated.token_ids for row, generated in written.items()}
        texts.append([written[row] for row in range(len(heads()))])
    return texts


def test_what_is_released_is_kept_no_longer():
    engine, most = tiny_engine("qwen3"), []
    for release in (False, True):
        kept = PrefixCache(ROOM)
        with reuse_prefixes([engine], kept):
            session = engine.open([[message(engine, row), TAIL] for row in range(4)])
            for row in range(4):
                request = WriteRequest(row=row, stream=random_stream(3, "q"), max_new_tokens=2)
                list(session.write([request], sampling=GREEDY, stop_ids=()))
                if release:
                    session.release(row)
        most.append(kept.most_bytes)
    assert most[0] == 4 * most[1]


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_is_written_after_again_where_it_ended(name, greedy):
    engine, sampling = tiny_engine(name), GREEDY if greedy else SAMPLED
    anew = answer_twice(engine, sampling)
    with reuse_prefixes([engine], PrefixCache(ROOM)):
        reused = answer_twice(engine, sampling)
    assert reused == anew
    assert len({len(row.token_ids) for row in anew[0]}) > 1, "rows should end at different steps"
    for row, first, second in zip(anew[1], *reused, strict=True):
        cue_and_last_token = 3 + (first.ended_by == "length")
        assert second.read.computed <= 4
        assert second.read.computed >= cue_and_last_token
        assert second.read.computed + second.read.reused == row.read.computed


@pytest.mark.parametrize("name", BACKBONES)
def test_the_retry_is_the_recomputed_one(name):
    engine, model = tiny_engine(name), SlowModel(tiny_model(name))
    with reuse_prefixes([engine], PrefixCache(ROOM)):
        first, second = answer_twice(engine, GREEDY)
    for row, head in enumerate(heads()):
        before = torch.cat([model.embed(head), message(engine, row)])
        written = decode_slowly(model, before, 24, STOP_IDS)
        assert list(first[row].token_ids) == written
        before = torch.cat([before, model.embed([*written, 40, 41, 42])])
        assert list(second[row].token_ids) == decode_slowly(model, before, 8, STOP_IDS)


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_that_comes_back_has_kept_what_it_read(name, greedy):
    engine, sampling = tiny_engine(name), GREEDY if greedy else SAMPLED
    prompts = prompts_for()
    anew = write_rows(engine, prompts, range(8), Scattered(None), sampling)
    with reuse_prefixes([engine], PrefixCache(ROOM)):
        pauses = Scattered(None)
        reused = write_rows(engine, prompts, range(8), pauses, sampling)
    assert reused == anew
    assert sum(pauses.num_pauses.values()) > 5
    # What is put in, with the tokens that were replaced and what would be padding beside longer ones.
    new = [len(segment.token_ids) + 1 for row in reused for segment in row.segments if not segment.written]
    prompts_read = sum(len(ids) for [ids] in prompts)
    computed = sum(row.read.computed for row in reused)
    assert prompts_read + sum(new) <= computed <= prompts_read + 31 * len(new)
    assert sum(row.read.reused for row in reused) > sum(row.read.computed for row in anew) / 3


@pytest.mark.parametrize("name", BACKBONES)
def test_where_there_is_no_room_rows_are_read_anew(name):
    max_bytes = 60_000
    engine = tiny_engine(name)
    link = tiny_inner_link(engine)
    anew = [*answer_twice(engine, SAMPLED), [one.latents for one in think_in_rounds(engine, link)]]
    kept = PrefixCache(max_bytes)
    with reuse_prefixes([engine], kept):
        reused = [*answer_twice(engine, SAMPLED), [one.latents for one in think_in_rounds(engine, link)]]
    assert reused[:2] == anew[:2]
    for one, other in zip(anew[2], reused[2], strict=True):
        assert ((one - other).norm() / one.norm()) < 1e-9
    assert kept.num_evicted > 3
    assert kept.most_bytes <= max_bytes
