"""The builders of a published prompts.py as a source of prompts: asked for each question, so to the letter.

Which builder is asked follows from the benchmark's kind of question; all conditions inside the builders hold.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from recursivemas.errors import UserError
from recursivemas.prompts.builder_table import (
    ROLE_BUILDERS,
    SYSTEM_BUILDER,
    SYSTEM_CONSTANT,
    Call,
    RoleBuilders,
)
from recursivemas.prompts.builders import BuilderCall, Builders, Content
from recursivemas.prompts.code_cue import find_code_cue
from recursivemas.prompts.markers import break_markers, cut_at_slots, fill_slots
from recursivemas.prompts.pack import PromptPack, check_slots
from recursivemas.prompts.prompt_file import PromptFile
from recursivemas.prompts.source import Pieces, PromptRequest, PromptsError, check_variant
from recursivemas.prompts.template import explain_nameless
from recursivemas.question import KINDS_OF_TASK, Question, QuestionKind, Task
from recursivemas.styles import AgentSpec, Style

logger = logging.getLogger(__name__)

RETRY_CUES: dict[QuestionKind, str] = {
    "math": "Final Answer: \\boxed{",
    "choice": "Final Choice: \\boxed{",
    "gpqa": "Final Choice: \\boxed{",
}
"""By kind (docs/protocol.md, "Answer retry"); the cue for code is read from the builders' own file."""
DELIBERATION = "deliberation"
"""The one design that has system texts of its own."""


class PublishedPrompts:
    """A prompts.py in its process, as a `PromptSource`.

    Prompts that no builder writes come from `own`: those of a style's own, and that of an agent by itself.
    Where a prompt of `own` has a builder's name, it holds. Raises PromptsError when the file does not load.
    """

    def __init__(self, file: PromptFile, own: PromptPack, builders: Builders | None = None) -> None:
        self.file = file
        self._builders = builders or Builders(file)
        constants = {name for entry in ROLE_BUILDERS for name in entry.slots.values()} | {SYSTEM_CONSTANT}
        self._content: Content = self._builders.content(sorted(constants))
        system = {"default": self.constant(SYSTEM_CONSTANT)}
        self._own = replace(own, system_texts=system)
        self._entries = {
            (entry.prompt, entry.variant): entry for entry in ROLE_BUILDERS if entry.prompt not in own.prompts
        }
        self._system_texts: dict[str, str] = {}
        self._warned = False

    # ----- what a run asks

    def describe(self) -> dict[str, Any]:
        return {
            **self.file.describe(),
            "code_cue": self._code_cue,
            "own_prompts": self._own.sha256,
        }

    def check(self, style: Style, *, task: Task, mode: str) -> None:
        """Refuse a file that lacks what agents of the style need for that task, naming all of it."""
        check_slots(self._own, style, [one for one in style.agents if not self._is_built(one.prompt)])
        missing = [] if SYSTEM_CONSTANT in self._content.constants else [SYSTEM_CONSTANT]
        for agent in style.agents:
            for entry, with_feedback in self._entries_of(style, agent):
                place = f"{self.file.place}, {entry.variant}"
                check_variant(style, agent, place, tuple(entry.slots), with_feedback=with_feedback)
                missing += self._missing_of(entry, task, in_text=mode == "text")
        if missing:
            raise PromptsError(
                f"{self.file.place} lacks {', '.join(dict.fromkeys(missing))}, which style {style.name} "
                f"needs on {task} questions; give the prompts.py of a release, or --prompts default for our "
                "own words"
            )
        for agent in style.agents:
            self.system(agent.prompt)
        if task == "code" and self._code_cue["origin"] == "default" and not self._warned:
            self._warned = True
            logger.warning(
                "%s comes without the words that ask for code again (they stand in the lcb_utils.py of a "
                "checkout's inference_utils), so our own are used",
                self.file.place,
            )

    def marker(self, prompt: str, slot: str) -> str:
        if not self._is_built(prompt):
            return self._own.marker(prompt, slot)
        return self.constant(self._entry(prompt, feedback=True).slots[slot])

    def system(self, prompt: str, tools: Sequence[str] = ()) -> str:
        if not (self._is_built(prompt) and prompt.startswith(f"{DELIBERATION}/")):
            return self._own.system(prompt, tools)
        if prompt not in self._system_texts:
            self._system_texts[prompt] = self._ask_system(prompt.partition("/")[2])
        return self._system_texts[prompt]

    def retry_cue(self, kind: QuestionKind) -> str:
        return RETRY_CUES[kind] if kind in RETRY_CUES else self._code_cue["text"]

    def kind_of(self, question: Question, prompt: str) -> QuestionKind:
        """What the benchmark says: the release grades and asks again by its task, not by the question."""
        if self._is_built(prompt):
            return question.kind
        return self._own.kind_of(question, prompt)

    def write(self, requests: Sequence[PromptRequest]) -> list[Pieces | UserError]:
        plans = [self._plan(request) for request in requests]
        calls = [call for plan in plans if isinstance(plan, _Plan) for call in plan.calls]
        answers = iter(self._builders.ask(calls))
        return [
            plan.read([next(answers) for _ in plan.calls]) if isinstance(plan, _Plan) else plan
            for plan in plans
        ]

    # ----- what is read into a pack

    @property
    def markers(self) -> list[str]:
        """The texts that mark slots."""
        names = {name for entry in ROLE_BUILDERS for name in entry.slots.values()}
        return sorted({self.constant(name) for name in names} - {""})

    def constant(self, name: str) -> str:
        """A constant of the file; empty where it has none."""
        return self._content.constants.get(name, "")

    # ----- how it is answered

    def _is_built(self, prompt: str) -> bool:
        return (prompt, "first") in self._entries

    def _entry(self, prompt: str, *, feedback: bool) -> RoleBuilders:
        """The builders of a prompt; where it has none that read feedback, those that do not."""
        first = self._entries[prompt, "first"]
        return self._entries.get((prompt, "feedback"), first) if feedback else first

    def _entries_of(self, style: Style, agent: AgentSpec) -> Iterator[tuple[RoleBuilders, bool]]:
        if self._is_built(agent.prompt):
            for with_feedback in sorted({False, style.reads_feedback(agent.role, 2)}):
                yield self._entry(agent.prompt, feedback=with_feedback), with_feedback

    def _missing_of(self, entry: RoleBuilders, task: Task, *, in_text: bool) -> Iterator[str]:
        calls = [entry.calls[kind] for kind in KINDS_OF_TASK[task] if kind in entry.calls]
        for call in calls:
            if (name := call.text_builder if in_text else call.builder) not in self._content.functions:
                yield name
        if any(not in_text or call.text_builder == call.builder for call in calls):
            for name in entry.slots.values():
                if not self._content.constants.get(name):
                    yield f"{name} (empty)" if name in self._content.constants else name

    def _plan(self, request: PromptRequest) -> _Plan | Pieces | UserError:
        """What to ask for a prompt; the prompt itself, or its error, where nothing has to be asked."""
        if not self._is_built(request.prompt):
            return self._own.write([request])[0]
        if request.question.kind == "function" and not request.question.function_name:
            return UserError(explain_nameless(request.question))
        entry = self._entry(request.prompt, feedback=request.feedback)
        markers = {slot: self.constant(name) for slot, name in entry.slots.items()}
        return _Plan(request, entry.call_for(request.question.kind), markers)

    def _ask_system(self, role: str) -> str:
        """The system text of a role of the one design that has its own."""
        # Releases name the roles of a design with and without the design's name in front.
        spellings = (role, f"{DELIBERATION}_{role}")
        calls = [
            BuilderCall(SYSTEM_BUILDER, {"mas_design": DELIBERATION, "mas_role": spelling})
            for spelling in spellings
        ]
        answers = self._builders.ask(calls)
        texts = [answer for answer in answers if isinstance(answer, str)]
        if not texts:
            raise next(answer for answer in answers if isinstance(answer, PromptsError))
        default = self.constant(SYSTEM_CONSTANT)
        return next((text for text in texts if text != default), default)

    @cached_property
    def _code_cue(self) -> dict[str, str]:
        """The words that ask for code again, and where they are from."""
        content = self.file.cue_file
        cue = find_code_cue(content, "lcb_utils.py") if content else None
        if cue is None:
            return {"origin": "default", "text": self._own.retry_cue("function")}
        return {"origin": self.file.cue_origin, "text": cue}


@dataclass(frozen=True)
class _Plan:
    """One prompt that builders write: the calls for it, and how their answers are read."""

    request: PromptRequest
    call: Call
    markers: Mapping[str, str]

    @property
    def calls(self) -> list[BuilderCall]:
        question = self.request.question
        if self._takes_texts:
            texts = self.request.texts or {}
            return [self._call(self.call.text_builder, question.text, [texts[slot] for slot in self.markers])]
        broken = break_markers(question.text, self.markers)
        return [self._call(self.call.builder, text, []) for text in dict.fromkeys((question.text, broken))]

    def read(self, answers: Sequence[str | PromptsError]) -> Pieces | UserError:
        texts = [answer for answer in answers if isinstance(answer, str)]
        if len(texts) < len(answers):
            return next(answer for answer in answers if isinstance(answer, PromptsError))
        if self._takes_texts:
            return [*texts]
        try:
            pieces = cut_at_slots(texts[0], texts[-1], self.markers)
        except PromptsError as error:
            return PromptsError(f"{self.call.builder}: {error}")
        return pieces if self.request.texts is None else fill_slots(pieces, self.request.texts)

    @property
    def _takes_texts(self) -> bool:
        return self.request.texts is not None and self.call.text_builder != self.call.builder

    def _call(self, builder: str, text: str, texts: Sequence[str]) -> BuilderCall:
        question = self.request.question
        name = {"fn_name": question.function_name} if question.kind == "function" else {}
        return BuilderCall(builder, {**self.call.arguments, "question": text, **name}, texts)
