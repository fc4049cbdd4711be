"""Finds out by asking which questions a prompt builder takes for choice questions.

The builder is a black box that answers yes or no. Its rule is put together one component at a time, each the
first candidate that agrees with the builder on questions made for that component. `option_questions` are then
for the caller to check the whole rule on.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from recursivemas.errors import UserError
from recursivemas.prompts.choice import LINE_BREAKS, ChoiceRule

Ask = Callable[[str], bool]

STEM = "Which of these holds?"
OPENERS = ("", "(", "[", "{", "<", "*", "**", "#", "- ", "* ", "> ")
DELIMITERS = ".):-,;]}>=/|*_ \t。、．）：–—"
ANYWHERE = (r"\b", "")
LINE_BREAK = LINE_BREAKS.encode("unicode_escape").decode()
SAME_LINE = (r"[^\S\n]", rf"[^\S{LINE_BREAK}]")
"""White space within a line, for builders that split at newlines and at all line breaks."""

STARTS = (
    r"(?m:^)",
    r"(?:\A\s*|(?m:^))",
    r"(?<=\n)",
    f"(?<![^{LINE_BREAK}])",
    r"(?<!\S)",
    *ANYWHERE,
)
READS_NEWLINE = r"(?:\A|\n)"
"""As the first of STARTS, but an option that reads the line break behind it hides the next one."""

INDENTS = ("", r"\s*", *(f"{space}*" for space in SAME_LINE), r"[ \t]*", r" *", r" {0,3}")
GAPS = ("", r"\s*", r"[ \t]*", r" *", r"\s?", r" ?", *(f"{space}*" for space in SAME_LINE))
TAILS = (
    "",
    r"(?=\s)",
    r"(?!\S)",
    r"(?=[ \t])",
    r"(?= )",
    r"(?=\s*\S)",
    r"(?=\s+\S)",
    r"(?=[ \t]*\S)",
    r"(?=[ \t]+\S)",
    r"(?= *\S)",
    r"(?= +\S)",
    r"(?=.)",
    r"(?=\s*.)",
    r"(?=\s+.)",
    *(f"(?={space}{rest})" for space in SAME_LINE for rest in ("", r"*\S", r"+\S")),
    *(f"(?={space}+{rest})" for space, rest in zip(SAME_LINE, (".", f"[^{LINE_BREAK}]"), strict=True)),
    # These read on, so that a line right after a bare letter may be no option of its own.
    r"\s",
    r"\s+",
    r"\s*",
    r"\s*\S",
    r"\s+\S",
    r"\s*\S.*",
    r"\s+\S.*",
    r"\s*.+",
    r"\s+.+",
)


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

    def question(self, letters: Iterable[str]) -> str:
        return f"{STEM}{self.separator}{self.lines(letters)}"


LAYOUTS = (
    *(Layout(delimiter=delimiter) for delimiter in ".):-"),
    Layout(opener="(", delimiter=")"),
    Layout(opener="[", delimiter="]"),
    Layout(opener="**", delimiter="."),
)
"""The layouts in one of which every rule that is known here sees an option."""


@dataclass(frozen=True)
class OptionPattern:
    """The components of the regular expression for one option."""

    start: str
    indent: str
    heads: tuple[tuple[tuple[str, ...], str], ...]
    letters: str
    gap: str = ""
    tail: str = ""

    def regex(self) -> str:
        heads = [
            f"{_any_of(openers)}([{self.letters}]){self.gap}{_one_of(delimiters)}"
            for openers, delimiters in self.heads
        ]
        head = heads[0] if len(heads) == 1 else f"(?:{'|'.join(heads)})"
        return f"{self.start}{self.indent}{head}{self.tail}"


def infer_choice_rule(lettered: Ask) -> ChoiceRule:
    """The rule by which `lettered` decides; for some layout of `LAYOUTS`, options A to D have to be lettered.

    The rule is a hypothesis that agrees with the questions asked. Raises UserError where no candidate does.
    """
    layout = next((layout for layout in LAYOUTS if lettered(layout.question("ABCD"))), None)
    if layout is None:
        raise UserError("it takes none of the known layouts of options A to D for a choice question")
    counting, letters, fewest = _infer_counting(lambda letters: lettered(layout.question(letters)))
    if lettered(layout.question(letter.lower() for letter in fewest)):
        letters += letters.lower()
    head = ((layout.opener,), layout.delimiter)
    pattern = OptionPattern(STARTS[0], "", (head,), _letter_class(letters))

    def first_fit(what: str, candidates: Iterable[OptionPattern], probes: Iterable[str]) -> OptionPattern:
        answers = [(probe, lettered(probe)) for probe in probes]
        for candidate in candidates:
            rule = replace(counting, option=candidate.regex())
            if all(rule.matches(probe) == answer for probe, answer in answers):
                return candidate
        raise UserError(f"{what} of its option lines follows no rule that is known here")

    pattern = first_fit(
        "the start",
        (replace(pattern, start=start, indent=indent) for start, indent in product(STARTS, INDENTS)),
        _start_probes(layout, fewest),
    )
    # Where an option may start anywhere, what stands in front of it is no part of it.
    openers = (layout.opener,) if pattern.start in ANYWHERE else OPENERS
    pattern = replace(pattern, heads=_infer_heads(lettered, layout, fewest, openers))
    gap_probes = [replace(layout, gap=gap).question(fewest) for gap in (" ", "  ", "\t", "\u00a0")]
    pattern = first_fit("the letter", (replace(pattern, gap=gap) for gap in GAPS), gap_probes)
    starts = (pattern.start, READS_NEWLINE) if pattern.start == STARTS[0] else (pattern.start,)
    pattern = first_fit(
        "the text",
        (replace(pattern, start=start, tail=tail) for start, tail in product(starts, TAILS)),
        [*_tail_probes(layout, fewest), *option_questions(200, seed=1)],
    )
    return replace(counting, option=pattern.regex())


def option_questions(count: int = 400, seed: int = 0) -> list[str]:
    """Questions with all kinds of option lines, for checking a rule. The same ones for the same seed."""
    rng = random.Random(seed)
    return [_random_question(rng) for _ in range(count)]


def _infer_counting(ask: Callable[[Sequence[str]], bool]) -> tuple[ChoiceRule, str, list[str]]:
    """How letters are counted, which ones count (in upper case), and the fewest letters that suffice."""
    subsets = [letters for size in range(1, 6) for letters in combinations("ABCDE", size)]
    sufficient = [set(letters) for letters in subsets if ask(letters)]
    if not sufficient:
        raise UserError("it counts letters by no rule that is known here")
    fewest = sorted(sufficient[0])
    needs = {letter for letter in set.intersection(*sufficient) if not _is_replaced(letter, fewest, ask)}
    free = [letter for letter in fewest if letter not in needs]
    counted = set(fewest)
    repeats = False
    if free:
        rest = [letter for letter in fewest if letter != free[0]]
        others = (letter for letter in string.ascii_uppercase if letter not in fewest)
        counted |= {letter for letter in others if ask(sorted([*rest, letter]))}
        repeats = bool(rest) and ask(sorted([*rest, rest[0]]))
    rule = ChoiceRule(
        option="(.)",
        needs="".join(sorted(needs)),
        at_least=len(fewest),
        count_repeats=repeats,
        in_order=len(needs) > 1 and not ask(fewest[::-1]),
    )
    return rule, "".join(sorted(counted)), fewest


def _is_replaced(letter: str, letters: Sequence[str], ask: Callable[[Sequence[str]], bool]) -> bool:
    """Whether one of the letters may stand a second time in place of this one."""
    rest = [other for other in letters if other != letter]
    return any(ask(sorted([*rest, other])) for other in rest)


def _infer_heads(
    lettered: Ask, layout: Layout, letters: Sequence[str], openers: Iterable[str]
) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Openers that share their delimiters, with those delimiters."""
    shared: dict[str, list[str]] = {}
    for opener in openers:
        accepted = [
            delimiter
            for delimiter in DELIMITERS
            if lettered(replace(layout, opener=opener, delimiter=delimiter).question(letters))
        ]
        if accepted:
            shared.setdefault("".join(accepted), []).append(opener)
    return tuple((tuple(openers), delimiters) for delimiters, openers in shared.items())


def _start_probes(layout: Layout, letters: Sequence[str]) -> list[str]:
    separators = ["\n", "\n ", "\n   ", "\n      ", "\n\t", "\n\u00a0", "\n\n"]
    separators += ["\r\n", "\r", "\f", "\u2028", " ", ", ", "/", "x"]
    probes = [replace(layout, separator=separator).question(letters) for separator in separators]
    return [*probes, layout.lines(letters), f"  {layout.lines(letters)}", f"\n{layout.lines(letters)}"]


def _tail_probes(layout: Layout, letters: Sequence[str]) -> list[str]:
    tails = ["x", " x", "  x", "\tx", "\u00a0x", "", " ", " \t"]
    probes = []
    for tail, separator in product(tails, ("\n", "\n\n", "\u2028")):
        lines = replace(layout, tail=tail, separator=separator)
        whole, first, last = lines.question(letters), letters[:1], letters[-1:]
        bare_first = f"{replace(lines, tail='').question(first)}{separator}{lines.lines(letters[1:])}"
        full_first = replace(lines, tail=" x").question(letters[:-1])
        other_last = f"{full_first}{separator}{lines.lines(last)}"
        probes += [whole, f"{whole}\n", f"{whole}{separator}x", bare_first, other_last, f"{other_last}\n"]
    return probes


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


def _letter_class(letters: str) -> str:
    """The letters as the inside of a character class, runs of three and more as ranges."""
    runs: list[str] = []
    for letter in sorted(letters):
        if runs and ord(letter) == ord(runs[-1][-1]) + 1:
            runs[-1] += letter
        else:
            runs.append(letter)
    return "".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else run for run in runs)


def _any_of(openers: Sequence[str]) -> str:
    patterns = [re.escape(opener) for opener in openers if opener]
    if not patterns:
        return ""
    alternatives = f"(?:{'|'.join(patterns)})" if len(patterns) > 1 or "" in openers else patterns[0]
    return f"{alternatives}?" if "" in openers else alternatives


def _one_of(characters: str) -> str:
    escaped = re.sub(r"([]^-])", r"\\\1", characters)
    return f"[{escaped}]"
