"""Reads the builders of a published prompts.py into a prompt pack, where templates can hold them.

A pack is there to be read and changed. Each builder is asked about a question that stands out in its prompt,
which shows where it puts it. The finished pack is then held against all builders on questions made to tell
the two apart, some with the texts that the file's code may look for; what the pack does not reproduce to the
letter is named. A run that needs such a builder takes the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

from recursivemas.prompts.builder_table import ROLE_BUILDERS, SYSTEM_CONSTANT, RoleBuilders
from recursivemas.prompts.builders import Builders
from recursivemas.prompts.choice import ChoiceRule
from recursivemas.prompts.choose import beside_builders
from recursivemas.prompts.literals import read_literals
from recursivemas.prompts.pack import KINDS, PromptPack, load_pack
from recursivemas.prompts.probe_questions import (
    FUNCTION_NAME,
    OPTIONS,
    PLAIN,
    adversarial_questions,
    literal_questions,
    option_questions,
)
from recursivemas.prompts.prompt_file import PromptFile, read_prompt_file
from recursivemas.prompts.published import PublishedPrompts
from recursivemas.prompts.source import Pieces, PromptRequest, PromptsError
from recursivemas.prompts.template import TRIMS, FunctionName, Part, QuestionText, Slot, Template
from recursivemas.question import KINDS_OF_TASK, Question, QuestionKind
from recursivemas.styles import PUBLISHED_STYLES

LETTERED = f"{PLAIN}\n{OPTIONS}"
PADDING = (" \n\t ", "\t \n ")
MAX_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class ImportedPrompts:
    """A pack, and how many different questions it was held against the builders on."""

    pack: PromptPack
    num_questions: int


def import_prompts(path: str | Path) -> PromptPack:
    """The pack of `read_published`, without its report."""
    return read_published(path).pack


def read_published(path: str | Path, *, choice_rule: ChoiceRule | None = None) -> ImportedPrompts:
    """The pack that reproduces the published prompts.py at `path`, or in the folder of a checkout.

    The file runs in the sandbox. `choice_rule` says what its builders take for a choice question where they
    look for themselves; by default it is the default pack's. Raises PromptsError when the file does not load
    or lacks a name, and where no pack holds its builders: with each of them and a question that shows it.
    """
    file = read_prompt_file(Path(path))
    published = PublishedPrompts(file, beside_builders({}), Builders(file, cache=_Memory()))
    for style in PUBLISHED_STYLES.values():
        for task in KINDS_OF_TASK:
            published.check(style, task=task, mode="latent")
    faults: dict[str, str] = {}
    published.write([request for entry in ROLE_BUILDERS for request in _first_requests(entry)])
    readings = [_read_role(published, entry, faults) for entry in ROLE_BUILDERS]
    pack = _assemble(published, readings, choice_rule or load_pack().choice_lines["default"])
    texts = _hold_against(published, pack, [one.entry for one in readings if one.templates], faults)
    if faults:
        raise PromptsError(_explain(file, faults))
    return ImportedPrompts(pack=pack, num_questions=len(texts))


def check_output(source: str | Path, output: str | Path) -> None:
    """Raises PromptsError where saving a pack as `output` would overwrite `source` or other code."""
    source, output = Path(source), Path(output)
    if output.suffix.lower() == ".py" or output.resolve() == source.resolve():
        raise PromptsError(
            f"the pack would be written to {output}, which is a Python file or the one to import; a pack "
            "is a YAML file, so give a name such as pack.yaml"
        )


def _explain(file: PromptFile, faults: Mapping[str, str]) -> str:
    lines = "\n".join(f"  {builder}: {fault}" for builder, fault in faults.items())
    return (
        f"no pack of templates holds these builders of {file.place} to the letter:\n{lines}\n"
        f"Run with the file itself: --prompts {file.place} asks its builders for every question, conditions "
        "included. Where they only count other questions as choice questions, --choice_lines RULE may help"
    )


# ---------------------------------------------------------------------------------------------------------
# Reading one role


class _Memory:
    """Keeps answers while a file is read, so that many can be asked for at once."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Any]] = {}

    def get(self, key: object) -> dict[str, Any] | None:
        return self._entries.get(repr(key))

    def put(self, key: object, entry: Mapping[str, Any]) -> None:
        self._entries[repr(key)] = dict(entry)


def _first_requests(entry: RoleBuilders) -> Iterator[PromptRequest]:
    """All that a template is read from."""
    for kind, core in _kinds_of(entry).values():
        for text in (core, _padded(core)):
            yield _request(entry, _question(text, kind))


def _kinds_of(entry: RoleBuilders) -> dict[str, tuple[QuestionKind, str]]:
    """What a role's builder is asked: by name, the kind that is declared and the question."""
    return {
        "math": ("math", PLAIN),
        "function": ("function", PLAIN),
        "program": ("program", PLAIN),
        "choice": ("choice", LETTERED),
        **({"gpqa": ("gpqa", LETTERED)} if "gpqa" in entry.calls else {}),
        "lettered math": ("math", LETTERED),
        "plain choice": ("choice", PLAIN),
    }


def _padded(core: str) -> str:
    return f"{PADDING[0]}{core}{PADDING[1]}"


@dataclass(frozen=True)
class _Reading:
    """One role's prompts of one round by kind, none where there is no template for them.

    `looks` says that its builder looks for lettered lines, `trusts` that it believes what is declared.
    """

    entry: RoleBuilders
    templates: Mapping[str, Template]
    looks: bool = False
    trusts: bool = True


def _read_role(published: PublishedPrompts, entry: RoleBuilders, faults: dict[str, str]) -> _Reading:
    found: dict[str, Template] = {}
    for name, (kind, core) in _kinds_of(entry).items():
        try:
            found[name] = _extract(published, entry, kind, core)
        except PromptsError as error:
            faults.setdefault(entry.call_for(kind).builder, str(error))
            return _Reading(entry, {})
    lettered, undeclared = found.pop("lettered math"), found.pop("plain choice")
    if found.get("gpqa") == found["choice"]:
        del found["gpqa"]
    looks = lettered == found["choice"] != found["math"]
    ordered = {kind: found[kind] for kind in KINDS if kind in found}
    return _Reading(entry, ordered, looks, trusts=undeclared == found["choice"])


def _extract(published: PublishedPrompts, entry: RoleBuilders, kind: QuestionKind, core: str) -> Template:
    """The template behind a builder, for questions of the kind of `core`."""
    padded = _padded(core)
    pieces, expected = _ask(published, entry, kind, [core, padded])
    parts = [part for piece in pieces for part in _parts_of(piece, core)]
    places = [index for index, part in enumerate(parts) if isinstance(part, QuestionText)]
    if not places:
        raise PromptsError(f"it does not show the question {core!r}")
    for trims in product(("", *TRIMS), repeat=len(places)):
        for place, trim in zip(places, trims, strict=True):
            parts[place] = QuestionText(trim)
        template = Template(tuple(parts))
        if template.render(_question(padded, kind)) == expected:
            return template
    raise PromptsError(f"it changes the question {padded!r}")


def _ask(
    published: PublishedPrompts, entry: RoleBuilders, kind: QuestionKind, texts: Iterable[str]
) -> list[Pieces]:
    answers = published.write([_request(entry, _question(text, kind)) for text in texts])
    for answer in answers:
        if not isinstance(answer, list):
            raise PromptsError(str(answer))
    return [answer for answer in answers if isinstance(answer, list)]


def _parts_of(piece: str | Slot, core: str) -> Iterator[Part]:
    if isinstance(piece, Slot):
        yield piece
        return
    for text in re.split(f"({re.escape(core)}|{FUNCTION_NAME})", piece):
        yield QuestionText() if text == core else FunctionName() if text == FUNCTION_NAME else text


# ---------------------------------------------------------------------------------------------------------
# The pack


def _assemble(
    published: PublishedPrompts, readings: Iterable[_Reading], rule: ChoiceRule | None
) -> PromptPack:
    default = load_pack()
    prompts: dict[str, dict[str, dict[str, Template]]] = {}
    rules: dict[str, ChoiceRule | None] = {}
    for reading in readings:
        prompt = reading.entry.prompt
        for kind, template in reading.templates.items():
            prompts.setdefault(prompt, {}).setdefault(kind, {})[reading.entry.variant] = template
        own = replace(rule, trust_declared=reading.trusts) if rule and reading.looks else None
        rules.setdefault(prompt, own)
    return replace(
        default,
        name=f"imported from {published.file.main}",
        source=f"the pack imported from {published.file.place}",
        origin="pack",
        system_texts=_system_texts(published),
        choice_lines={"default": default.choice_lines["default"], **rules},
        prompts={**prompts, **beside_builders({}).prompts},
    )


def _system_texts(published: PublishedPrompts) -> dict[str, str]:
    roles = ("deliberation/reflector", "deliberation/toolcaller")
    return {
        "default": published.constant(SYSTEM_CONSTANT),
        **{role: published.system(role) for role in roles},
    }


# ---------------------------------------------------------------------------------------------------------
# Holding the pack against the builders


def _hold_against(
    published: PublishedPrompts,
    pack: PromptPack,
    entries: Iterable[RoleBuilders],
    faults: dict[str, str],
) -> set[str]:
    """The questions asked; for each builder that the pack does not reproduce, the first one that shows it."""
    same_for_all = [*option_questions(), *literal_questions(read_literals(published.file))]
    asked: list[tuple[str, PromptRequest]] = []
    for entry in entries:
        for kind, call in entry.calls.items():
            declared = cast(QuestionKind, kind)
            (pieces,) = _ask(published, entry, declared, [LETTERED if kind == "gpqa" else PLAIN])
            probes = adversarial_questions(published.markers, "".join(map(str, pieces)))
            asked += [
                (call.builder, _request(entry, _question(text, declared, "count_pairs")))
                for text in [*probes, *same_for_all]
            ]
    requests = [request for _, request in asked]
    for (builder, request), theirs, ours in zip(
        asked, published.write(requests), pack.write(requests), strict=True
    ):
        if builder not in faults and not _agree(pack, request, theirs, ours):
            faults[builder] = _show_fault(request.question, theirs, ours)
    return {request.question.text for request in requests}


def _agree(pack: PromptPack, request: PromptRequest, theirs: object, ours: object) -> bool:
    if request.question.kind == "gpqa" and pack.kind_of(request.question, request.prompt) == "math":
        return True  # the benchmark writes every gpqa question with lettered lines
    return theirs == ours


def _show_fault(question: Question, theirs: object, ours: object) -> str:
    shown = f"on the {question.kind} question {_short(question.text)}"
    if not (isinstance(theirs, list) and isinstance(ours, list)):
        return f"{shown}: {_short(str(theirs))}"
    left, right = ("".join(map(str, pieces)) for pieces in (theirs, ours))
    pairs = enumerate(zip(left, right, strict=False))
    start = next((place for place, (one, other) in pairs if one != other), min(len(left), len(right)))
    around = slice(max(0, start - 20), start + 40)
    return f"{shown} it writes {left[around]!r} where a template has {right[around]!r} (character {start})"


def _request(entry: RoleBuilders, question: Question) -> PromptRequest:
    return PromptRequest(prompt=entry.prompt, question=question, feedback=entry.variant == "feedback")


def _question(text: str, kind: QuestionKind, function_name: str = FUNCTION_NAME) -> Question:
    name = function_name if kind == "function" else None
    return Question(id="import", text=text, kind=kind, function_name=name)


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 3]}..."
