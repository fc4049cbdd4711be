"""Reads the builders of a published prompts.py into a prompt pack.

The checkpoints were trained with the texts of that file. Each builder is treated as a black box: sentinels
show where it puts the question, the function's name and the slots; questions with lettered lines show what it
takes for a choice question. The finished pack is then held against every builder on questions made to tell
the two apart, among them some with the texts that the file's code may look for; a builder that the pack does
not reproduce to the letter on them is an error. Blank questions are outside this promise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import cast

from recursivemas.prompts.choice import ChoiceRule
from recursivemas.prompts.infer_choice import LAYOUTS, infer_choice_rule
from recursivemas.prompts.literals import read_literals
from recursivemas.prompts.pack import KINDS, PromptPack, load_pack
from recursivemas.prompts.probe_questions import (
    FUNCTION_NAME,
    PLAIN,
    adversarial_questions,
    literal_questions,
)
from recursivemas.prompts.published import (
    ROLE_BUILDERS,
    SYSTEM_BUILDER,
    SYSTEM_CONSTANT,
    Call,
    PromptImportError,
    PublishedPrompts,
    RoleBuilders,
)
from recursivemas.prompts.template import TRIMS, FunctionName, Part, QuestionText, Slot, Template
from recursivemas.question import CODE_KINDS, Question, TaskKind
from recursivemas.styles import SINGLE_PROMPT

LETTERED = tuple(f"{PLAIN}\n{layout.lines('ABCD')}" for layout in LAYOUTS)
PADDING = (" \n\t ", "\t \n ")

RULE_ADVICE = (
    "write the rule yourself, as YAML like the entries of choice_lines in a prompt pack (option, needs, "
    "at_least), and give the file with --choice_lines FILE (in Python: choice_rule=load_choice_rule(FILE))"
)
Build = Callable[[str], str]
"""A builder with everything but the question's text filled in."""


@dataclass(frozen=True, kw_only=True)
class ImportedPrompts:
    """A pack, and what it was held against.

    `num_questions` different questions were put to the builders. On `num_apart` of them a choice rule of the
    user's own differs from a builder; without one the import refuses the first such question.
    """

    pack: PromptPack
    num_questions: int
    num_apart: int


def import_prompts(path: str | Path, *, time_limit_s: float = 120.0) -> PromptPack:
    """The pack of `read_published`, without its report."""
    return read_published(path, time_limit_s=time_limit_s).pack


def read_published(
    path: str | Path, *, choice_rule: ChoiceRule | None = None, time_limit_s: float = 120.0
) -> ImportedPrompts:
    """The pack that reproduces the published prompts.py at `path`; the retry cues are the default pack's.

    The file runs in a separate process. `choice_rule` takes the place of the rules of all builders that find
    out for themselves what a choice question is, all but its `trust_declared`, which the builders show; the
    prompts still have to be theirs to the letter. Raises PromptImportError, naming the builder and the
    question where there are such, when the file does not load, lacks a name, takes too long, or has a builder
    that no template reproduces exactly.
    """
    path = Path(path)
    with PublishedPrompts(path, time_limit_s) as published:
        readings = [_read_role(published, builders, choice_rule) for builders in ROLE_BUILDERS]
        pack = _assemble(published, readings)
        verification = _Verification(published, pack, own_rule=choice_rule is not None)
        for builders in ROLE_BUILDERS:
            verification.hold_against(builders)
    return ImportedPrompts(
        pack=pack, num_questions=len(verification.questions), num_apart=len(verification.apart)
    )


def check_output(source: str | Path, output: str | Path) -> None:
    """Raises PromptImportError where saving a pack as `output` would overwrite `source` or other code."""
    source, output = Path(source), Path(output)
    if output.suffix.lower() == ".py" or output.resolve() == source.resolve():
        raise PromptImportError(
            f"the pack would be written to {output}, which is a Python file or the one to import; a pack "
            "is a YAML file, so give a name such as pack.yaml"
        )


@dataclass(frozen=True)
class _Reading:
    """One role's prompts of one round.

    `rules` is empty where choice questions get the same prompt as others; else it holds the rule, or None
    where only what the benchmark declares counts.
    """

    prompt: str
    variant: str
    templates: Mapping[str, Template]
    rules: tuple[ChoiceRule | None, ...]


# ---------------------------------------------------------------------------------------------------------
# Reading one role


def _read_role(
    published: PublishedPrompts, builders: RoleBuilders, choice_rule: ChoiceRule | None
) -> _Reading:
    markers = _markers(published, builders)

    def extract(kind: str, core: str) -> Template:
        return _extract(_build(published, builders, kind), core, markers, builders.calls[kind].builder)

    templates = {kind: extract(kind, PLAIN) for kind in ("math", "function", "program")}
    lettered = next((core for core in LETTERED if extract("math", core) != templates["math"]), None)
    templates["choice"] = extract("choice", lettered or LETTERED[0])
    if "gpqa" in builders.calls:
        templates["gpqa"] = extract("gpqa", lettered or LETTERED[0])
        if templates["gpqa"] == templates["choice"]:
            del templates["gpqa"]
    undeclared = extract("choice", PLAIN)
    if lettered:
        rule = choice_rule or _infer_rule(_build(published, builders, "math"), templates, markers, builders)
        rules: tuple[ChoiceRule | None, ...] = (
            replace(rule, trust_declared=undeclared == templates["choice"]),
        )
    else:
        rules = () if templates["choice"] == templates["math"] == undeclared else (None,)
    ordered = {kind: templates[kind] for kind in KINDS if kind in templates}
    return _Reading(builders.prompt, builders.variant, ordered, rules)


def _markers(published: PublishedPrompts, builders: RoleBuilders) -> dict[str, str]:
    """Slot name -> the text of its constant."""
    markers = {slot: published.texts[constant] for slot, constant in builders.slots.items()}
    for slot, marker in markers.items():
        if not marker:
            raise PromptImportError(
                f"{published.path}: {builders.slots[slot]} is empty, so it marks no place"
            )
    return markers


def _build(published: PublishedPrompts, builders: RoleBuilders, kind: str) -> Build:
    call = builders.calls[kind]
    return lambda text: published.text(call, **_arguments(_question(text, kind)))


def _arguments(question: Question) -> dict[str, str]:
    name = question.function_name
    return {"question": question.text, "fn_name": name} if name else {"question": question.text}


def _extract(build: Build, core: str, markers: Mapping[str, str], builder: str) -> Template:
    """The template behind a builder, for questions of the kind of `core`."""
    text, padded = build(core), f"{PADDING[0]}{core}{PADDING[1]}"
    expected = build(padded)
    places = text.count(core)
    if not places:
        raise PromptImportError(f"{builder} does not show the question {core!r} in its prompt: {text!r}")
    pieces = re.split(f"({re.escape(core)}|{FUNCTION_NAME})", text)
    for trims in product(("", *TRIMS), repeat=places):
        template = _assemble_template(pieces, core, iter(trims), markers, builder)
        if _show(template, padded, markers) == expected:
            return template
    verbatim = _assemble_template(pieces, core, iter([""] * places), markers, builder)
    raise _mismatch(builder, padded, expected, _show(verbatim, padded, markers))


def _assemble_template(
    pieces: list[str], core: str, trims: Iterator[str], markers: Mapping[str, str], builder: str
) -> Template:
    # Slots that share a marker stand in the order in which the table lists them.
    slots = {marker: [slot for slot in markers if markers[slot] == marker] for marker in markers.values()}
    pattern = f"({'|'.join(map(re.escape, sorted(slots, key=len, reverse=True)))})" if slots else r"(?!)"
    parts: list[Part] = []
    for piece in pieces:
        if piece == core:
            parts.append(QuestionText(next(trims)))
        elif piece == FUNCTION_NAME:
            parts.append(FunctionName())
        else:
            texts = re.split(pattern, piece)
            parts += [_next_slot(slots[text], text, builder) if text in slots else text for text in texts]
    for marker, left in slots.items():
        if left:
            raise PromptImportError(f"{builder} does not show {marker!r}, which marks the slot {left[0]}")
    return Template(tuple(parts))


def _next_slot(slots: list[str], marker: str, builder: str) -> Slot:
    if not slots:
        raise PromptImportError(
            f"{builder} shows {marker!r} once too often; a message has one place in a prompt"
        )
    return Slot(slots.pop(0))


def _infer_rule(
    build: Build, templates: Mapping[str, Template], markers: Mapping[str, str], builders: RoleBuilders
) -> ChoiceRule:
    builder = builders.calls["math"].builder

    def lettered(question: str) -> bool:
        text = build(question)
        for kind in ("math", "choice"):
            if text == _show(templates[kind], question, markers):
                return kind == "choice"
        raise _mismatch(builder, question, text, _show(templates["choice"], question, markers))

    try:
        return infer_choice_rule(lettered)
    except PromptImportError:
        raise
    except ValueError as error:
        raise PromptImportError(
            f"what {builder} takes for a choice question: {error}; {RULE_ADVICE}"
        ) from error


# ---------------------------------------------------------------------------------------------------------
# The pack


def _assemble(published: PublishedPrompts, readings: list[_Reading]) -> PromptPack:
    default = load_pack()
    prompts: dict[str, dict[str, dict[str, Template]]] = {}
    for reading in readings:
        kinds = prompts.setdefault(reading.prompt, {})
        for kind, template in reading.templates.items():
            kinds.setdefault(kind, {})[reading.variant] = template
    rules = _rules(readings)
    sequential = rules.get("sequential")
    fallback = replace(sequential, trust_declared=True) if sequential else default.choice_lines["default"]
    return PromptPack(
        name=f"imported from {published.path.name}",
        source=f"the pack imported from {published.path}",
        system_texts=_system_texts(published),
        tool_texts=default.tool_texts,
        retry_cues=default.retry_cues,
        choice_lines={"default": fallback, **rules},
        prompts={**prompts, SINGLE_PROMPT: default.prompts[SINGLE_PROMPT]},
    )


def _rules(readings: list[_Reading]) -> dict[str, ChoiceRule | None]:
    """The choice rules by family where its roles agree, else by role."""
    by_role: dict[str, ChoiceRule | None] = {}
    for reading in readings:
        for rule in reading.rules:
            if by_role.setdefault(reading.prompt, rule) != rule:
                raise PromptImportError(
                    f"the builders of {reading.prompt} disagree about what a choice question is: "
                    f"{by_role[reading.prompt]} in one round and {rule} in another"
                )
    families: dict[str, set[ChoiceRule | None]] = {}
    for prompt, rule in by_role.items():
        families.setdefault(prompt.partition("/")[0], set()).add(rule)
    agreed = {family: next(iter(rules)) for family, rules in families.items() if len(rules) == 1}
    apart = {prompt: rule for prompt, rule in by_role.items() if prompt.partition("/")[0] not in agreed}
    return {**agreed, **apart}


def _system_texts(published: PublishedPrompts) -> dict[str, str]:
    """Only the design `deliberation` has system texts of its own."""
    default = published.texts[SYSTEM_CONSTANT]
    own = {}
    for role in ("reflector", "toolcaller"):
        # Releases name the roles of a design with and without the design's name in front.
        spellings = (role, f"deliberation_{role}")
        call = Call(SYSTEM_BUILDER, {"mas_design": "deliberation"})
        answers = published.ask([(call, {"mas_role": spelling}) for spelling in spellings])
        texts = [answer for answer in answers if isinstance(answer, str)]
        if not texts:
            raise next(answer for answer in answers if isinstance(answer, PromptImportError))
        own[f"deliberation/{role}"] = next((text for text in texts if text != default), default)
    if len(set(own.values())) == 1:
        own = {"deliberation": own["deliberation/reflector"]}
    return {"default": default, **own}


# ---------------------------------------------------------------------------------------------------------
# Holding the pack against the builders


class _Verification:
    """Holds a pack against the builders, and keeps what was asked."""

    def __init__(self, published: PublishedPrompts, pack: PromptPack, *, own_rule: bool) -> None:
        self.published = published
        self.pack = pack
        self.own_rule = own_rule
        constants = {name for builders in ROLE_BUILDERS for name in builders.slots.values()}
        self.markers = sorted({published.texts[name] for name in constants})
        self.literal_questions = literal_questions(read_literals(published.path))
        self.questions: set[str] = set()
        self.apart: set[str] = set()

    def hold_against(self, builders: RoleBuilders) -> None:
        """Raises PromptImportError for the first question that the pack shows in another way."""
        markers = _markers(self.published, builders)
        for declared, call in builders.calls.items():
            prompt = _build(self.published, builders, declared)(PLAIN)
            texts = [*adversarial_questions(self.markers, prompt), *self.literal_questions]
            questions = [_question(text, declared, "count_pairs") for text in texts]
            answers = self.published.ask([(call, _arguments(question)) for question in questions])
            for question, expected in zip(questions, answers, strict=True):
                if isinstance(expected, PromptImportError):
                    raise expected
                self._compare(builders, call.builder, question, expected, markers)
            self.questions.update(texts)

    def _compare(
        self,
        builders: RoleBuilders,
        builder: str,
        question: Question,
        expected: str,
        markers: Mapping[str, str],
    ) -> None:
        def show(kind: TaskKind) -> str:
            feedback = builders.variant == "feedback"
            template = self.pack.template(builders.prompt, kind, feedback=feedback)
            return template.render_text(question, markers)

        kind = self.pack.kind_of(question, builders.prompt)
        if question.kind == "gpqa" and kind == "math":
            return  # the benchmark writes every gpqa question with lettered lines
        ours = show(kind)
        if ours == expected:
            return
        other: TaskKind = "math" if kind != "math" else "choice"
        if question.kind in CODE_KINDS or show(other) != expected:
            raise _mismatch(builder, question.text, expected, ours)
        if not self.own_rule:
            raise PromptImportError(
                f"{builder} shows the question {_short(question.text)} as a {other} question, where the rule "
                f"found by asking it takes it for a {kind} question; {RULE_ADVICE}"
            )
        self.apart.add(question.text)


def _question(text: str, kind: str, function_name: str = FUNCTION_NAME) -> Question:
    name = function_name if kind == "function" else None
    return Question(id="import", text=text, kind=cast(TaskKind, kind), function_name=name)


def _show(template: Template, text: str, markers: Mapping[str, str]) -> str:
    return template.render_text(_question(text, "function"), markers)


def _mismatch(builder: str, question: str, expected: str, ours: str) -> PromptImportError:
    pairs = enumerate(zip(expected, ours, strict=False))
    start = next((place for place, (theirs, own) in pairs if theirs != own), min(len(expected), len(ours)))
    around = slice(max(0, start - 20), start + 40)
    return PromptImportError(
        f"no template reproduces {builder}: for the question {_short(question)} it writes "
        f"{expected[around]!r} where the template has {ours[around]!r} (character {start})"
    )


def _short(question: str) -> str:
    shown = repr(question)
    return shown if len(shown) <= 200 else f"{shown[:197]}..."
