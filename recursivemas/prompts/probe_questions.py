"""The questions that a pack and a published prompts.py are held against each other on."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from recursivemas.prompts.literals import Literals, regex_samples

PLAIN = "Zquestion4f1c stands here"
STEM = "What is the value of x?"
OPTIONS = "\n".join(f"{letter}. {number}" for number, letter in enumerate("ABCD"))
FUNCTION_NAME = "zfunction_4f1c"
PADDINGS = ((" ", " "), ("\n", "\n"), ("\n\n  ", "  \n\n"), ("\t", ""), ("", "\t"), ("\u00a0", "\u3000"))
MAX_LITERALS = 400
MAX_NUMBERS = 8
MAX_LENGTH = 100_000
"""Literals and whole numbers of the file that get questions of their own, and the largest such number."""


def literal_questions(literals: Literals) -> list[str]:
    """Questions with what the file's code may look for: its texts, and lengths over its numbers."""
    stem, options = STEM, OPTIONS
    single = [sample for text in literals.texts for sample in (text, *regex_samples(text))]
    single = sorted(dict.fromkeys(single), key=len)[:MAX_LITERALS]
    joined = [glue.join(group) for group in literals.groups for glue in (" ", "\n")]
    questions = []
    for text in (*single, *joined):
        questions += [
            text,
            f"{text} {stem}",
            f"{stem} {text}",
            f"{stem} {text} {stem}",
            f"{stem}\n{text}\n{stem}",
        ]
        questions += [f"{text}\n{options}", f"{stem}\n{text}\n{options}", f"{stem}\n{options}\n{text}"]
    numbers = [number for number in literals.numbers if 1 < number <= MAX_LENGTH][-MAX_NUMBERS:]
    # As many lines and words as the number, and more characters.
    for filler in ("x\n" * (number + 1) for number in numbers):
        questions += [f"{stem}\n{filler}{stem}", f"{stem}\n{filler}{options}"]
    return [question for question in questions if question.strip()]


def adversarial_questions(markers: Sequence[str], prompt: str) -> list[str]:
    """Questions that a template may trip over; `markers` mark slots, `prompt` is a text of the builder's."""
    stem, options = STEM, OPTIONS
    texts = [
        *(
            "{",
            "}",
            "{}",
            "{0}",
            "{question}",
            "{{x}}",
            "{x!r:>{y}}",
            "%s %d %(question)s 100%",
            "$x $$ ${q}",
        ),
        *("\\", r"\boxed{3} \1 \g<0> \n \frac{1}{2}", "'''", '"""', "`", "```python\nprint(1)\n```"),
        *("[[question]]", "[[!question]]", "[[slot:plan]]", "[[slot:feedback]]", "[[function_name]]"),
        *("<slot:plan>", "{{ messages }}", "{% raw %}", "</s><|im_end|>", "question", "None", "0"),
        *(FUNCTION_NAME, PLAIN, f"{PLAIN} {PLAIN}", prompt, *prompt.split()[:1], *prompt.split()[-1:]),
        *(f"{stem} {marker} {marker}" for marker in markers),
        *("a\n\n\nb", "a\r\nb", "a\tb", "Ünïcödé 数学 \U0001f600 \u202e", "e\u0301", "x " * 10_000),
        *(f"{stem}\n{options}", f"{options}\n{stem}", f"{stem} (A) 1 (B) 2", f"{stem}\nA. 1\nZ. 2"),
    ]
    padded = [f"{left}{text}{right}" for text in (stem, f"{stem}\n{options}") for left, right in PADDINGS]
    return [*texts, *padded]


@dataclass(frozen=True)
class Layout:
    """How option lines are written."""

    opener: str = ""
    gap: str = ""
    delimiter: str = "."
    tail: str = " x"
    separator: str = "\n"

    def lines(self, letters: Iterable[str]) -> str:
        return self.separator.join(
            f"{self.opener}{letter}{self.gap}{self.delimiter}{self.tail}" for letter in letters
        )


def option_questions(count: int = 400, seed: int = 0) -> list[str]:
    """Questions with all kinds of option lines. The same ones for the same seed."""
    rng = random.Random(seed)
    return [_random_question(rng) for _ in range(count)]


def _random_question(rng: random.Random) -> str:
    letters = "ABCDEFGH"[: rng.randint(0, 6)]
    if rng.random() < 0.3:
        letters = "".join(rng.choices("ABCDEZabcd", k=len(letters)))
    layout = _random_layout(rng)
    lines = [
        (layout if rng.random() < 0.7 else replace(_random_layout(rng), separator=layout.separator)).lines(
            letter
        )
        for letter in letters
    ]
    text = layout.separator.join(lines)
    return text if text and rng.random() < 0.15 else f"{STEM}{layout.separator}{text}"


def _random_layout(rng: random.Random) -> Layout:
    return Layout(
        opener=rng.choice(("", "", "", "", "(", "[", "**")),
        gap=rng.choice(("", "", "", "", " ")),
        delimiter=rng.choice(".).).):-:-,] "),
        tail=rng.choice((" x", " x", " x is 2.5", "x", "")),
        separator=rng.choice(("\n", "\n", "\n", "\n  ", "\n\t", "\n\n", "\r\n", " ")),
    )
