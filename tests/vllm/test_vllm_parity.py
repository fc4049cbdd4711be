"""vLLM thinks and writes what our own engine does, on the same float32 models."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import NamedTuple

import pytest
import torch

from recursivemas.engine import (
    NOT_FINITE,
    Engine,
    LocalEngine,
    PrefixCache,
    Resumption,
    SamplingSettings,
    reuse_prefixes,
)
from recursivemas.engine.vllm import start
from recursivemas.engine.vllm.runners import ThinkingState
from recursivemas.links import InnerLink
from tests.support.backbones import VOCAB_SIZE, tiny_inner_link
from tests.support.pauses import STOP_IDS, Scattered, prompts_for, write_rows
from tests.support.sessions import write
from tests.support.vllm_engines import (
    HYBRIDS,
    MAKERS,
    model_for_vllm,
    prompts_with_latents,
    vllm_engine,
)

STEPS = 6
TOLERANCE = 5e-5
ROOM = 1 << 20
V2 = os.environ.get("VLLM_USE_V2_MODEL_RUNNER") == "1"
"""Whether engines take vLLM's V2 model runner."""


class Pair(NamedTuple):
    ours: LocalEngine
    theirs: Engine
    link: InnerLink


def pair_of(name: str) -> Pair:
    ours = LocalEngine(model_for_vllm(name))
    return Pair(ours, vllm_engine(ours.model), tiny_inner_link(ours))


@pytest.fixture(scope="module", params=MAKERS)
def pair(request):
    return pair_of(request.param)


@pytest.fixture(scope="module")
def qwen3():
    return pair_of("qwen3")


def distance(one, other):
    return (one.latents - other.latents).abs().max().item()


def test_thoughts_are_ours(pair):
    prompts = prompts_with_latents(pair.ours)
    sessions = [engine.open(prompts) for engine in (pair.ours, pair.theirs)]
    first = [session.think(pair.link, STEPS) for session in sessions]
    assert first[0].latents.abs().max() > 0.1
    assert distance(*first) < TOLERANCE
    assert not first[1].failed
    then = [session.think(pair.link, 2) for session in sessions]  # behind what was thought before
    assert distance(*then) < TOLERANCE
    alone = [pair.theirs.open([prompt]).think(pair.link, STEPS).latents for prompt in prompts]
    assert (torch.cat(alone) - first[1].latents).abs().max() < TOLERANCE


def test_greedy_texts_are_ours(pair):
    prompts = prompts_with_latents(pair.ours)
    texts = [
        write(engine, prompts, max_new_tokens=24, stop_ids=STOP_IDS) for engine in (pair.ours, pair.theirs)
    ]
    assert texts[0] == texts[1]


def test_rows_that_pause_write_what_ours_write(pair):
    texts = [write_rows(engine, prompts_for(), range(8), Scattered(2)) for engine in (pair.ours, pair.theirs)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", HYBRIDS)
def test_bfloat16_thoughts_round_as_ours_do(name):
    """A hybrid's: from those of float32 they are about as far as our engine's are, step by step."""
    exact = LocalEngine(model_for_vllm(name))
    link = tiny_inner_link(exact)
    prompts = prompts_with_latents(exact)
    expected = exact.open(prompts).think(link, 4).latents  # [B, L, D]; rounding takes later ones anywhere
    ours = LocalEngine(model_for_vllm(name).bfloat16())
    theirs = vllm_engine(ours.model)
    link.bfloat16()
    found = [engine.open(prompts).think(link, 4).latents for engine in (ours, theirs)]
    errors = [(one - expected).norm(dim=(0, 2)) / expected.norm(dim=(0, 2)) for one in found]
    assert errors[1][0] < 0.1
    assert (errors[1] < 2 * errors[0]).all(), errors


def test_the_runner_is_the_one_that_was_asked_for(qwen3):
    """In the V2 runner it is the model's own state that feeds thoughts."""
    worker = qwen3.theirs._core._engine.engine_core.engine_core.model_executor.driver_worker.worker
    assert isinstance(getattr(worker.model_runner, "model_state", None), ThinkingState) is V2
    assert hasattr(worker.model_runner, "_preprocess") is not V2


def test_prompts_read_in_parts_and_steps_ahead_of_their_outcome_change_nothing(monkeypatch):
    """As vLLM does it on CUDA: in V2 it schedules a step before the last one's tokens are there."""
    from vllm.platforms.cpu import CpuPlatform

    check, arguments = CpuPlatform.check_and_update_config, start._arguments

    def check_and_go_ahead(config):
        check(config)
        config.scheduler_config.async_scheduling = V2

    monkeypatch.setattr(CpuPlatform, "check_and_update_config", staticmethod(check_and_go_ahead))
    in_parts = {"enable_chunked_prefill": True, "max_num_batched_tokens": 64, "max_num_seqs": 64}
    monkeypatch.setattr(start, "_arguments", lambda *given: {**arguments(*given), **in_parts})
    pair = pair_of("qwen3")
    core = pair.theirs._core._engine.engine_core.engine_core
    assert core.vllm_config.scheduler_config.async_scheduling is V2
    prompts = prompts_with_latents(pair.ours, lengths=(5, 40, 117, 1, 90))
    thoughts = [engine.open(prompts).think(pair.link, STEPS) for engine in (pair.ours, pair.theirs)]
    assert distance(*thoughts) < TOLERANCE
    engines = (pair.ours, pair.theirs)
    texts = [write(engine, prompts, max_new_tokens=24, stop_ids=STOP_IDS) for engine in engines]
    assert texts[0] == texts[1]
    texts = [write_rows(engine, prompts_for(), range(8), Scattered(2)) for engine in engines]
    assert texts[0] == texts[1]


def test_a_model_that_is_spread_over_workers_thinks_and_writes_alike(monkeypatch):
    """Tensor parallel, in processes of their own."""
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    ours = LocalEngine(model_for_vllm("llama"))
    theirs, link = vllm_engine(ours.model, workers=2), tiny_inner_link(ours)
    prompts = prompts_with_latents(ours)
    thoughts = [engine.open(prompts).think(link, STEPS) for engine in (ours, theirs)]
    assert distance(*thoughts) < TOLERANCE
    texts = [write(engine, prompts, max_new_tokens=24) for engine in (ours, theirs)]
    assert texts[0] == texts[1]


def test_what_is_broken_off_leaves_nothing(qwen3):
    worker = qwen3.theirs._core._engine.engine_core.engine_core.model_executor.driver_worker.worker
    core, [row] = qwen3.theirs._core, [qwen3.theirs._embeddings.of_prompt([(20, 21, 22)])]
    names = [
        core.think(row, qwen3.link, 30, reuse=False),
        core.write(row, reuse=False, max_tokens=30, temperature=0.0),
    ]
    for _ in range(3):
        core.step()
    assert names[0] in worker.thinker.thoughts
    assert names[1] in worker.thinker.health._places
    core.abort(names)
    assert names[0] not in worker.thinker.thoughts
    assert names[1] not in worker.thinker.health._places


def test_thoughts_and_texts_share_a_batch(qwen3):
    core, link = qwen3.theirs._core, qwen3.link
    rows = [qwen3.theirs._embeddings.of_prompt(prompt) for prompt in prompts_with_latents(qwen3.ours)]
    names = [
        core.think(row, link, STEPS + 3 * number, reuse=False)
        if number % 2
        else core.write(row, reuse=False, max_tokens=20, temperature=0.0)
        for number, row in enumerate(rows)
    ]
    tokens, ended = {name: [] for name in names}, []
    while len(ended) < len(names):
        for output in core.step():
            tokens[output.name] += output.token_ids
            ended += [output.name] * bool(output.ended_by)
    written = write(qwen3.ours, prompts_with_latents(qwen3.ours), max_new_tokens=20)
    thoughts = qwen3.ours.open(prompts_with_latents(qwen3.ours)).think(link, STEPS + 9).latents
    for number, name in enumerate(names):
        if number % 2:
            latents = core.take_thoughts([name])[0]
            assert (latents - thoughts[number, : STEPS + 3 * number]).abs().max() < TOLERANCE
        else:
            assert tuple(tokens[name]) == written[number].token_ids
            assert core.take_failures([name]) == [False]


def test_a_prefix_is_read_once_by_requests_of_one_kind(qwen3):
    """A thought has the place of a token in what vLLM keeps: only the same link and length may find it."""
    prompts = [[tuple(range(20, 20 + 150))]]
    other = tiny_inner_link(qwen3.ours, seed=2)
    expected = [qwen3.ours.open(prompts).think(link, STEPS) for link in (qwen3.link, other)]
    with reuse_prefixes([qwen3.theirs], PrefixCache(ROOM)):
        first, again = (qwen3.theirs.open(prompts).think(qwen3.link, STEPS) for _ in range(2))
        longer = qwen3.theirs.open(prompts).think(qwen3.link, STEPS + 1)
        others = qwen3.theirs.open(prompts).think(other, STEPS)
        text = write(qwen3.theirs, prompts, max_new_tokens=5)[0]
    without = qwen3.theirs.open(prompts).think(qwen3.link, STEPS)
    reused = [one.read[0].reused for one in (first, again, longer, others, without)]
    assert reused[1] >= 128
    assert [*reused[:1], *reused[2:], text.read.reused] == [0, 0, 0, 0, 0]
    for thoughts in (first, again, without):
        assert distance(thoughts, expected[0]) < TOLERANCE
    assert distance(others, expected[1]) < TOLERANCE


def test_a_changed_link_is_learned_anew(qwen3):
    prompts = prompts_with_latents(qwen3.ours)
    link = tiny_inner_link(qwen3.ours, seed=4)
    for _ in range(2):
        thoughts = [engine.open(prompts).think(link, 2) for engine in (qwen3.ours, qwen3.theirs)]
        assert distance(*thoughts) < TOLERANCE
        link.load_state_dict(tiny_inner_link(qwen3.ours, seed=5).state_dict())


def test_rows_that_give_way_come_back_to_their_thoughts():
    """A cache too small for all rows: some are preempted, and read their prompts and thoughts again."""
    ours = LocalEngine(model_for_vllm("qwen3"))
    theirs, link = vllm_engine(ours.model, cache_bytes=3 << 20), tiny_inner_link(ours)
    scheduler = theirs._core._engine.engine_core.engine_core.scheduler
    preempt, preempted = scheduler._preempt_request, []
    scheduler._preempt_request = lambda *given, **options: (
        preempted.append(given) or preempt(*given, **options)
    )
    # Blocks have 128 positions: a row has room for its prompt, and not for all of its thoughts.
    prompts = prompts_with_latents(ours, lengths=[113 + row % 5 for row in range(30)])
    expected = ours.open(prompts).think(link, STEPS + 4)
    with reuse_prefixes([theirs], PrefixCache(ROOM)):
        found = theirs.open(prompts).think(link, STEPS + 4)
    assert preempted, "all rows had room"
    assert distance(found, expected) < TOLERANCE


# The V2 runner's kernel for top_k and top_p is one that Triton's interpreter does not take.
CUT = {"top_p": 1.0, "top_k": 0} if V2 else {"top_p": 0.9}
SAMPLED = SamplingSettings(temperature=1.0, **CUT).resolve(None)


def test_sampled_text_depends_on_the_seed_alone(qwen3):
    def texts(rows):
        prompts = prompts_for()
        return write(
            qwen3.theirs, [prompts[row] for row in rows], max_new_tokens=20, sampling=SAMPLED, names=rows
        )

    together = texts(range(8))
    assert texts(range(8)) == together
    assert [texts([row])[0] for row in range(8)] == together
    assert len({one.token_ids for one in together}) == 8


def test_copies_of_a_row_write_the_same(qwen3):
    session = qwen3.theirs.open(prompts_for()[:2]).fork(3)
    assert len(session) == 6
    thoughts = session.think(qwen3.link, 2).latents
    assert (thoughts[:2].repeat(3, 1, 1) - thoughts).abs().max() < TOLERANCE


class AlwaysBack:
    """Every row pauses at every token, and comes back at once."""

    def look(self, row, written):
        back = Future()
        back.set_result(list(written))
        return back

    def resume(self, row, written):
        return Resumption(tuple(written), ())


@pytest.mark.parametrize("damaged", ["lm_head", "layer"])
def test_rows_without_numbers_fail(damaged):
    model = model_for_vllm("qwen2")
    weight = model.lm_head.weight if damaged == "lm_head" else model.model.layers[1].mlp.up_proj.weight
    with torch.no_grad():
        weight[:, 0] = torch.nan
    engine = vllm_engine(model)
    [text] = write(engine, [[(20, 21, 22)]], max_new_tokens=4)
    assert text.ended_by == NOT_FINITE
    [text] = write(engine, [[(20, 21, 22)]], max_new_tokens=4, pauses=AlwaysBack())
    assert (text.ended_by, text.num_sampled) == (NOT_FINITE, 1), "at once, also where it was to pause"
    thoughts = engine.open([[(20, 21, 22)]]).think(tiny_inner_link(LocalEngine(model)), 2)
    assert thoughts.failed == ((0,) if damaged == "layer" else ())


def test_the_context_is_the_end(qwen3):
    longest = qwen3.theirs.max_positions
    assert longest == qwen3.ours.max_positions == 512
    prompt = [tuple(20 + number % 150 for number in range(longest - 3))]
    [text] = write(qwen3.theirs, [prompt], max_new_tokens=20)
    assert (text.num_sampled, text.ended_by) == (3, "length")
    [text] = write(qwen3.theirs, [[(*prompt[0], 20, 21, 22)]], max_new_tokens=20)
    assert (text.num_sampled, text.ended_by) == (0, "length")
    with pytest.raises(ValueError, match=r"513 positions, and vLLM has room for 512"):
        qwen3.theirs.open([prompt]).think(qwen3.link, 4)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ([(20,), torch.zeros(2, 7)], "latents have 7 features and the model embeds 48"),
        ([(20, VOCAB_SIZE)], f"token {VOCAB_SIZE} has no embedding"),
        ([], "each needs at least one position"),
    ],
)
def test_a_prompt_that_cannot_be_is_refused(qwen3, prompt, said):
    with pytest.raises(ValueError, match=said):
        qwen3.theirs.open([[(20,)], prompt])
    assert write(qwen3.theirs, [[(20,)]], max_new_tokens=2)[0].num_sampled == 2


@pytest.mark.parametrize(
    ("sampling", "options", "said"),
    [
        (
            SamplingSettings(repetition_penalty=1.2).resolve(None),
            {},
            "repetition_penalty 1.2 is not",
        ),
        (SAMPLED, {"rejoin_every": 4}, "rejoin_every 4 is not for vLLM"),
    ],
)
def test_what_would_differ_is_refused(qwen3, sampling, options, said):
    with pytest.raises(ValueError, match=said):
        write(qwen3.theirs, [[(20,)]], max_new_tokens=2, sampling=sampling, **options)
