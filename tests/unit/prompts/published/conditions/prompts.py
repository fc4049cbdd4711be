"""A prompts.py in the published form with conditions in its builders, which no template holds."""

import re

SYSTEM_PROMPT = "You answer with care."

PLANNER_SLOT = "<PLANNER_OUTPUT>"
REFINED_SLOT = "<REFINED_OUTPUT>"
FEEDBACK_SLOT = "<FEEDBACK_OUTPUT>"
HIE_MATH_EXPERT_SLOT = "<EXPERT_1>"
HIE_CODE_EXPERT_SLOT = "<EXPERT_2>"
HIE_SCIENCE_EXPERT_SLOT = "<EXPERT_3>"
HIE_FEEDBACK_SLOT = "<HIE_FEEDBACK>"
DISTILL_EXPERT_SLOT = "<EXPERT_OUTPUT>"
DISTILL_FEEDBACK_SLOT = "<DISTILL_FEEDBACK>"
DELIBERATION_REFLECTOR_SLOT = "<REFLECTOR_OUTPUT>"
DELIBERATION_FEEDBACK_SLOT = "<DELIBERATION_FEEDBACK>"

CHOOSE_LINE = "Choose the correct option (A/B/C/D)."


def get_system_prompt(mas_design, mas_role):
    if mas_design == "deliberation" and mas_role in ("reflector", "toolcaller"):
        return f"As the {mas_role} you have <python> and <search>."
    return SYSTEM_PROMPT


def looks_like_choice(question):
    return len(re.findall(r"(?m)^\s*[A-D][.):-]\s*\S", question)) >= 2


def interface(task_type, fn_name):
    return f"Implement `{fn_name}`." if task_type == "function" else "Read stdin, write stdout."


def build_math_planner_prompt(question):
    what = "options" if looks_like_choice(question) else "sum"
    return f"Plan the {what}.\n{question.strip()}\nNo answer."


def build_math_planner_prompt_with_feedback_slot(question):
    return f"{build_math_planner_prompt(question)}\n\nFeedback:\n{FEEDBACK_SLOT}\nAgain."


def build_math_refiner_prompt(question, plan):
    shown = plan if len(plan) < 1000 else plan[:1000] + "..."
    return f"Refine.\n{question}\n\nPlan as text:\n{shown}"


def build_math_refiner_prompt_with_slot(question):
    return f"Refine.\n{question}\n\nPlan:\n{PLANNER_SLOT}\n"


def _solver(question, plan, args):
    if args.solver_pre_question:
        return f"{plan}\n{question}"
    if looks_like_choice(question):
        gap = "\n" if args.choice_old_prompt == 2 else "\n\n"
        return f"{question}\n\nPlan:\n{plan}{gap}Only the letter."
    return f"{question}\n\nPlan:\n{plan}\n\nIn \\boxed{{}}."


def build_math_solver_prompt(question, refined_plan, args):
    return "Text. " + _solver(question, refined_plan, args)


def build_math_solver_prompt_with_slots(question, args):
    return _solver(question, REFINED_SLOT, args)


def build_code_planner_prompt(question, task_type="complete", fn_name=None):
    return f"Plan code.\n{question}\n{interface(task_type, fn_name)}"


def build_code_planner_prompt_with_feedback_slot(question, task_type="complete", fn_name=None):
    return f"{build_code_planner_prompt(question, task_type, fn_name)}\n{FEEDBACK_SLOT}"


def build_code_refiner_prompt(question, plan, task_type, fn_name):
    return f"Refine code.\n{question}\n{interface(task_type, fn_name)}\nPlan as text: {plan}"


def build_code_refiner_prompt_with_slot(question, task_type, fn_name):
    return f"Refine code.\n{question}\n{interface(task_type, fn_name)}\nPlan: {PLANNER_SLOT}"


def build_code_solver_prompt(question, refined_plan, args, task_type, fn_name):
    return f"Code it.\n{question}\n{interface(task_type, fn_name)}\nPlan as text: {refined_plan}"


def build_code_solver_prompt_with_slots(question, args, mas_shape="chain", task_type="", fn_name=None):
    return f"Code it.\n{question}\n{interface(task_type, fn_name)}\nPlan ({mas_shape}): {REFINED_SLOT}"


def with_choose_line(question, mas_task):
    """The first kind of condition: a line that is added only where it is absent."""
    if mas_task == "choice" and "choose the correct option" not in question.lower():
        return f"{question}\n\n{CHOOSE_LINE}"
    return question


def build_hie_expert_prompt(question, hie_role, mas_task, task_type="", fn_name=None):
    ending = interface(task_type, fn_name) if mas_task == "code" else "Think."
    return f"You are the {hie_role}.\n{with_choose_line(question, mas_task)}\n{ending}"


def build_hie_expert_prompt_with_feedback_slot(question, hie_role, mas_task, task_type="", fn_name=None):
    first = build_hie_expert_prompt(question, hie_role, mas_task, task_type, fn_name)
    return f"{first}\nFeedback: {HIE_FEEDBACK_SLOT}"


def _summarizer(question, signals, mas_task, task_type, fn_name):
    if mas_task == "code":
        ending = interface(task_type, fn_name)
    elif mas_task == "choice":
        ending = "The letter in \\boxed{}."
    elif looks_like_choice(question):  # the second kind: a third wording, of a lettered question in maths
        ending = "The option's letter, then its value."
    else:
        ending = "The value in \\boxed{}."
    return "\n".join(["Sum up.", question, *signals, ending])


def build_hie_summarizer_prompt(
    question, math_output, code_output, science_output, mas_task, task_type="", fn_name=None
):
    signals = [f"Math said: {math_output}", f"Code said: {code_output}", f"Science said: {science_output}"]
    return _summarizer(question, signals, mas_task, task_type, fn_name)


def build_hie_summarizer_prompt_with_slots(question, mas_task, task_type="", fn_name=None):
    slots = [HIE_MATH_EXPERT_SLOT, HIE_CODE_EXPERT_SLOT, HIE_SCIENCE_EXPERT_SLOT]
    return _summarizer(question, slots, mas_task, task_type, fn_name)


def _plain(lead, question, mas_task, task_type, fn_name):
    ending = interface(task_type, fn_name) if mas_task == "code" else f"A {mas_task} task."
    return f"{lead}\n{question}\n{ending}"


def build_distill_expert_prompt(question, mas_task, task_type="", fn_name=None):
    return _plain("Guide.", question, mas_task, task_type, fn_name)


def build_distill_expert_prompt_with_feedback_slot(question, mas_task, task_type="", fn_name=None):
    return _plain(f"Guide by {DISTILL_FEEDBACK_SLOT}.", question, mas_task, task_type, fn_name)


def build_distill_learner_prompt(question, expert_text, mas_task, task_type="", fn_name=None):
    return _plain(f"Learn from this text: {expert_text}", question, mas_task, task_type, fn_name)


def build_distill_learner_prompt_with_slot(question, mas_task, task_type="", fn_name=None):
    return _plain(f"Learn from {DISTILL_EXPERT_SLOT}", question, mas_task, task_type, fn_name)


def build_deliberation_reflector_prompt(question, mas_task, task_type="", fn_name=None):
    return _plain("Reflect.", question, mas_task, task_type, fn_name)


def build_deliberation_reflector_prompt_with_feedback_slot(question, mas_task, task_type="", fn_name=None):
    return _plain(f"Reflect on {DELIBERATION_FEEDBACK_SLOT}.", question, mas_task, task_type, fn_name)


def build_deliberation_toolcaller_prompt(question, reflection, mas_task, task_type="", fn_name=None):
    return _plain(f"Call after this text: {reflection}", question, mas_task, task_type, fn_name)


def build_deliberation_toolcaller_prompt_with_slot(question, mas_task, task_type="", fn_name=None):
    return _plain(f"Call after {DELIBERATION_REFLECTOR_SLOT}", question, mas_task, task_type, fn_name)
