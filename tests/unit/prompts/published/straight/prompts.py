"""A prompts.py in the published form, without surprises."""

import re

SYSTEM_PROMPT = "You are kind and brief."

PLANNER_SLOT = "<<PLAN>>"
REFINED_SLOT = "<<REFINED>>"
FEEDBACK_SLOT = "<<FEEDBACK>>"
HIE_MATH_EXPERT_SLOT = "<<MATH>>"
HIE_CODE_EXPERT_SLOT = "<<CODE>>"
HIE_SCIENCE_EXPERT_SLOT = "<<SCIENCE>>"
HIE_FEEDBACK_SLOT = "<<HIE_FEEDBACK>>"
DISTILL_EXPERT_SLOT = "<<EXPERT>>"
DISTILL_FEEDBACK_SLOT = "<<DISTILL_FEEDBACK>>"
DELIBERATION_REFLECTOR_SLOT = "<<REFLECTION>>"
DELIBERATION_FEEDBACK_SLOT = "<<DELIBERATION_FEEDBACK>>"


def get_system_prompt(mas_design, mas_role):
    if mas_design == "deliberation":
        return f"You are the {mas_role}. Use <python> and <search>."
    return SYSTEM_PROMPT


def _is_choice(question):
    return all(re.search(rf"(?m)^\s*{letter}[.):-]", question) for letter in "AB")


def _interface(task_type, fn_name):
    if task_type == "function":
        return f"Implement `{fn_name}`."
    return "Write a program for stdin and stdout."


def build_math_planner_prompt(question):
    if _is_choice(question):
        return f"Plan the choice.\n\n{question}\n\nNo letter."
    return f"Plan the sum.\n\n{question}\n\nNo answer."


def build_math_planner_prompt_with_feedback_slot(question):
    return f"{build_math_planner_prompt(question)}\n\nFeedback: {FEEDBACK_SLOT}"


def build_math_refiner_prompt_with_slot(question):
    return f"Refine.\n\n{question}\n\nPlan: {PLANNER_SLOT}\n\nPlan only."


def build_math_solver_prompt_with_slots(question, args, mas_shape="chain"):
    if args.solver_pre_question:
        return f"{question}\n\nPlan: {REFINED_SLOT}"
    if _is_choice(question):
        if args.choice_old_prompt == 2:
            return f"Plan: {REFINED_SLOT}\n\n{question}\nLetter only."
        return f"Plan: {REFINED_SLOT}\n\n{question}\n\nLetter in \\boxed{{}}."
    return f"Plan: {REFINED_SLOT}\n\n{question}\n\nAnswer in \\boxed{{}}."


def build_code_planner_prompt(question, task_type, fn_name):
    return f"Plan the code.\n\n{question}\n\n{_interface(task_type, fn_name)}"


def build_code_planner_prompt_with_feedback_slot(question, task_type, fn_name):
    return f"{build_code_planner_prompt(question, task_type, fn_name)}\n\nFeedback: {FEEDBACK_SLOT}"


def build_code_refiner_prompt_with_slot(question, task_type, fn_name):
    return f"Refine.\n\n{question}\n\n{_interface(task_type, fn_name)}\n\nPlan: {PLANNER_SLOT}"


def build_code_solver_prompt_with_slots(question, task_type, args, mas_shape, fn_name):
    return f"Plan: {REFINED_SLOT}\n\n{question}\n\n{_interface(task_type, fn_name)}\n\nOne block."


def _ending(mas_task, task_type, fn_name):
    if mas_task == "code":
        return _interface(task_type, fn_name)
    return "Letter." if mas_task == "choice" else "Box."


def build_hie_expert_prompt(question, hie_role, mas_task, task_type, fn_name):
    return f"You are {hie_role}.\n\n{question}\n\n{_ending(mas_task, task_type, fn_name)}"


def build_hie_expert_prompt_with_feedback_slot(question, hie_role, mas_task, task_type, fn_name):
    first = build_hie_expert_prompt(question, hie_role, mas_task, task_type, fn_name)
    return f"{first}\n\nFeedback: {HIE_FEEDBACK_SLOT}"


def build_hie_summarizer_prompt_with_slots(question, mas_task, task_type, fn_name):
    signals = f"1 {HIE_MATH_EXPERT_SLOT}\n2 {HIE_CODE_EXPERT_SLOT}\n3 {HIE_SCIENCE_EXPERT_SLOT}"
    return f"Sum up.\n\n{question}\n\n{signals}\n\n{_ending(mas_task, task_type, fn_name)}"


def build_distill_expert_prompt(question, mas_task, task_type, fn_name):
    return f"Guide.\n\n{question}\n\n{_ending(mas_task, task_type, fn_name)}"


def build_distill_expert_prompt_with_feedback_slot(question, mas_task, task_type, fn_name):
    first = build_distill_expert_prompt(question, mas_task, task_type, fn_name)
    return f"{first}\n\nFeedback: {DISTILL_FEEDBACK_SLOT}"


def build_distill_learner_prompt_with_slot(question, mas_task, task_type, fn_name):
    return f"Learn.\n\n{question}\n\n{DISTILL_EXPERT_SLOT}\n\n{_ending(mas_task, task_type, fn_name)}"


def build_deliberation_reflector_prompt(question, mas_task, task_type, fn_name):
    return f"Reflect.\n\n{question}\n\n{_ending(mas_task, task_type, fn_name)}"


def build_deliberation_reflector_prompt_with_feedback_slot(question, mas_task, task_type, fn_name):
    first = build_deliberation_reflector_prompt(question, mas_task, task_type, fn_name)
    return f"{first}\n\nFeedback: {DELIBERATION_FEEDBACK_SLOT}"


def build_deliberation_toolcaller_prompt_with_slot(question, mas_task, task_type, fn_name):
    return f"Call.\n\n{question}\n\n{DELIBERATION_REFLECTOR_SLOT}\n\n{_ending(mas_task, task_type, fn_name)}"
