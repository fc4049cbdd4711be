"""A prompt as the model reads it: rendered by the agent's own chat template and cut at its slots.

The whole conversation is rendered to text first, with a sentinel in each slot, and then cut; each piece is
tokenized by itself with no special tokens added, since the template has written them already. Source:
docs/protocol.md, "Messages and slots".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import jinja2

from recursivemas.errors import UserError
from recursivemas.prompts.guarded import TemplateLimitError, check_length, deadline, try_out
from recursivemas.prompts.template import Slot
from recursivemas.prompts.token_text import TokenText

PROMPT_DATE = "26 Jul 2024"
"""The date for templates that print one (Llama 3.2's: its own where it is told none). Left to itself such a
template prints today's, and a run's numbers would change overnight."""

ANOTHER_TEMPLATE = "Correct the repository's chat_template.jinja, or use another repository"

Segment = tuple[int, ...] | str
"""Token ids of one piece of text, or the name of the slot that stands there."""


@dataclass(frozen=True)
class ChatPrompt:
    """A rendered prompt."""

    segments: tuple[Segment, ...]
    """Pieces of text as token ids and slots by name, in order; pieces that hold no tokens are left out."""
    text: str
    """With each slot as `<slot:NAME>`."""

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(segment for segment in self.segments if isinstance(segment, str))

    @property
    def num_text_tokens(self) -> int:
        return sum(len(segment) for segment in self.segments if not isinstance(segment, str))

    def first_token_from(self, bound: int) -> int | None:
        """The first token id that is `bound` or more, None where there is none."""
        ids = (id_ for segment in self.segments if not isinstance(segment, str) for id_ in segment)
        return next((id_ for id_ in ids if id_ >= bound), None)

    def cut(self, count: int) -> ChatPrompt:
        """The same prompt, its first `count` token ids a piece of their own; they stand before any slot."""
        first, *others = self.segments
        return replace(self, segments=(first[:count], first[count:], *others))

    def length(self, latent_length: int) -> int:
        """Positions that the prompt takes when every slot holds `latent_length` latents."""
        return self.num_text_tokens + latent_length * len(self.slots)


class ChatRenderer:
    """Renders prompts by one tokenizer's chat template.

    Whether the template takes a system turn is found out once, here. `enable_thinking` is handed to the
    template, and templates that do not know it ignore it. Raises UserError for a tokenizer without a chat
    template and for a template that cannot render a plain user turn.
    """

    def __init__(self, tokenizer: Any, *, enable_thinking: bool = False) -> None:
        self.tokenizer = tokenizer
        self.enable_thinking = enable_thinking
        self._where = f"the chat template of {tokenizer.name_or_path or type(tokenizer).__name__}"
        if not tokenizer.chat_template:
            raise UserError(
                f"{self._where} is missing; prompts are rendered by the agent's own template, so use an "
                "instruction-tuned repository, or put a chat_template.jinja beside its tokenizer"
            )
        self._texts = TokenText(tokenizer)
        self._try_out()
        self.takes_system_turn = self._probe_system_turn()

    def render(
        self,
        system: str,
        prompt: Sequence[str | Slot],
        *,
        reply: str | None = None,
        broken_at: str | None = None,
    ) -> ChatPrompt:
        """The conversation of a system text and one user turn, cut at the user turn's slots.

        An empty system text makes no turn. Where the template refuses a system turn, its text goes in front
        of the user's, with a blank line between. Raises UserError when the template fails, or when it drops
        or repeats a slot.

        With a `reply` the assistant's turn follows in which it stands, closed as the template closes it, in
        place of the generation prompt: what a model learns from.

        `broken_at` is a mark that stands in the prompt wherever the text on both sides of it is not to be
        read as one token; it is not part of the text.
        """
        sentinels = _make_sentinels(system, [*prompt, reply or ""])
        user = "".join(sentinels[piece.name] if isinstance(piece, Slot) else piece for piece in prompt)
        return self._cut(self._render_turns(system, user, reply), sentinels, broken_at)

    def _try_out(self) -> None:
        try:
            template = self.tokenizer.get_chat_template()
            specials = {
                name: token
                for name, token in self.tokenizer.special_tokens_map.items()
                if isinstance(token, str)
            }
            switches = {"enable_thinking": self.enable_thinking, "date_string": PROMPT_DATE}
            try_out(template, {**specials, **switches, "add_generation_prompt": True})
        except TemplateLimitError as error:
            raise UserError(f"{self._where} {error}. {ANOTHER_TEMPLATE}") from error
        except (ValueError, TypeError) as error:  # several templates, and none of them the default
            raise UserError(f"{self._where} cannot be used: {error}. {ANOTHER_TEMPLATE}") from error

    def _probe_system_turn(self) -> bool:
        try:
            self._apply([_turn("system", "Be helpful."), _turn("user", "Hello.")])
        except jinja2.TemplateError as error:
            # A template's own raise_exception raises this very class, not a subclass.
            if type(error) is not jinja2.TemplateError:
                raise UserError(f"{self._where} fails: {error}. {ANOTHER_TEMPLATE}") from error
            self._render_turns("", "Hello.")
            return False
        return True

    def _render_turns(self, system: str, user: str, reply: str | None = None) -> str:
        if not system:
            turns = [_turn("user", user)]
        elif self.takes_system_turn:
            turns = [_turn("system", system), _turn("user", user)]
        else:
            turns = [_turn("user", f"{system}\n\n{user}")]
        if reply is not None:
            turns.append(_turn("assistant", reply))
        try:
            return self._apply(turns)
        except jinja2.TemplateError as error:
            raise UserError(
                f"{self._where} fails on a plain conversation: {error}. {ANOTHER_TEMPLATE}"
            ) from error

    def _apply(self, turns: list[dict[str, str]]) -> str:
        """The rendered text, with the generation prompt unless it ends in a reply.

        Raises jinja2.TemplateError as the template does, UserError for all else.
        """
        try:
            with deadline():
                text = self.tokenizer.apply_chat_template(
                    turns,
                    tokenize=False,
                    add_generation_prompt=turns[-1]["role"] == "user",
                    enable_thinking=self.enable_thinking,
                    date_string=PROMPT_DATE,
                )
            check_length(text, turns)
        except jinja2.TemplateError:
            raise
        except TemplateLimitError as error:
            raise UserError(f"{self._where} {error}. {ANOTHER_TEMPLATE}") from error
        except Exception as error:  # a template's code fails in any way there is
            raise UserError(
                f"{self._where} fails ({type(error).__name__}: {error}). {ANOTHER_TEMPLATE}"
            ) from error
        return text

    def _cut(self, text: str, sentinels: dict[str, str], broken_at: str | None = None) -> ChatPrompt:
        for name, sentinel in sentinels.items():
            if text.count(sentinel) != 1:
                raise UserError(
                    f"{self._where} shows the slot {name!r} {text.count(sentinel)} times; it has to keep the "
                    "user's text whole, once"
                )
        names = {sentinel: name for name, sentinel in sentinels.items()}
        pieces = re.split(f"({'|'.join(names)})", text) if names else [text]
        shown = "".join(str(Slot(names[piece])) if piece in names else piece for piece in pieces)
        if broken_at is not None:
            shown = shown.replace(broken_at, "")
        return ChatPrompt(self._segments(pieces, names, broken_at), shown)

    def _segments(
        self, pieces: list[str], names: dict[str, str], broken_at: str | None
    ) -> tuple[Segment, ...]:
        segments: list[Segment] = []
        for piece in pieces:
            if piece in names:
                segments.append(names[piece])
            elif broken_at is not None and broken_at in piece:
                segments.append(tuple(self._texts.ids_around(piece, broken_at)))
            elif ids := tuple(self.tokenizer.encode(piece, add_special_tokens=False, verbose=False)):
                segments.append(ids)
        return tuple(segments)


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _make_sentinels(system: str, prompt: Sequence[str | Slot]) -> dict[str, str]:
    """A sentinel for each slot, of letters and digits, whose stem stands nowhere in the texts.

    The `Z` stands only at the front, so no text beside a sentinel can complete a second one.
    """
    text = "\n".join([system, *(piece for piece in prompt if isinstance(piece, str))])
    stem = next(stem for stem in map("Zlatent{}at".format, count()) if stem not in text)
    slots = [piece.name for piece in prompt if isinstance(piece, Slot)]
    return {name: f"{stem}{index}end" for index, name in enumerate(slots)}
