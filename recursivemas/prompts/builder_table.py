"""Which builder of a published prompts.py writes which prompt, and with which arguments.

Source: docs/protocol.md, "Published names", "Prompts" and "Messages and slots".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recursivemas.question import QuestionKind


@dataclass(frozen=True)
class Call:
    """One call of a builder; the question, and a function's name, come on top of `arguments`."""

    builder: str
    arguments: Mapping[str, Any]

    @property
    def text_builder(self) -> str:
        """The builder of the same prompt that takes texts where this one has slots.

        Feedback has no such builder: what reads it has its slot filled.
        """
        return re.sub(r"_with_slots?$", "", self.builder)


@dataclass(frozen=True)
class RoleBuilders:
    """How one role's prompts of one round are built: a call for each kind, a constant for each slot."""

    prompt: str
    variant: str
    calls: Mapping[str, Call]
    slots: Mapping[str, str]

    def call_for(self, kind: QuestionKind) -> Call:
        """The call for a kind of question; what has none of its own is asked as a choice question."""
        return self.calls.get(kind, self.calls["choice"])


NO_CODE = {"task_type": "", "fn_name": None}
FUNCTION = {"task_type": "function"}
PROGRAM = {"task_type": "complete", "fn_name": None}


def _by_builder(
    prompt: str, variant: str, math: str, code: str, slots: Mapping[str, str], solver: bool = False
) -> RoleBuilders:
    """Builders for text questions and for code; they find out for themselves what is a choice question."""
    shared: dict[str, Any] = {
        "mas_shape": "chain",
        "args": {"solver_pre_question": 0, "choice_old_prompt": 0},
    }
    extra = shared if solver else {}
    calls = {
        "math": Call(math, extra),
        "choice": Call(math, extra),
        "function": Call(code, {**extra, **FUNCTION}),
        "program": Call(code, {**extra, **PROGRAM}),
    }
    if solver:
        calls["gpqa"] = Call(math, {**extra, "args": {"solver_pre_question": 0, "choice_old_prompt": 2}})
    return RoleBuilders(prompt, variant, calls, slots)


def _by_task(
    prompt: str, variant: str, builder: str, slots: Mapping[str, str], hie_role: str | None = None
) -> RoleBuilders:
    """One builder that is told the task."""
    role = {"hie_role": hie_role} if hie_role else {}
    calls = {
        "math": Call(builder, {**role, "mas_task": "math", **NO_CODE}),
        "choice": Call(builder, {**role, "mas_task": "choice", **NO_CODE}),
        "function": Call(builder, {**role, "mas_task": "code", **FUNCTION}),
        "program": Call(builder, {**role, "mas_task": "code", **PROGRAM}),
    }
    return RoleBuilders(prompt, variant, calls, slots)


def _experts() -> list[RoleBuilders]:
    first, feedback = "build_hie_expert_prompt", "build_hie_expert_prompt_with_feedback_slot"
    return [
        _by_task(f"mixture/{role}", variant, builder, slots, f"hie_{role}_expert")
        for role in ("math", "code", "science")
        for variant, builder, slots in (
            ("first", first, {}),
            ("feedback", feedback, {"feedback": "HIE_FEEDBACK_SLOT"}),
        )
    ]


ROLE_BUILDERS: tuple[RoleBuilders, ...] = (
    _by_builder("sequential/planner", "first", "build_math_planner_prompt", "build_code_planner_prompt", {}),
    _by_builder(
        "sequential/planner",
        "feedback",
        "build_math_planner_prompt_with_feedback_slot",
        "build_code_planner_prompt_with_feedback_slot",
        {"feedback": "FEEDBACK_SLOT"},
    ),
    _by_builder(
        "sequential/critic",
        "first",
        "build_math_refiner_prompt_with_slot",
        "build_code_refiner_prompt_with_slot",
        {"plan": "PLANNER_SLOT"},
    ),
    _by_builder(
        "sequential/solver",
        "first",
        "build_math_solver_prompt_with_slots",
        "build_code_solver_prompt_with_slots",
        {"refined_plan": "REFINED_SLOT"},
        solver=True,
    ),
    *_experts(),
    _by_task(
        "mixture/summarizer",
        "first",
        "build_hie_summarizer_prompt_with_slots",
        {
            "math": "HIE_MATH_EXPERT_SLOT",
            "code": "HIE_CODE_EXPERT_SLOT",
            "science": "HIE_SCIENCE_EXPERT_SLOT",
        },
    ),
    _by_task("distillation/expert", "first", "build_distill_expert_prompt", {}),
    _by_task(
        "distillation/expert",
        "feedback",
        "build_distill_expert_prompt_with_feedback_slot",
        {"feedback": "DISTILL_FEEDBACK_SLOT"},
    ),
    _by_task(
        "distillation/learner",
        "first",
        "build_distill_learner_prompt_with_slot",
        {"plan": "DISTILL_EXPERT_SLOT"},
    ),
    _by_task("deliberation/reflector", "first", "build_deliberation_reflector_prompt", {}),
    _by_task(
        "deliberation/reflector",
        "feedback",
        "build_deliberation_reflector_prompt_with_feedback_slot",
        {"feedback": "DELIBERATION_FEEDBACK_SLOT"},
    ),
    _by_task(
        "deliberation/toolcaller",
        "first",
        "build_deliberation_toolcaller_prompt_with_slot",
        {"reflection": "DELIBERATION_REFLECTOR_SLOT"},
    ),
)

SYSTEM_CONSTANT = "SYSTEM_PROMPT"
SYSTEM_BUILDER = "get_system_prompt"
