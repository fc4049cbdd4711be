"""The slow twin: a system in the published order of work, written plainly with transformers.

Batch by batch. For each stage of a batch the agent's model, tokenizer and inner link are loaded from disk
anew; a rollout runs the whole left-padded batch through the model again at every latent step; the answer is
written by `generate`, until the batch's longest row is done. What it shares with the library are the style as
data, the prompts' words, and the links. Where we differ from the published code on purpose it does as we do,
so that the texts are the same: the answer retry goes on behind the whole sequence, which is read again for
it, and mixture writes its summary in the last round alone. Both cost it less. Its agents have no tools.

Shapes: B batch, T positions, L latent steps, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel

from recursivemas.agents.checkpoint import read_outline
from recursivemas.grading import has_answer
from recursivemas.links import InnerLink, load_inner_link, load_outer_link
from recursivemas.prompts import ChatRenderer, PromptSource
from recursivemas.prompts.source import PromptRequest
from recursivemas.question import Question
from recursivemas.release.resolve import ReleaseFiles, model_view
from recursivemas.styles import LinkSpec, Style

RETRY_TOKENS = 16


def left_pad(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows [T_i, D] -> embeddings [B, T, D] with zeros in front, and their mask [B, T]."""
    longest = max(map(len, rows))
    embeddings = rows[0].new_zeros(len(rows), longest, rows[0].shape[-1])
    mask = torch.zeros(len(rows), longest, dtype=torch.long, device=rows[0].device)
    for index, row in enumerate(rows):
        embeddings[index, longest - len(row) :] = row
        mask[index, longest - len(row) :] = 1
    return embeddings, mask


def roll_out(model: PreTrainedModel, link: InnerLink, embeddings: Tensor, mask: Tensor) -> Iterator[Tensor]:
    """Thoughts [B, D] without end, each by running the whole batch again.

    Source: docs/protocol.md, "Latent rollout".
    """
    while True:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        outputs = model.get_decoder()(
            inputs_embeds=embeddings, attention_mask=mask, position_ids=positions, use_cache=False
        )
        thought = link(outputs.last_hidden_state[:, -1])
        yield thought
        embeddings = torch.cat([embeddings, thought.to(embeddings.dtype).unsqueeze(1)], dim=1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)


@dataclass(kw_only=True)
class PublishedOrder:
    """A system that solves batches of questions, and tells the token ids that were written for each."""

    style: Style
    files: ReleaseFiles
    prompts: PromptSource
    num_rounds: int
    latent_length: int
    max_new_tokens: int
    dtype: torch.dtype
    device: str

    @torch.no_grad()
    def solve(self, questions: Sequence[Question], batch_size: int) -> list[tuple[int, ...]]:
        starts = range(0, len(questions), batch_size)
        return [ids for start in starts for ids in self._solve_batch(questions[start : start + batch_size])]

    def _solve_batch(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        sent: dict[LinkSpec, Tensor] = {}
        for number in range(1, self.num_rounds + 1):
            for role in self.style.roles:
                is_last = number == self.num_rounds
                received = {
                    link.slot: sent[link] for link in self.style.inbound(role, with_feedback=number > 1)
                }
                stage = self._load(role, questions, self.style.reads_feedback(role, number))
                rows = stage.embed_prompts(received)
                if is_last and role == self.style.answering_role:
                    return stage.write_answers(rows, self.max_new_tokens)
                thoughts = stage.think(rows, self.latent_length)
                for link in self.style.outbound(role, with_feedback=not is_last):
                    sent[link] = self._carry(link, stage.hidden_size, thoughts)
        raise AssertionError("the answering agent comes last")

    def _load(self, role: str, questions: Sequence[Question], feedback: bool) -> Stage:
        files = self.files.agents[role]
        with model_view(files.model_dir) as view:
            model = AutoModelForCausalLM.from_pretrained(view, dtype=self.dtype).to(self.device).eval()
            tokenizer = AutoTokenizer.from_pretrained(view)
        hidden_size = model.config.get_text_config().hidden_size
        link = load_inner_link(
            files.inner_link, variant=files.inner_variant, hidden_size=hidden_size, dtype=self.dtype
        )
        return Stage(
            model=model,
            tokenizer=tokenizer,
            inner_link=link.to(self.device),
            prompts=self.prompts,
            prompt=self.style.agent(role).prompt,
            questions=questions,
            feedback=feedback,
        )

    def _carry(self, link: LinkSpec, source_size: int, thoughts: Tensor) -> Tensor:
        file = self.files.links[link.source, link.target]
        target_size = read_outline(self.files.agents[link.target].model_dir, weights=False).config.hidden_size
        module = load_outer_link(
            file.path,
            variant=file.variant,
            source=(link.source, source_size),
            target=(link.target, target_size),
            dtype=self.dtype,
        )
        return module.to(self.device)(thoughts)


@dataclass(kw_only=True)
class Stage:
    """One agent's turn on a batch, its model loaded for it."""

    model: PreTrainedModel
    tokenizer: Any
    inner_link: InnerLink
    prompts: PromptSource
    prompt: str
    questions: Sequence[Question]
    feedback: bool

    @property
    def hidden_size(self) -> int:
        return self.inner_link.hidden_size

    def embed(self, token_ids: Sequence[int]) -> Tensor:
        """Token ids [T] -> input embeddings [T, D]."""
        ids = torch.tensor(list(token_ids), dtype=torch.long, device=self.model.device)
        return self.model.get_input_embeddings()(ids)

    def embed_prompts(self, received: Mapping[str, Tensor]) -> list[Tensor]:
        """Each question's prompt [T_i, D], with the messages [B, L, D] in its slots."""
        renderer = ChatRenderer(self.tokenizer)
        system = self.prompts.system(self.prompt)
        asked = [
            PromptRequest(prompt=self.prompt, question=question, feedback=self.feedback)
            for question in self.questions
        ]
        rows = []
        for row, pieces in enumerate(self.prompts.write(asked)):
            segments = renderer.render(system, pieces).segments
            parts = [
                received[part][row].to(self.model.dtype) if isinstance(part, str) else self.embed(part)
                for part in segments
            ]
            rows.append(torch.cat(parts))
        return rows

    def think(self, rows: Sequence[Tensor], latent_length: int) -> Tensor:
        """Thoughts [B, L, D]."""
        if latent_length == 0:
            return rows[0].new_zeros(len(rows), 0, self.hidden_size)
        thoughts = roll_out(self.model, self.inner_link, *left_pad(rows))
        return torch.stack(list(islice(thoughts, latent_length)), dim=1)

    def write_answers(self, rows: Sequence[Tensor], max_new_tokens: int) -> list[tuple[int, ...]]:
        """Token ids of each answer; those in which none can be read are asked for again."""
        written = self._write(rows, max_new_tokens)
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in written]
        unread = [
            index for index, question in enumerate(self.questions) if not has_answer(texts[index], question)
        ]
        if unread:
            longer = [
                torch.cat([rows[index], self.embed(written[index]), self._cue(index)]) for index in unread
            ]
            for index, more in zip(unread, self._write(longer, RETRY_TOKENS), strict=True):
                written[index] += more
        return written

    def _cue(self, index: int) -> Tensor:
        kind = self.prompts.kind_of(self.questions[index], self.prompt)
        cue = self.prompts.retry_cue(kind)
        text = cue if cue.startswith("\n") else f"\n{cue}"
        return self.embed(self.tokenizer(text, add_special_tokens=False).input_ids)

    def _write(self, rows: Sequence[Tensor], max_new_tokens: int) -> list[tuple[int, ...]]:
        embeddings, mask = left_pad(rows)
        end = self.tokenizer.eos_token_id
        greedy = GenerationConfig(
            do_sample=False,
            repetition_penalty=1.0,
            max_new_tokens=max_new_tokens,
            eos_token_id=end,
            pad_token_id=end,
        )
        output = self.model.generate(
            inputs_embeds=embeddings, attention_mask=mask, generation_config=greedy
        ).tolist()
        return [tuple(ids[: ids.index(end)] if end in ids else ids) for ids in output]
