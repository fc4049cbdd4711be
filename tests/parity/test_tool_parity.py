"""Answers with tools: a batch equals its rows alone, and both equal a twin that recomputes everything."""

from __future__ import annotations

import random
import time

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from recursivemas.agents.agent import Agent
from recursivemas.engine import random_stream
from recursivemas.prompts import load_pack
from recursivemas.recursion.answer import Draft, Pace, Writer
from recursivemas.settings import RunSettings
from recursivemas.tools import ToolAnswer, Toolbox
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_engine, tiny_inner_link
from tests.support.slow import SlowModel, decode_with_insertions

pytestmark = pytest.mark.slow

PIECES = ("<python>", "</python>", "<python>x", "</python>y", "<search>", "</search>z")
LENGTHS = (1, 23, 4, 9, 40, 2, 12, 6)
BUDGET = 40
MAX_CALLS = 3


def tag_tokenizer() -> PreTrainedTokenizerFast:
    """Words, every second of which is or holds a tag: a random model with this vocabulary calls tools."""
    words = [
        f"{PIECES[index // 2 % len(PIECES)]}·{index}" if index % 2 == 0 else f"w{index}·"
        for index in range(VOCAB_SIZE)
    ]
    words[:3] = ["[unk]", "[bos]", "[eos]"]
    words[-4:] = [">", "</python>", "</search>", "</result>"]
    vocab = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[unk]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Sequence([decoders.Replace(Regex(r"·\d*"), ""), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="[eos]", unk_token="[unk]")


class Words:
    """Gives back some words that depend on the request, after a random while if it is `slow`."""

    deadline_s = None

    def __init__(self, name, *, slow):
        self.name = name
        self.slow = slow
        self.chance = random.Random(0)

    def __call__(self, request):
        if self.slow:
            time.sleep(self.chance.random() / 20)
        return ToolAnswer(text=reply(self.name, request))

    def describe(self):
        return {}


def reply(name: str, request: str) -> str:
    chance = random.Random(name + request.strip())
    return " ".join(f"w{chance.choice([5, 7, 9, 11, 13])}·" for _ in range(chance.choice([1, 4, 25])))


def agent_of(name: str) -> Agent:
    engine = tiny_engine(name)
    # Where the head is the embedding, a random model repeats its last token for ever.
    head = engine.model.get_output_embeddings()
    shuffled = head.weight[torch.randperm(len(head.weight), generator=torch.Generator().manual_seed(1))]
    head.weight = torch.nn.Parameter(shuffled.detach().clone())
    link = tiny_inner_link(engine)
    return Agent(role="caller", engine=engine, tokenizer=tag_tokenizer(), inner_link=link, repo_id=name)


def prompts_for() -> list[tuple[int, ...]]:
    chance = random.Random(3)
    return [tuple(chance.randrange(3, 200) for _ in range(length)) for length in LENGTHS]


def write(agent: Agent, rows, *, slow: bool, **settings) -> list[Draft]:
    prompts = prompts_for()
    drafts = [
        Draft(place, "math", random_stream(42, str(row)), max_new_tokens=BUDGET)
        for place, row in enumerate(rows)
    ]
    box = Toolbox([Words("python", slow=slow), Words("search", slow=slow)], max_calls=MAX_CALLS)
    writer = Writer(agent, load_pack(), RunSettings.of(**settings).solve, box, Pace())
    session = agent.engine.open([[prompts[row]] for row in rows])
    list(writer.write(drafts, session, on_step=lambda _: None))
    return drafts


class SlowCalls:
    """What follows a prompt, with results put in as the text says; every tag is looked for from the start."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.start = 0
        self.num_calls = 0
        self.over = False

    def __call__(self, sequence: list[int]) -> list[int] | None:
        text = self.agent.tokenizer.decode(sequence[self.start :], skip_special_tokens=True)
        for end in range(len(text) + 1):
            for name in ("python", "search"):
                before = text[:end].removesuffix(f"</{name}>")
                if before != text[:end] and f"<{name}>" in before:
                    return self.answer(sequence, name, before.partition(f"<{name}>")[2], text[end:])
        return None

    def answer(self, sequence, name, request, overhang):
        kept = list(sequence)
        if overhang:  # the last token is more than the tag
            kept[-1:] = self.agent.tokenizer(f"</{name}>").input_ids
        self.num_calls += 1
        result = reply(name, request)
        if self.num_calls > MAX_CALLS:
            result, self.over = f"[tool limit reached after {MAX_CALLS} calls]", True
        replaced = [*kept, *self.agent.tokenizer(f" <result> {result} </result>").input_ids]
        self.start = len(replaced)
        return replaced


class OverError(Exception):
    """The slow twin has made one call too many."""


def write_slowly(agent: Agent, ids: tuple[int, ...]) -> list[int]:
    calls, model = SlowCalls(agent), SlowModel(agent.model)
    final: list[list[int]] = []

    def insert(sequence):
        replaced = calls(sequence)
        if calls.over:
            final.append(replaced)
            raise OverError
        return replaced

    try:
        with torch.no_grad():
            return decode_with_insertions(model, model.embed(ids), BUDGET, agent.stop_ids, insert)
    except OverError:
        return final[0]


@pytest.mark.parametrize("rejoin_every", [0, 5])
@pytest.mark.parametrize("name", BACKBONES)
def test_greedy_answers_with_tools_are_those_of_the_slow_twin(name, rejoin_every):
    agent = agent_of(name)
    settings = {"greedy": True, "repetition_penalty": 1.0, "rejoin_every": rejoin_every}
    together = write(agent, range(8), slow=True, **settings)
    slow = [write_slowly(agent, ids) for ids in prompts_for()]
    assert [draft.sequence for draft in together] == slow
    assert sum(len(draft.tool_calls) for draft in together) > 4, "too few calls to show anything"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", BACKBONES)
def test_in_any_precision_rows_that_rejoin_together_do_not_depend_on_the_tools_pace(name, dtype):
    agent = agent_of(name)
    agent.model.to(dtype)
    settings = {"greedy": False, "temperature": 1.0, "rejoin_every": 6}
    slow = write(agent, range(8), slow=True, **settings)
    fast = write(agent, range(8), slow=False, **settings)
    assert [draft.sequence for draft in slow] == [draft.sequence for draft in fast]
    assert sum(len(draft.tool_calls) for draft in slow) > 4, "too few calls to show anything"


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("name", BACKBONES)
def test_answers_with_tools_do_not_depend_on_the_batch_or_the_tools_pace(name, greedy):
    agent = agent_of(name)
    settings = {"greedy": greedy, "temperature": 1.0, "repetition_penalty": 1.2}
    together = write(agent, range(8), slow=True, **settings)
    alone = [write(agent, [row], slow=False, **settings)[0] for row in range(8)]
    for batch, single in zip(together, alone, strict=True):
        assert batch.sequence == single.sequence
        assert batch.text == single.text
        assert batch.ended_by == single.ended_by
    shuffled = write(agent, [5, 0, 3, 6, 1, 7, 4, 2], slow=True, **settings)
    assert [draft.text for draft in shuffled] == [together[row].text for row in [5, 0, 3, 6, 1, 7, 4, 2]]
    assert sum(len(draft.tool_calls) for draft in together) > 4, "too few calls to show anything"
