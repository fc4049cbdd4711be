"""Choosing the next token, every row with its own random stream.

Shapes: B batch, V vocabulary.

A row's random numbers come from its own generator and are used up one a token, so what a question's text
becomes does not depend on its neighbours. The token is found by inverting the distribution in vocabulary
order: rounding differences between batches can then only matter within an ulp of a token's boundary.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from recursivemas.sampling import SamplingSettings


def random_stream(seed: int, question_id: str) -> random.Random:
    """The random numbers of one question: they depend on these two alone."""
    digest = hashlib.blake2b(f"{seed}\0{question_id}".encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


NO_TOKEN = -1
"""In place of a token id: the row's logits are not finite."""


class Sampler:
    """Chooses one token a row and step, remembering what each row has said (for the repetition penalty).

    `settings` must be resolved. `histories` are token ids that each row has generated before, [B] lists.
    """

    def __init__(
        self,
        settings: SamplingSettings,
        streams: Sequence[random.Random],
        histories: Sequence[Sequence[int]],
    ) -> None:
        self._chooser = TokenChooser(settings)
        self._greedy = settings.greedy
        self._streams = list(streams)
        self._histories = [list(history) for history in histories]
        self._seen: Tensor | None = None  # [B, V] bool, made when the vocabulary's size is known

    def choose(self, logits: Tensor) -> Tensor:
        """Next-token logits [B, V] -> token ids [B], as `TokenChooser.choose` has them."""
        fractions = None if self._greedy else [stream.random() for stream in self._streams]
        if self._seen is None and self._chooser.penalises:
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
            for row, history in enumerate(self._histories):
                self._seen[row, torch.tensor(history, dtype=torch.long, device=logits.device)] = True
        tokens = self._chooser.choose(
            logits, None if fractions is None else torch.tensor(fractions, dtype=torch.float64), self._seen
        )
        if self._seen is not None:
            self._seen.scatter_(1, tokens.clamp(min=0).unsqueeze(1), True)
        return tokens


class TokenChooser:
    """The arithmetic of choosing tokens: it knows no row, and waits for no device.

    `settings` must be resolved.
    """

    def __init__(self, settings: SamplingSettings) -> None:
        self._greedy = settings.greedy
        self._penalty = settings.repetition_penalty
        self._warpers = _warpers(settings)

    @property
    def penalises(self) -> bool:
        """Whether it has to know what rows have said."""
        return self._penalty != 1.0

    def choose(self, logits: Tensor, fractions: Tensor | None, seen: Tensor | None) -> Tensor:
        """Next-token logits [B, V] -> token ids [B], NO_TOKEN for a row that holds NaN or an infinite peak.

        `fractions` [B] are the rows' random numbers in float64, None where the likeliest tokens are taken;
        `seen` [B, V] says what a row has said before, None where it does not count. Single tokens may be
        ruled out by -inf. Whoever reads the tokens learns of the row that failed: no step waits for the
        device on its account.
        """
        if seen is not None:
            logits = self._penalise(logits, seen)
        peaks = logits.amax(dim=-1, keepdim=True)  # [B, 1]; of a row with NaN: NaN
        if fractions is None:
            tokens = logits.argmax(dim=-1)  # [B]
        else:
            no_ids = torch.empty(len(logits), 0, dtype=torch.long, device=logits.device)
            # With its peak at 0, no temperature can make a row overflow, however small it is.
            tokens = _invert(self._warpers(no_ids, logits - peaks), fractions)
        return tokens.where(peaks.squeeze(1).isfinite(), NO_TOKEN)

    def _penalise(self, logits: Tensor, seen: Tensor) -> Tensor:
        """Make what a row has already said less likely (Keskar et al. 2019, as in transformers)."""
        penalty = self._penalty
        return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def _warpers(settings: SamplingSettings) -> LogitsProcessorList:
    """The distribution's filters in the order in which transformers' `generate` applies them."""
    temperature = max(settings.temperature, torch.finfo(torch.float32).tiny)  # dividing by less is by 0
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if settings.top_k:
        warpers.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        warpers.append(TopPLogitsWarper(settings.top_p))
    if settings.min_p:
        warpers.append(MinPLogitsWarper(settings.min_p))
    return warpers


def _invert(scores: Tensor, fractions: Tensor) -> Tensor:
    """Scores [B, V], numbers [B] in [0, 1) -> tokens [B] at which the cumulated probability passes them."""
    device = scores.device
    if device.type == "mps":  # has no float64
        scores = scores.cpu()
    cumulated = scores.double().softmax(dim=-1).cumsum(dim=-1)  # [B, V]
    fractions = fractions.to(scores.device).unsqueeze(1)  # [B, 1]
    tokens = torch.searchsorted(cumulated, fractions * cumulated[:, -1:], right=True).squeeze(1)
    # Rounding may put a target on the total itself, past the last token that has any probability.
    last = (scores > -torch.inf).long().cumsum(dim=-1).argmax(dim=-1)  # [B]
    return torch.minimum(tokens, last).to(device)
