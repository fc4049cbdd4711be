"""From letters to token ids and back, where a tokenizer would do more than that.

Text from elsewhere (a tool's result, a question) may be spelled like a control token, and some tokenizers put
a space in front of whatever they take for a beginning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import count
from typing import Any

CONTROL = re.compile(r"[<\[].*\w.*[>\]]", re.DOTALL)
SENTINELS = ("a", "\n", ".")
"""Texts to go on from: one of them ends where a token ends, whatever follows."""
CONTEXT_TOKENS = 8
"""How many ids before a text decide how it is decoded: enough for a letter of several bytes."""


class TokenText:
    """Texts as one tokenizer's token ids."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def plain_ids(self, text: str) -> list[int]:
        """Token ids of a text from elsewhere that goes on where another one ends.

        What is spelled like a control token in it is plain text: it is tokenized in two pieces. No space is
        put in front, as some tokenizers do with a text that they take for a beginning.
        """
        ids: list[int] = []
        while control := self._controls.search(text):
            ids += self.continuing_ids(text[: control.start() + 1])
            text = text[control.start() + 1 :]
        return ids + self.continuing_ids(text)

    def text(self, token_ids: Sequence[int], *, after: Sequence[int] = ()) -> str:
        """The text of token ids, letter by letter, special tokens left out.

        `after` are the ids before them, if any: some tokenizers drop the space that a text begins with.
        """
        before = self._decode(after[-CONTEXT_TOKENS:])
        whole = self._decode([*after[-CONTEXT_TOKENS:], *token_ids])
        return whole[len(before) :] if whole.startswith(before) else self._decode(token_ids)

    def without_controls(self, text: str) -> str:
        """A text in which nothing is spelled like a control token: a space is put into what is."""
        return self._controls.sub(lambda control: f"{control[0][0]} {control[0][1:]}", text)

    @cached_property
    def _controls(self) -> re.Pattern[str]:
        """Every added token that is a mark (<|im_end|>, </think>, [INST]) and not white space or a word."""
        added = [token.content for token in self.tokenizer.added_tokens_decoder.values()]
        marks = sorted(filter(CONTROL.fullmatch, added), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, marks)) or r"(?!)")

    def find_break(self, text: str) -> str | None:
        """A mark, standing nowhere in the text, to break its control tokens with; None where it has none."""
        if not self._controls.search(text):
            return None
        return next(mark for mark in map("Zplain{}at".format, count()) if mark not in text)

    def break_controls(self, text: str, mark: str) -> str:
        """The text with the mark inside of everything that is spelled like a control token."""
        return self._controls.sub(lambda control: f"{control[0][0]}{mark}{control[0][1:]}", text)

    def ids_around(self, text: str, mark: str) -> list[int]:
        """Token ids of a text broken at each mark, control tokens in one piece read as such."""
        first, *rest = text.split(mark)
        ids = self._encode(first, plain=False)
        for piece in rest:
            ids += self.continuing_ids(piece, plain=False)
        return ids

    def continuing_ids(self, text: str, *, plain: bool = True) -> list[int]:
        """Token ids of a text that goes on where another one ends; with `plain`, special tokens as text."""
        if not text:
            return []
        alone = self._encode(text, plain=plain)
        for sentinel in SENTINELS:
            before = self._encode(sentinel, plain=plain)
            both = self._encode(sentinel + text, plain=plain)
            for ids in (alone, both[len(before) :]):
                if self._decode([*before, *ids], plain=plain) == sentinel + text:
                    return ids
        return alone

    def _encode(self, text: str, *, plain: bool = True) -> list[int]:
        encoded = self.tokenizer(text, add_special_tokens=False, split_special_tokens=plain)
        return list(encoded.input_ids)

    def _decode(self, token_ids: Sequence[int], *, plain: bool = True) -> str:
        decoded = self.tokenizer.decode(
            token_ids, skip_special_tokens=plain, clean_up_tokenization_spaces=False
        )
        return str(decoded)
