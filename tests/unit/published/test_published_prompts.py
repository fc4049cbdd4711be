"""The names of the published prompts.py over our pack: what they give is what the system shows its agents."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import prompts
from recursivemas.errors import UserError
from recursivemas.prompts import PromptRequest, load_pack
from recursivemas.question import Question
from recursivemas.styles import PUBLISHED_STYLES

PLAIN, CHOICE = "What is {1} + [[question]]?", "Which?\nA. one\nB. two\nC. three\nD. four"
OLD = SimpleNamespace(solver_pre_question=0, choice_old_prompt=2)
NEW = SimpleNamespace(solver_pre_question=0, choice_old_prompt=0)
FUNCTION = {"task_type": "function", "fn_name": "add_up"}
PROGRAM = {"task_type": "complete", "fn_name": None}

SEQUENTIAL = {
    # prompt, builder's stem, suffix with slots, slots by constant, texts by parameter
    ("planner", False): ("planner", "", {}, {}),
    ("planner", True): ("planner", "_with_feedback_slot", {"feedback": "FEEDBACK_SLOT"}, {}),
    ("critic", False): ("refiner", "_with_slot", {"plan": "PLANNER_SLOT"}, {"plan": "plan"}),
    ("solver", False): (
        "solver",
        "_with_slots",
        {"refined_plan": "REFINED_SLOT"},
        {"refined_plan": "refined_plan"},
    ),
}
BY_TASK = {
    **{
        (f"mixture/{role}", feedback): (
            "build_hie_expert_prompt",
            "_with_feedback_slot" if feedback else "",
            {"feedback": "HIE_FEEDBACK_SLOT"} if feedback else {},
            {},
        )
        for role in ("math", "code", "science")
        for feedback in (False, True)
    },
    ("mixture/summarizer", False): (
        "build_hie_summarizer_prompt",
        "_with_slots",
        {
            "math": "HIE_MATH_EXPERT_SLOT",
            "code": "HIE_CODE_EXPERT_SLOT",
            "science": "HIE_SCIENCE_EXPERT_SLOT",
        },
        {"math": "math_expert", "code": "code_expert", "science": "science_expert"},
    ),
    ("distillation/expert", False): ("build_distill_expert_prompt", "", {}, {}),
    ("distillation/expert", True): (
        "build_distill_expert_prompt",
        "_with_feedback_slot",
        {"feedback": "DISTILL_FEEDBACK_SLOT"},
        {},
    ),
    ("distillation/learner", False): (
        "build_distill_learner_prompt",
        "_with_slot",
        {"plan": "DISTILL_EXPERT_SLOT"},
        {"plan": "expert_plan"},
    ),
    ("deliberation/reflector", False): ("build_deliberation_reflector_prompt", "", {}, {}),
    ("deliberation/reflector", True): (
        "build_deliberation_reflector_prompt",
        "_with_feedback_slot",
        {"feedback": "DELIBERATION_FEEDBACK_SLOT"},
        {},
    ),
    ("deliberation/toolcaller", False): (
        "build_deliberation_toolcaller_prompt",
        "_with_slot",
        {"reflection": "DELIBERATION_REFLECTOR_SLOT"},
        {"reflection": "reflection"},
    ),
}
KINDS = [("math", PLAIN), ("choice", CHOICE), ("gpqa", CHOICE), ("function", PLAIN), ("program", PLAIN)]


def shown(prompt, question, kind, feedback, texts=None):
    """What the system shows, with the texts in its slots."""
    asked = Question(id="q", text=question, kind=kind, function_name="add_up" if kind == "function" else None)
    request = PromptRequest(prompt=prompt, question=asked, feedback=feedback, texts=texts)
    (pieces,) = load_pack().write([request])
    assert not isinstance(pieces, UserError), pieces
    return "".join(pieces)


def check(prompt, feedback, builder, suffix, slots, texts, kind, question, given):
    markers = {slot: getattr(prompts, constant) for slot, constant in slots.items()}
    with_slots = getattr(prompts, builder + suffix)(question, **given)
    assert with_slots == shown(prompt, question, kind, feedback, markers)
    for marker in markers.values():
        assert with_slots.count(marker) == 1
    if texts:
        other = {slot: f"the {slot} of [[slot:{slot}]]" for slot in texts}
        quoted = getattr(prompts, builder)(
            question, **{texts[slot]: text for slot, text in other.items()}, **given
        )
        assert quoted == shown(prompt, question, kind, feedback, other)


@pytest.mark.parametrize(("kind", "question"), KINDS, ids=[kind for kind, _ in KINDS])
@pytest.mark.parametrize(("role", "feedback"), SEQUENTIAL)
def test_sequential_builders(role, feedback, kind, question):
    stem, suffix, slots, texts = SEQUENTIAL[role, feedback]
    task = "code" if kind in ("function", "program") else "math"
    given = {"function": FUNCTION, "program": PROGRAM}.get(kind, {})
    if role == "solver":
        given = {**given, "args": OLD if kind == "gpqa" else NEW}
    check(
        f"sequential/{role}",
        feedback,
        f"build_{task}_{stem}_prompt",
        suffix,
        slots,
        texts,
        kind,
        question,
        given,
    )


@pytest.mark.parametrize(("kind", "question"), KINDS, ids=[kind for kind, _ in KINDS])
@pytest.mark.parametrize(("prompt", "feedback"), BY_TASK)
def test_builders_that_are_told_the_task(prompt, feedback, kind, question):
    code = {"function": FUNCTION, "program": PROGRAM}.get(kind, {"task_type": "", "fn_name": None})
    task = "code" if kind in ("function", "program") else "choice" if kind == "gpqa" else kind
    given = {"mas_task": task, **code}
    if prompt in ("mixture/math", "mixture/code", "mixture/science"):
        given["hie_role"] = f"hie_{prompt.removeprefix('mixture/')}_expert"
    check(prompt, feedback, *BY_TASK[prompt, feedback], kind, question, given)


def test_every_prompt_of_the_published_styles_has_its_builder():
    asked = {f"sequential/{role}" for role, _ in SEQUENTIAL} | {prompt for prompt, _ in BY_TASK}
    assert asked == {agent.prompt for style in PUBLISHED_STYLES.values() for agent in style.agents}


def test_markers_are_all_different():
    markers = [value for name, value in vars(prompts).items() if name.endswith("_SLOT")]
    assert len(markers) == len(set(markers)) == 11


def test_a_question_is_closed_as_gpqa_only_where_it_is_a_choice():
    build = prompts.build_math_solver_prompt
    assert build(PLAIN, "plan", OLD) == build(PLAIN, "plan", NEW) == build(PLAIN, "plan")
    assert build(CHOICE, "plan", OLD) != build(CHOICE, "plan", NEW)
    assert build(CHOICE, "plan", {"choice_old_prompt": 2}) == build(CHOICE, "plan", OLD)


@pytest.mark.parametrize("agent", [agent for style in PUBLISHED_STYLES.values() for agent in style.agents])
def test_system_texts(agent):
    design, role = agent.prompt.split("/")
    text = load_pack().system(agent.prompt, agent.tools)
    assert prompts.get_system_prompt(design, role) == text
    assert prompts.get_system_prompt(design, f"{design}_{role}") == text
    assert text.startswith(prompts.SYSTEM_PROMPT)
    assert ("<search>" in text) == (design == "deliberation")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: prompts.build_code_planner_prompt("q", "class"), "task_type is 'class'"),
        (lambda: prompts.build_code_planner_prompt("q", "function"), "names no function"),
        (lambda: prompts.build_distill_expert_prompt("q", "law"), "mas_task is 'law'"),
        (
            lambda: prompts.build_hie_expert_prompt("q", "hie_law_expert", "math"),
            "hie_role is 'hie_law_expert'",
        ),
    ],
)
def test_what_there_is_no_prompt_for(call, says):
    with pytest.raises(UserError, match=says):
        call()
