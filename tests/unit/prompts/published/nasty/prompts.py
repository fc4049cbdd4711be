"""A prompts.py in the published form that does everything an importer may trip over."""

import os
import sys

from wording import SHARED, braces, is_choice

print("loading the prompts")
os.write(1, b'{"error": "not this one"}\n')
sys.stderr.write("and complaining\n")

SYSTEM_PROMPT = "  Spaces around, and a tab\t \n\n"

PLANNER_SLOT = SHARED
REFINED_SLOT = SHARED
FEEDBACK_SLOT = SHARED
HIE_MATH_EXPERT_SLOT = "{expert}"
HIE_CODE_EXPERT_SLOT = "{expert}"
HIE_SCIENCE_EXPERT_SLOT = "{expert}2"
HIE_FEEDBACK_SLOT = SHARED
DISTILL_EXPERT_SLOT = "\\g<0>\n"
DISTILL_FEEDBACK_SLOT = SHARED
DELIBERATION_REFLECTOR_SLOT = "[[question]]"
DELIBERATION_FEEDBACK_SLOT = SHARED


def get_system_prompt(mas_design, mas_role):
    if mas_design != "deliberation":
        return SYSTEM_PROMPT
    return {"deliberation_reflector": "Reflect.", "deliberation_toolcaller": "Call."}[mas_role]


def build_math_planner_prompt(question):
    text = question.strip()
    kind = "choice" if is_choice(text) else "sum"
    return f"{braces(kind)}\n{text}\n---\n{question}\n[[question]] [[!slot:plan]] [[nothing]]"


def build_math_planner_prompt_with_feedback_slot(question):
    return build_math_planner_prompt(question) + "\n" + FEEDBACK_SLOT


def build_math_refiner_prompt_with_slot(question):
    return f"{PLANNER_SLOT}{question.rstrip()}"


def build_math_solver_prompt_with_slots(question, args, mas_shape="chain"):
    assert mas_shape == "chain"
    ending = "Letter" if is_choice(question.strip()) else "Box \\boxed{}"
    between = "\n" if args.choice_old_prompt == 2 and ending == "Letter" else "\n\n"
    return f"\n  {REFINED_SLOT} \u2028\x85\n{question.lstrip()}{between}{ending}  \n".rstrip()


def build_code_planner_prompt(question, task_type, fn_name):
    name = f"def {fn_name}(...): # {fn_name}" if task_type == "function" else "stdin"
    return (question + "\n" + name + "\n" + question).strip()


def build_code_planner_prompt_with_feedback_slot(*args, **named):
    return f"{FEEDBACK_SLOT}\n{build_code_planner_prompt(*args, **named)}"


def build_code_refiner_prompt_with_slot(question, task_type, fn_name):
    return f"{PLANNER_SLOT}\n{build_code_planner_prompt(question, task_type, fn_name)}"


def build_code_solver_prompt_with_slots(question, task_type, args, mas_shape, fn_name):
    return f"{build_code_planner_prompt(question, task_type, fn_name)}\n{REFINED_SLOT}"


def _task(question, mas_task, task_type, fn_name):
    if mas_task == "code":
        return build_code_planner_prompt(question, task_type, fn_name)
    return f"{mas_task}: {question}"


def build_hie_expert_prompt(question, hie_role, mas_task, task_type="complete", fn_name=None):
    return {
        "hie_math_expert": "Numbers. ",
        "hie_code_expert": "Code. ",
        "hie_science_expert": "Atoms. ",
    }[hie_role] + _task(question, mas_task, task_type, fn_name)


def build_hie_expert_prompt_with_feedback_slot(question, hie_role, mas_task, task_type="", fn_name=None):
    return build_hie_expert_prompt(question, hie_role, mas_task, task_type, fn_name) + HIE_FEEDBACK_SLOT


def build_hie_summarizer_prompt_with_slots(question, mas_task, task_type, fn_name):
    slots = f"{HIE_MATH_EXPERT_SLOT}{HIE_CODE_EXPERT_SLOT} {HIE_SCIENCE_EXPERT_SLOT}"
    return f"{slots} {_task(question, mas_task, task_type, fn_name)}"


def build_distill_expert_prompt(question, mas_task, task_type, fn_name):
    return _task(question, mas_task, task_type, fn_name)


def build_distill_expert_prompt_with_feedback_slot(question, mas_task, task_type, fn_name):
    return DISTILL_FEEDBACK_SLOT + _task(question, mas_task, task_type, fn_name)


def build_distill_learner_prompt_with_slot(question, mas_task, task_type, fn_name):
    return f"{_task(question, mas_task, task_type, fn_name)} {DISTILL_EXPERT_SLOT} done"


def build_deliberation_reflector_prompt(question, mas_task, task_type, fn_name):
    return _task(question, mas_task, task_type, fn_name)


def build_deliberation_reflector_prompt_with_feedback_slot(question, mas_task, task_type, fn_name):
    return _task(question, mas_task, task_type, fn_name) + "\n\n" + DELIBERATION_FEEDBACK_SLOT


def build_deliberation_toolcaller_prompt_with_slot(question, mas_task, task_type, fn_name):
    return f"{DELIBERATION_REFLECTOR_SLOT} {_task(question, mas_task, task_type, fn_name)}"
