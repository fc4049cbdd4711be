"""What is put into a model runner's steps and taken out of them, on runners that stand in for vLLM's two."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from recursivemas.engine.vllm.runners import ThinkingState, feed_v1
from recursivemas.engine.vllm.text_part import text_config, text_name
from recursivemas.engine.vllm.thinking import ARGUMENT, Thinker, ThinkingModel
from recursivemas.links import InnerLink
from recursivemas.zoo import backbones as zoo
from tests.support.backbones import TOKENS

WIDTH, ROOM = 8, 64


class Model:
    """Its embeddings are each position's number, its hidden states are twice that and one."""

    def hidden(self, embeddings):
        return 2 * embeddings + 1

    def compute_logits(self, hidden):
        return hidden


class Thinking(ThinkingModel, Model):
    pass


class Runner:
    """What both of vLLM's runners have: requests, a buffer of embeddings, a model."""

    def __init__(self):
        self.model = Thinking()
        self.thinker = self.model.thinker = Thinker(torch.device("cpu"))
        self.embeddings = torch.zeros(ROOM, WIDTH)

    def add(self, name, prompt, **argument):
        extra = {ARGUMENT: {"name": name, **argument}} if argument or name != "plain" else None
        self.take(name, prompt, SimpleNamespace(extra_args=extra))

    def step(self, **scheduled):
        """One step of requests that have (positions behind them, positions now); returns the embeddings."""
        pasts, counts = zip(*scheduled.values(), strict=True)
        self.embeddings[:] = torch.arange(ROOM, dtype=torch.float32).unsqueeze(1)
        embeddings = self.prepare(list(scheduled), pasts, counts)
        hidden = self.model.hidden(embeddings)
        self.model.compute_logits(hidden[torch.tensor(counts).cumsum(0) - 1])
        return embeddings[: sum(counts)].clone()


class V1(Runner):
    def __init__(self):
        super().__init__()
        self.requests = {}
        self.input_batch = SimpleNamespace(req_ids=[], num_computed_tokens_cpu=[])
        feed_v1(self, self.thinker)

    def take(self, name, prompt, params):
        self.requests[name] = SimpleNamespace(num_prompt_tokens=prompt, sampling_params=params)

    def prepare(self, names, pasts, counts):
        self.input_batch.req_ids, self.input_batch.num_computed_tokens_cpu = names, pasts
        scheduled = SimpleNamespace(num_scheduled_tokens=dict(zip(names, counts, strict=True)))
        return self._preprocess(scheduled, sum(counts) + 2)[1]

    def _preprocess(self, scheduler_output, num_input_tokens):
        return None, self.embeddings[:num_input_tokens], None


class State:
    """vLLM's own state of a model, in its V2 runner."""

    def __init__(self, runner):
        self.model, self.embeddings, self.indices = runner.model, runner.embeddings, {}

    def add_request(self, req_index, new_req_data):
        self.indices[new_req_data.req_id] = req_index

    def remove_request(self, req_id):
        del self.indices[req_id]

    def prepare_inputs_embeds(self, scheduled_encoder_inputs, input_batch, req_states):
        return self.embeddings[: int(input_batch.num_scheduled_tokens.sum()) + 2]


class V2(Runner):
    def __init__(self):
        super().__init__()
        self.state = type("Thinking", (ThinkingState, State), {})(self)

    def take(self, name, prompt, params):
        request = SimpleNamespace(req_id=name, prompt_len=prompt, sampling_params=params)
        self.state.add_request(len(self.state.indices), request)

    def prepare(self, names, pasts, counts):
        batch = SimpleNamespace(
            req_ids=names, num_computed_tokens_np=np.array(pasts), num_scheduled_tokens=np.array(counts)
        )
        return self.state.prepare_inputs_embeds({}, batch, None)


@pytest.fixture(params=[V1, V2])
def runner(request):
    made = request.param()
    torch.manual_seed(0)
    made.thinker.links["link"] = InnerLink(WIDTH).eval().requires_grad_(False)
    made.thinker.links["other"] = InnerLink(WIDTH, "linear_adapter").eval().requires_grad_(False)
    return made


def thought(runner, embedding, link="link"):
    return runner.thinker.links[link](2 * embedding + 1)


def test_thoughts_are_fed_back_beside_other_requests(runner):
    runner.add("plain", 2)
    runner.add("writes", 1)
    runner.add("thinks", 3, link="link")
    runner.add("differs", 1, link="other")
    first = runner.step(plain=(0, 2), writes=(0, 1), thinks=(0, 3), differs=(0, 1))
    assert first[:, 0].tolist() == list(range(7)), "prompts are as they were"
    second = runner.step(differs=(1, 1), plain=(2, 1), thinks=(3, 1), writes=(1, 1))
    assert torch.equal(second[0], thought(runner, first[6], "other"))
    assert torch.equal(second[2], thought(runner, first[5]))
    assert second[1, 0] == 1
    assert second[3, 0] == 3, "who writes is left alone"
    kept = runner.thinker.thoughts
    assert {name: len(rows) for name, rows in kept.items()} == {"thinks": 2, "differs": 2}
    assert torch.equal(kept["thinks"][1], thought(runner, second[2]))


def test_a_prompt_that_is_read_in_parts_has_no_thought_before_its_end(runner):
    runner.add("thinks", 5, link="link")
    runner.step(thinks=(0, 3))
    assert runner.thinker.thoughts["thinks"] == []
    runner.step(thinks=(3, 2))
    assert len(runner.thinker.thoughts["thinks"]) == 1


@pytest.mark.parametrize("past", [0, 2, 4])
def test_who_comes_back_reads_its_thoughts_again(runner, past):
    """From wherever vLLM has kept it."""
    runner.add("thinks", 3, link="link")
    runner.step(thinks=(0, 3))
    for position in (3, 4):
        runner.step(thinks=(position, 1))
    before = list(runner.thinker.thoughts["thinks"])
    assert len(before) == 3
    again = runner.step(thinks=(past, 5 - past))
    assert torch.equal(again[-1], before[1])
    assert past > 3 or torch.equal(again[3 - past], before[0])
    assert len(runner.thinker.thoughts["thinks"]) == 3, "a thought is not thought twice"
    assert torch.equal(runner.step(thinks=(5, 1))[0], before[2])


def test_who_has_no_numbers_to_sample_from_is_noted(runner):
    names = [f"row{number}" for number in range(4)]
    for name in names:
        runner.add(name, 1)
    runner.model.hidden = lambda embeddings: torch.where(
        embeddings == 2, torch.nan, torch.where(embeddings == 3, torch.inf, embeddings)
    )
    runner.step(**dict.fromkeys(names, (0, 1)))
    runner.step(row0=(1, 1), row3=(1, 1))
    health = runner.thinker.health
    assert health.take(names) == [False, False, True, True]
    runner.step(**dict.fromkeys(names, (1, 1)))
    assert health.take(names[:2]) == [False, False]
    runner.step(row0=(1, 1), row1=(1, 1), row2=(1, 1))
    assert health.take([*names[:2]]) == [False, False], "places are free again"
    assert len(health._failed) == 4


def test_a_state_forgets_who_is_gone():
    runner = V2()
    runner.add("thinks", 3, link="link")
    runner.state.remove_request("thinks")
    assert (runner.state.indices, runner.state._requests) == ({}, {})


@pytest.mark.parametrize("make", [zoo.make_gemma3, zoo.make_qwen3_5])
def test_a_multimodal_model_s_text_part_is_whole(make):
    """Under the names that the same model has by itself."""
    whole = make(64, TOKENS)
    config = text_config(whole.config)
    by_itself = {zoo.make_gemma3: zoo.make_gemma3_text, zoo.make_qwen3_5: zoo.make_qwen3_5_text}[make]
    text = by_itself(64, TOKENS)
    assert config.architectures == [type(text).__name__]
    names = {own for name, _ in whole.named_parameters() if (own := text_name(name))}
    assert names == {name for name, _ in text.named_parameters()}
    assert text_config(text.config) is text.config


def test_names_of_other_parts_and_older_files():
    assert text_name("model.vision_tower.layers.0.weight") is None
    assert text_name("model.visual.blocks.0.weight") is None
    assert text_name("language_model.model.norm.weight") == "model.norm.weight"
    assert text_name("language_model.lm_head.weight") == "lm_head.weight"
