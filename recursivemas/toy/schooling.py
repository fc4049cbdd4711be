"""Teach a small model one agent's turns, from scratch.

Every turn is a conversation in the agent's own chat template; the loss is the cross-entropy of what the agent
says, of its turn's closing tokens, and of the end repeated behind them, so that a rollout may be longer than
what there is to think. Vectors in slots, and to a lesser degree those of its own words, are blurred by noise:
what comes over a link is never exactly an embedding. Beside turns there are drills of the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from recursivemas.prompts import ChatRenderer, PromptPack, PromptRequest
from recursivemas.question import Question
from recursivemas.styles import Style
from recursivemas.toy.board import STAY, Report, Step
from recursivemas.toy.lessons import Turn, TurnMaker, drill, known_colours

IGNORED = -100
MAX_REPEATED_ENDS = 6
WHOLE_MESSAGES = 0.3
DRILL_STEPS = 8


@dataclass(frozen=True, kw_only=True)
class Schooling:
    """How an agent is taught."""

    num_steps: int = 550
    turns_per_step: int = 32
    drills_per_step: int = 32
    learning_rate: float = 3e-3
    warmup_steps: int = 40
    weight_decay: float = 0.01
    slot_blur: float = 0.6
    """The largest blur in slots: noise relative to the embeddings' root mean square, and half of that the
    share of another word's embedding."""
    reply_blur: float = 0.4
    """The same for what the agent has said itself."""
    seed: int = 0


@dataclass(frozen=True)
class Lesson:
    """A turn as the model reads it: token ids, which of them are learnt, and how much they may be blurred."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    blur: tuple[float, ...]


class LessonWriter:
    """Writes turns of one agent as lessons."""

    def __init__(
        self, style: Style, role: str, tokenizer: PreTrainedTokenizerFast, pack: PromptPack, how: Schooling
    ) -> None:
        self._spec = style.agent(role)
        self._pack = pack
        self._renderer = ChatRenderer(tokenizer)
        self._tokenizer = tokenizer
        self._how = how
        self._system = pack.system(self._spec.prompt, self._spec.tools)
        self._least = len(self._ids(str(Step(Report("A0", 0), STAY, Report("A0", 0)))))

    def write(self, turn: Turn, random: Random) -> Lesson:
        question = Question(id="lesson", text=str(turn.trip), gold=turn.trip.answer, kind="math")
        request = PromptRequest(
            prompt=self._spec.prompt, question=question, feedback=turn.feedback, texts=None
        )
        (pieces,) = self._pack.write([request])
        if isinstance(pieces, Exception):
            raise pieces
        shown = self._renderer.render(self._system, pieces)
        full = self._renderer.render(self._system, pieces, reply=turn.text)
        closing = full.text[full.text.rindex(turn.text) + len(turn.text) :]
        lesson = _Growing()
        for segment in shown.segments:
            if isinstance(segment, str):
                lesson.add(self._message(turn.messages[segment], random), blur=self._how.slot_blur)
            else:
                lesson.add(segment)
        for passage in turn.reply:
            blur = self._how.reply_blur if passage.learned else 0.0
            lesson.add(self._ids(passage.text), learned=passage.learned, blur=blur)
        ends = [self._tokenizer.eos_token_id] * random.randint(0, MAX_REPEATED_ENDS)
        lesson.add([*self._ids(closing), *ends], learned=True, blur=self._how.reply_blur)
        return lesson.done()

    def drill(self, random: Random, known: Sequence[str]) -> Lesson:
        lesson = _Growing()
        ids = self._ids(drill(random, known, DRILL_STEPS))
        lesson.add(ids, learned=True, blur=self._how.reply_blur)
        return lesson.done()

    def _message(self, text: str, random: Random) -> list[int]:
        """A message's tokens: whole as in text, or cut or followed by ends, as a rollout is."""
        ids = self._ids(text)
        if random.random() < WHOLE_MESSAGES:
            return ids
        length = random.randint(self._least, self._least + MAX_REPEATED_ENDS)
        return [*ids, *[self._tokenizer.eos_token_id] * MAX_REPEATED_ENDS][:length]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)


class _Growing:
    def __init__(self) -> None:
        self._ids: list[int] = []
        self._learned: list[bool] = []
        self._blur: list[float] = []

    def add(self, ids: Sequence[int], *, learned: bool = False, blur: float = 0.0) -> None:
        self._ids += ids
        self._learned += [learned] * len(ids)
        self._blur += [blur] * len(ids)

    def done(self) -> Lesson:
        return Lesson(tuple(self._ids), tuple(self._learned), tuple(self._blur))


def teach_agent(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    style: Style,
    role: str,
    pack: PromptPack,
    how: Schooling,
) -> list[float]:
    """Train the model in place; the loss of each step."""
    random, generator = Random(how.seed), torch.Generator().manual_seed(how.seed)
    maker, writer = TurnMaker(style, role), LessonWriter(style, role, tokenizer, pack, how)
    known = known_colours(style, role)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=how.learning_rate, betas=(0.9, 0.98), weight_decay=how.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, how.learning_rate, total_steps=how.num_steps, pct_start=how.warmup_steps / how.num_steps
    )
    losses = []
    model.train()
    for _ in range(how.num_steps):
        lessons = [writer.write(maker.random_turn(random), random) for _ in range(how.turns_per_step)]
        groups = [lessons]
        if known:
            groups.append([writer.drill(random, known) for _ in range(how.drills_per_step)])
        total = sum(sum(lesson.learned) for group in groups for lesson in group)
        loss = 0.0
        for group in groups:
            part = summed_loss(model, group, generator) / total
            part.backward()
            loss += part.item()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss)
    model.eval()
    return losses


def summed_loss(model: PreTrainedModel, lessons: Sequence[Lesson], generator: torch.Generator) -> Tensor:
    """The sum of the cross-entropies of all positions that are learnt."""
    length = max(len(lesson.ids) for lesson in lessons)
    ids = torch.tensor([[*lesson.ids, *[0] * (length - len(lesson.ids))] for lesson in lessons])
    mask = torch.tensor([[1] * len(lesson.ids) + [0] * (length - len(lesson.ids)) for lesson in lessons])
    labels = torch.tensor(
        [
            [id_ if learned else IGNORED for id_, learned in zip(lesson.ids, lesson.learned, strict=True)]
            + [IGNORED] * (length - len(lesson.ids))
            for lesson in lessons
        ]
    )
    largest = torch.tensor([[*lesson.blur, *[0.0] * (length - len(lesson.ids))] for lesson in lessons])
    embeddings = blur(model.get_input_embeddings(), ids, largest, generator)
    hidden = model.get_decoder()(
        inputs_embeds=embeddings, attention_mask=mask, use_cache=False
    ).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    places = wanted != IGNORED
    logits = model.get_output_embeddings()(hidden[places])
    return cross_entropy(logits.float(), wanted[places], reduction="sum")


def blur(embedding: nn.Module, ids: Tensor, largest: Tensor, generator: torch.Generator) -> Tensor:
    """Embeddings [B, T, D] of ids [B, T], blurred up to `largest` [B, T], each row as a whole more or less.

    What a link gives is an embedding with noise, and drawn to other words that might have stood there.
    """
    embeddings: Tensor = embedding(ids)
    rows = len(ids)
    words = ids[largest > 0].unique() if (largest > 0).any() else ids.flatten()
    others: Tensor = embedding(words[torch.randint(len(words), ids.shape, generator=generator)])
    share = (largest / 2 * torch.rand(rows, 1, generator=generator)).unsqueeze(-1)
    rms = embeddings.detach().square().mean().sqrt()
    strength = (rms * largest * torch.rand(rows, 1, generator=generator)).unsqueeze(-1)
    noise = torch.randn(embeddings.shape, generator=generator)
    return embeddings + share * (others.detach() - embeddings) + strength * noise


@torch.no_grad()
def share_right(
    model: PreTrainedModel,
    turns: Sequence[Turn],
    writer: LessonWriter,
) -> float:
    """The share of turns of which every learnt token is the likeliest one."""
    random = Random(0)
    right = 0
    for turn in turns:
        lesson = writer.write(turn, random)
        ids = torch.tensor([lesson.ids])
        hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[0, :-1]
        places = torch.tensor(lesson.learned[1:])
        said = model.get_output_embeddings()(hidden[places]).argmax(dim=-1)
        right += bool((said == ids[0, 1:][places]).all())
    return right / len(turns)
