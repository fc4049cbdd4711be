"""Messages in latent space, looked at one by one: their size, their latents, and what they say in words.

Shapes: L latent steps, D_tgt the reader's hidden size. Nothing here needs torch, but the latents themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from recursivemas.errors import UserError, did_you_mean
from recursivemas.output.html import render
from recursivemas.values import Count, Real, Text

if TYPE_CHECKING:
    from torch import Tensor

SHOWN_TOKENS = 3
"""Of each kind, a latent, where a message is shown."""
NAME = re.compile(r"r(\d+)/(.+)")


@dataclass(frozen=True)
class MessageSize:
    """How large a message is."""

    shape: tuple[Count, Count]
    """[L, D_tgt]."""
    norm: Real
    """Its latents' mean L2 norm to six digits, 0 where there are none."""


Token = tuple[Text, Real]
"""A token as it stands in a text, and a probability or a cosine."""


@dataclass(frozen=True, kw_only=True)
class Lens:
    """A message in words: for each latent some tokens, the foremost first."""

    heard: tuple[tuple[Token, ...], ...]
    """Those of the receiver whose input embeddings are nearest, with their cosines."""
    said: tuple[tuple[Token, ...], ...] = ()
    """Those that the sender's head finds likeliest at that step, with their probabilities; none where its
    engine does not hand out hidden states."""

    @property
    def text(self) -> str:
        """The foremost tokens that were heard, one after the other."""
        return "".join(step[0][0] for step in self.heard if step)


class NoMessageError(UserError, KeyError):
    """A message that was not kept, or that there is none of."""

    __str__ = Exception.__str__  # KeyError's shows the message as a key


class Messages(Mapping[str, "Tensor"]):
    """The latents [L, D_tgt] that were kept, by `r{round}/{source}->{target}`.

    `sent` are all that there were. Asking for one that was not kept, or that there is none of, is a
    NoMessageError with the reason.
    """

    def __init__(self, kept: Mapping[str, Tensor], sent: Mapping[str, MessageSize], why_none: str) -> None:
        self._kept = dict(kept)
        self._sent = sent
        self._why_none = why_none

    def __getitem__(self, name: str) -> Tensor:
        if name in self._kept:
            return self._kept[name]
        if name in self._sent:
            raise NoMessageError(
                f"the latents of message {name} were not kept; solve(..., save_latents=True) keeps them"
            )
        known = ", ".join(self._sent or self._kept)
        raise NoMessageError(
            f"there is no message {name!r}{did_you_mean(name, self._sent)}; "
            + (f"there are {known}" if known else self._why_none)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        if not self._kept:
            cure = f"{len(self._sent)} were sent; solve(..., save_latents=True) keeps them"
            return f"<Messages: none kept ({cure if self._sent else self._why_none})>"
        return f"<Messages: {', '.join(f'{name} {list(one.shape)}' for name, one in self._kept.items())}>"


@dataclass(frozen=True, kw_only=True, eq=False)
class Message:
    """What went over one link in one round."""

    name: str
    """`r{round}/{source}->{target}`."""
    size: MessageSize
    words: Lens | None = field(default=None, repr=False)
    """What `lens` hands out; None where the message was not put into words."""
    read_latents: Callable[[], Tensor] = field(repr=False)
    """Where `latents` come from."""

    @property
    def shape(self) -> tuple[int, int]:
        """[L, D_tgt]."""
        return self.size.shape

    @property
    def norm(self) -> float:
        """Its latents' mean L2 norm."""
        return self.size.norm

    @cached_property
    def latents(self) -> Tensor:
        """The tensor [L, D_tgt] as it was sent. Raises UserError where it was not kept."""
        return self.read_latents()

    @property
    def has_lens(self) -> bool:
        """Whether the message was put into words."""
        return self.words is not None

    @property
    def lens(self) -> Lens:
        """The message in words. Raises UserError where it was not put into words (`has_lens`)."""
        if self.words is None:
            raise NoMessageError(
                f"message {self.name} was not put into words; solve with lens=True, or run with --lens"
            )
        return self.words

    @property
    def text(self) -> str:
        """The message in words, the foremost token a latent. Raises UserError where there is no lens."""
        return self.lens.text

    def _repr_html_(self) -> str:
        """Its size, and in words a row a latent."""
        return render("message", message=self, num_tokens=SHOWN_TOKENS)


def find_message(
    sent: Mapping[str, MessageSize], whose: str, where: tuple[int, str, str], why_none: str
) -> str:
    """The name of the message in that round from that source to that target.

    Raises NoMessageError, which says what there is; `why_none` where there is nothing.
    """
    number, source, target = where
    link = f"{source}->{target}"
    if (name := f"r{number}/{link}") in sent:
        return name
    if not sent:
        raise NoMessageError(f"{whose} has no messages: {why_none}")
    rounds: dict[str, list[str]] = {}
    for one in sent:
        if found := NAME.fullmatch(one):
            rounds.setdefault(found[2], []).append(found[1])
    if link not in rounds:
        raise NoMessageError(
            f"{whose} has no message from {source!r} to {target!r}{did_you_mean(link, rounds)}; its "
            f"links are {', '.join(rounds)}"
        )
    raise NoMessageError(
        f"{whose} has no message over {link} in round {number!r}; there is one in round "
        f"{', '.join(rounds[link])}"
    )
