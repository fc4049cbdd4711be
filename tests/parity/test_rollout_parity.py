"""The cached rollout and decoding against their twins that recompute everything, on every backbone."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import SamplingSettings, WriteRequest, random_stream
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_engine, tiny_inner_link, tiny_model
from tests.support.sessions import GREEDY, write
from tests.support.slow import SlowModel, decode_slowly, roll_out_slowly

LENGTHS = (
    19,
    3,
    70,
    11,
    1,
    33,
    64,
)  # unequal, one beyond the linear attention's chunk, one a single position
STOP_IDS = set(range(2, 12))  # many, so that rows end at different steps

pytestmark = [pytest.mark.usefixtures("no_grad"), pytest.mark.slow]


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


def prompts_for(lengths=LENGTHS) -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(3)
    return [tuple(torch.randint(0, VOCAB_SIZE, (n,), generator=generator).tolist()) for n in lengths]


def relative_difference(fast: torch.Tensor, slow: torch.Tensor) -> float:
    return ((fast - slow).norm() / slow.norm()).item()


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(
    ("dtype", "latent_length", "tolerance"), [(torch.float64, 12, 1e-9), (torch.float32, 4, 1e-4)]
)
def test_cached_thoughts_are_the_recomputed_ones(name, dtype, latent_length, tolerance):
    engine, model = tiny_engine(name, dtype), SlowModel(tiny_model(name, dtype))
    link = tiny_inner_link(engine)
    prompts = prompts_for()
    thoughts = engine.open([[ids] for ids in prompts]).think(link, latent_length)
    assert thoughts.failed == ()
    for row, ids in enumerate(prompts):
        slow = roll_out_slowly(model, link, model.embed(ids), latent_length)
        assert relative_difference(thoughts.latents[row], link(slow)) < tolerance


@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_alone_is_the_row_beside_longer_ones(name):
    engine = tiny_engine(name)
    link = tiny_inner_link(engine)
    prompts = [[ids] for ids in prompts_for()]
    together = engine.open(prompts).think(link, 6).latents
    for row, prompt in enumerate(prompts):
        alone = engine.open([prompt]).think(link, 6).latents[0]
        assert relative_difference(together[row], alone) < 1e-9


@pytest.mark.parametrize("name", BACKBONES)
def test_latents_stand_where_tokens_do_and_a_row_goes_on_behind_what_it_did(name):
    """Text, a message, text; thoughts behind it; a text behind these; a cue and more text behind that."""
    engine, model = tiny_engine(name), SlowModel(tiny_model(name))
    link = tiny_inner_link(engine)
    message = link(
        torch.randn(5, engine.hidden_size, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    )
    prompts = [[(5, 6, 7), message, (8,)], [(9,) * 12], [message]]
    session = engine.open(prompts)
    thoughts = session.think(link, 4).latents
    first = dict(session.write(requests(24), sampling=GREEDY, stop_ids=STOP_IDS))
    cue = (40, 41)
    second = dict(session.write(requests(6, inserted=cue), sampling=GREEDY, stop_ids=STOP_IDS))
    for row, prompt in enumerate(prompts):
        pieces = [model.embed(piece) if isinstance(piece, tuple) else piece for piece in prompt]
        slow = roll_out_slowly(model, link, torch.cat(pieces), 4)
        assert relative_difference(thoughts[row], link(slow)) < 1e-9
        before = torch.cat([*pieces, link(slow)])
        written = decode_slowly(model, before, 24, STOP_IDS)
        assert list(first[row].token_ids) == written
        before = torch.cat([before, model.embed([*written, *cue])])
        assert list(second[row].token_ids) == decode_slowly(model, before, 6, STOP_IDS)


def requests(max_new_tokens, **more):
    return [
        WriteRequest(row=row, stream=random_stream(0, "q"), max_new_tokens=max_new_tokens, **more)
        for row in range(3)
    ]


@pytest.mark.parametrize("name", BACKBONES)
def test_forked_rows_write_what_they_would_have_written_apart(name):
    engine = tiny_engine(name)
    prompts = [[ids] for ids in prompts_for((19, 3, 11))]
    sampling = SamplingSettings(temperature=1.0).resolve(None)
    options = {"sampling": sampling, "stop_ids": STOP_IDS, "max_new_tokens": 24}
    session = engine.open(prompts).fork(2).fork(2)
    assert len(session) == 12
    asked = [row for row in range(12) if row not in (1, 3, 4, 5)]  # one copy is not asked at all
    written = dict(
        session.write(
            [WriteRequest(row=row, stream=random_stream(42, str(row)), max_new_tokens=24) for row in asked],
            sampling=sampling,
            stop_ids=STOP_IDS,
        )
    )
    assert sorted(written) == asked
    for row in asked:
        [alone] = write(engine, [prompts[row % 3]], names=[row], **options)
        assert written[row] == alone
    assert len({written[row].token_ids for row in asked}) > 5, "copies have random numbers of their own"


@pytest.mark.parametrize("name", BACKBONES)
def test_a_prompt_is_read_once_for_all_its_copies(name):
    engine = tiny_engine(name)
    lengths: list[int] = []
    engine.model.get_decoder().register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    session = engine.open([[(5,) * 30], [(6,) * 20]]).fork(4)
    requests = [WriteRequest(row=row, stream=random_stream(0, "q"), max_new_tokens=3) for row in range(8)]
    list(session.write(requests, sampling=GREEDY, stop_ids=()))
    assert lengths == [30, *[1] * 8]


def test_copies_of_few_prompts_take_all_the_room_there_is_and_wait_for_the_first_to_be_read():
    engine = tiny_engine("qwen3")
    engine.max_rows = 4
    sizes: list[tuple[int, int]] = []
    engine.model.get_decoder().register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    session = engine.open([[(5,) * 30]]).fork(4)
    requests = [WriteRequest(row=row, stream=random_stream(0, "q"), max_new_tokens=3) for row in range(4)]
    written = dict(session.write(requests, sampling=GREEDY, stop_ids=()))
    assert len({row.token_ids for row in written.values()}) == 1
    assert sizes == [(1, 30), (1, 1), (4, 1), (3, 1)]


def test_no_more_forks_wait_with_what_they_have_read_than_there_is_room_for():
    engine = tiny_engine("qwen3")
    engine.max_rows = 2
    session = engine.open([[(token,) * 20] for token in range(5, 11)]).fork(3)
    requests = [WriteRequest(row=row, stream=random_stream(0, "q"), max_new_tokens=2) for row in range(18)]
    order = [row % 6 for row, _ in session.write(requests, sampling=GREEDY, stop_ids=())]
    assert [sorted(set(order[start : start + 6])) for start in (0, 6, 12)] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("name", BACKBONES)
def test_greedy_text_is_the_recomputed_one(name):
    engine, model = tiny_engine(name), SlowModel(tiny_model(name))
    prompts = prompts_for()
    fast = write(engine, [[ids] for ids in prompts], max_new_tokens=24, stop_ids=STOP_IDS)
    slow = [decode_slowly(model, model.embed(ids), 24, STOP_IDS) for ids in prompts]
    assert [list(row.token_ids) for row in fast] == slow
    assert [row.ended_by for row in fast] == ["stop" if len(ids) < 24 else "length" for ids in slow]


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("greedy", [True, False])
def test_text_does_not_depend_on_the_batch(name, greedy):
    engine = tiny_engine(name)
    prompts = [[ids] for ids in prompts_for()]
    sampling = SamplingSettings(greedy=greedy, temperature=1.0, repetition_penalty=1.3, min_p=0.01)
    options = {"sampling": sampling.resolve(None), "stop_ids": STOP_IDS, "max_new_tokens": 24}
    together = write(engine, prompts, **options)
    assert len({len(row.token_ids) for row in together}) > 2, "rows should end at different steps"
    alone = [write(engine, [prompt], names=[row], **options)[0] for row, prompt in enumerate(prompts)]
    assert together == alone
    order = [5, 0, 3, 6, 1, 4, 2]
    shuffled = write(engine, [prompts[row] for row in order], names=order, **options)
    assert shuffled == [together[row] for row in order]
