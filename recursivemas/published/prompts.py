"""The names of the published `prompts.py`: its builders, over our default prompt pack.

A builder gives a user turn as text. Those that end in `_with_slot`, `_with_slots` or `_with_feedback_slot`
show a marker where a message of latents goes, those without take another agent's text for that place. A
question is a choice question where the pack takes it for one by its lettered lines, or where `mas_task` says
`choice`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from recursivemas.errors import UserError
from recursivemas.prompts import PromptRequest, load_pack
from recursivemas.question import Question, QuestionKind
from recursivemas.styles import PUBLISHED_STYLES

PLANNER_SLOT = "<<PLANNER_SLOT>>"
REFINED_SLOT = "<<REFINED_SLOT>>"
FEEDBACK_SLOT = "<<FEEDBACK_SLOT>>"
HIE_MATH_EXPERT_SLOT = "<<HIE_MATH_EXPERT_SLOT>>"
HIE_CODE_EXPERT_SLOT = "<<HIE_CODE_EXPERT_SLOT>>"
HIE_SCIENCE_EXPERT_SLOT = "<<HIE_SCIENCE_EXPERT_SLOT>>"
HIE_FEEDBACK_SLOT = "<<HIE_FEEDBACK_SLOT>>"
DISTILL_EXPERT_SLOT = "<<DISTILL_EXPERT_SLOT>>"
DISTILL_FEEDBACK_SLOT = "<<DISTILL_FEEDBACK_SLOT>>"
DELIBERATION_REFLECTOR_SLOT = "<<DELIBERATION_REFLECTOR_SLOT>>"
DELIBERATION_FEEDBACK_SLOT = "<<DELIBERATION_FEEDBACK_SLOT>>"

EXPERTS = {f"hie_{role}_expert": f"mixture/{role}" for role in ("math", "code", "science")}
OLD_CHOICE_OF_GPQA = 2
"""The value of `args.choice_old_prompt` with which the release asks for gpqa's closing line."""

_pack = cache(load_pack)


# ---------------------------------------------------------------------------------------------------------
# Sequential styles


def build_math_planner_prompt(question: str) -> str:
    return _write("sequential/planner", question)


def build_math_planner_prompt_with_feedback_slot(question: str) -> str:
    return _write("sequential/planner", question, feedback=FEEDBACK_SLOT)


def build_math_refiner_prompt(question: str, plan: str) -> str:
    return _write("sequential/critic", question, plan=plan)


def build_math_refiner_prompt_with_slot(question: str) -> str:
    return build_math_refiner_prompt(question, PLANNER_SLOT)


def build_math_solver_prompt(question: str, refined_plan: str, args: Any = None) -> str:
    """`args.choice_old_prompt` 2 asks a choice question as gpqa is asked."""
    return _write("sequential/solver", question, _text_kind(question, args), refined_plan=refined_plan)


def build_math_solver_prompt_with_slots(question: str, args: Any = None) -> str:
    return build_math_solver_prompt(question, REFINED_SLOT, args)


def build_code_planner_prompt(question: str, task_type: str, fn_name: str | None = None) -> str:
    return _write("sequential/planner", question, _code_kind(task_type), fn_name)


def build_code_planner_prompt_with_feedback_slot(
    question: str, task_type: str, fn_name: str | None = None
) -> str:
    return _write("sequential/planner", question, _code_kind(task_type), fn_name, feedback=FEEDBACK_SLOT)


def build_code_refiner_prompt(question: str, plan: str, task_type: str, fn_name: str | None = None) -> str:
    return _write("sequential/critic", question, _code_kind(task_type), fn_name, plan=plan)


def build_code_refiner_prompt_with_slot(question: str, task_type: str, fn_name: str | None = None) -> str:
    return build_code_refiner_prompt(question, PLANNER_SLOT, task_type, fn_name)


def build_code_solver_prompt(
    question: str, refined_plan: str, args: Any = None, task_type: str = "", fn_name: str | None = None
) -> str:
    """`args` is for the sake of the signature: it has nothing to say about code."""
    return _write("sequential/solver", question, _code_kind(task_type), fn_name, refined_plan=refined_plan)


def build_code_solver_prompt_with_slots(
    question: str, args: Any = None, task_type: str = "", fn_name: str | None = None
) -> str:
    return build_code_solver_prompt(question, REFINED_SLOT, args, task_type, fn_name)


# ---------------------------------------------------------------------------------------------------------
# Mixture


def build_hie_expert_prompt(
    question: str, hie_role: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    """`hie_role` is `hie_math_expert`, `hie_code_expert` or `hie_science_expert`."""
    return _write(_expert(hie_role), question, _kind(mas_task, task_type), fn_name)


def build_hie_expert_prompt_with_feedback_slot(
    question: str, hie_role: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    kind = _kind(mas_task, task_type)
    return _write(_expert(hie_role), question, kind, fn_name, feedback=HIE_FEEDBACK_SLOT)


def build_hie_summarizer_prompt(
    question: str,
    math_expert: str,
    code_expert: str,
    science_expert: str,
    mas_task: str,
    task_type: str = "",
    fn_name: str | None = None,
) -> str:
    texts = {"math": math_expert, "code": code_expert, "science": science_expert}
    return _write("mixture/summarizer", question, _kind(mas_task, task_type), fn_name, **texts)


def build_hie_summarizer_prompt_with_slots(
    question: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    slots = (HIE_MATH_EXPERT_SLOT, HIE_CODE_EXPERT_SLOT, HIE_SCIENCE_EXPERT_SLOT)
    return build_hie_summarizer_prompt(question, *slots, mas_task, task_type, fn_name)


# ---------------------------------------------------------------------------------------------------------
# Distillation


def build_distill_expert_prompt(
    question: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    return _write("distillation/expert", question, _kind(mas_task, task_type), fn_name)


def build_distill_expert_prompt_with_feedback_slot(
    question: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    kind = _kind(mas_task, task_type)
    return _write("distillation/expert", question, kind, fn_name, feedback=DISTILL_FEEDBACK_SLOT)


def build_distill_learner_prompt(
    question: str, expert_plan: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    return _write("distillation/learner", question, _kind(mas_task, task_type), fn_name, plan=expert_plan)


def build_distill_learner_prompt_with_slot(
    question: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    return build_distill_learner_prompt(question, DISTILL_EXPERT_SLOT, mas_task, task_type, fn_name)


# ---------------------------------------------------------------------------------------------------------
# Deliberation


def build_deliberation_reflector_prompt(
    question: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    return _write("deliberation/reflector", question, _kind(mas_task, task_type), fn_name)


def build_deliberation_reflector_prompt_with_feedback_slot(
    question: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    kind = _kind(mas_task, task_type)
    return _write("deliberation/reflector", question, kind, fn_name, feedback=DELIBERATION_FEEDBACK_SLOT)


def build_deliberation_toolcaller_prompt(
    question: str, reflection: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    kind = _kind(mas_task, task_type)
    return _write("deliberation/toolcaller", question, kind, fn_name, reflection=reflection)


def build_deliberation_toolcaller_prompt_with_slot(
    question: str, mas_task: str, task_type: str = "", fn_name: str | None = None
) -> str:
    slot = DELIBERATION_REFLECTOR_SLOT
    return build_deliberation_toolcaller_prompt(question, slot, mas_task, task_type, fn_name)


# ---------------------------------------------------------------------------------------------------------
# System texts


def get_system_prompt(mas_design: str, mas_role: str) -> str:
    """What an agent is told before its prompt; those of `deliberation` are told of their tools, too.

    A role may have its design's name in front (`deliberation_reflector`).
    """
    role = mas_role.removeprefix(f"{mas_design}_")
    agents = [
        agent for style in PUBLISHED_STYLES.values() if style.family == mas_design for agent in style.agents
    ]
    tools = next((agent.tools for agent in agents if agent.role == role), ())
    return _pack().system(f"{mas_design}/{role}", tools)


SYSTEM_PROMPT = _pack().system_texts["default"]


# ---------------------------------------------------------------------------------------------------------
# Asking the pack


def _write(
    prompt: str, question: str, kind: QuestionKind = "math", fn_name: str | None = None, **texts: str
) -> str:
    """The prompt of `family/role` with texts in its slots."""
    asked = Question(id="question", text=question, kind=kind, function_name=fn_name)
    request = PromptRequest(prompt=prompt, question=asked, feedback="feedback" in texts, texts=texts)
    (pieces,) = _pack().write([request])
    if isinstance(pieces, UserError):
        raise pieces
    return "".join(map(str, pieces))


def _text_kind(question: str, args: Any) -> QuestionKind:
    given = args if isinstance(args, Mapping) else vars(args) if args is not None else {}
    asks_as_gpqa = given.get("choice_old_prompt") == OLD_CHOICE_OF_GPQA
    is_choice = _pack().kind_of(Question(id="question", text=question), "sequential/solver") == "choice"
    return "gpqa" if asks_as_gpqa and is_choice else "math"


def _code_kind(task_type: str) -> QuestionKind:
    kinds: dict[str, QuestionKind] = {"function": "function", "complete": "program"}
    if task_type not in kinds:
        raise UserError(f"task_type is {task_type!r}; code is a function or complete (a whole program)")
    return kinds[task_type]


def _kind(mas_task: str, task_type: str) -> QuestionKind:
    if mas_task == "code":
        return _code_kind(task_type)
    if mas_task not in ("math", "choice"):
        raise UserError(f"mas_task is {mas_task!r}; it has to be math, choice or code")
    return "math" if mas_task == "math" else "choice"


def _expert(hie_role: str) -> str:
    if hie_role not in EXPERTS:
        raise UserError(f"hie_role is {hie_role!r}; the experts are {', '.join(EXPERTS)}")
    return EXPERTS[hie_role]
