"""Reading published prompts.py files: exactness, isolation, and what is refused."""

import importlib.util
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from recursivemas.prompts import (
    PromptPack,
    PromptsError,
    check_slots,
    import_prompts,
    importer,
    load_pack,
    probe_questions,
)
from recursivemas.prompts.choice import ChoiceRule
from recursivemas.prompts.importer import ImportedPrompts, check_output, read_published
from recursivemas.prompts.probe_questions import option_questions
from recursivemas.question import Question
from recursivemas.styles import PUBLISHED_STYLES

pytestmark = pytest.mark.process

PUBLISHED = Path(__file__).parent / "published"
OPTIONS = "A) one \nB) two \nC) three \nD) four"
QUESTIONS = [
    "What is 1 + 1?",
    f"Which is it?\n{OPTIONS}",
    f"  Which is it?\n\n{OPTIONS}\n ",
    "Sets {1, 2} and {}: $x$ is 100%s \\boxed{[[question]]} <<PLAN>> {expert} \\g<0>\n[[slot:feedback]] done",
    "A. x\nB. y",
]


def import_directly(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The same file imported into this process: the slow twin of reading it from outside."""
    monkeypatch.syspath_prepend(str(PUBLISHED / name))
    monkeypatch.setattr(os, "write", lambda descriptor, data: len(data))
    monkeypatch.delitem(sys.modules, "wording", raising=False)
    spec = importlib.util.spec_from_file_location(f"{name}_prompts", PUBLISHED / name / "prompts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def args(choice_old_prompt: int = 0) -> SimpleNamespace:
    return SimpleNamespace(solver_pre_question=0, choice_old_prompt=choice_old_prompt)


Texts = dict[tuple[str, str, bool], tuple[str, dict[str, str]]]


def expected_texts(m: ModuleType, q: str) -> Texts:
    """(prompt, declared kind, feedback) -> the file's own text, and what the file puts for each slot."""
    return {**expected_sequential_texts(m, q), **expected_other_texts(m, q)}


def expected_sequential_texts(m: ModuleType, q: str) -> Texts:
    return {
        ("sequential/planner", "math", False): (m.build_math_planner_prompt(q), {}),
        ("sequential/planner", "math", True): (
            m.build_math_planner_prompt_with_feedback_slot(q),
            {"feedback": m.FEEDBACK_SLOT},
        ),
        ("sequential/planner", "function", True): (
            m.build_code_planner_prompt_with_feedback_slot(q, "function", "f"),
            {"feedback": m.FEEDBACK_SLOT},
        ),
        ("sequential/critic", "program", False): (
            m.build_code_refiner_prompt_with_slot(q, "complete", None),
            {"plan": m.PLANNER_SLOT},
        ),
        ("sequential/critic", "choice", False): (
            m.build_math_refiner_prompt_with_slot(q),
            {"plan": m.PLANNER_SLOT},
        ),
        ("sequential/solver", "math", False): (
            m.build_math_solver_prompt_with_slots(q, args()),
            {"refined_plan": m.REFINED_SLOT},
        ),
        ("sequential/solver", "choice", False): (
            m.build_math_solver_prompt_with_slots(q, args()),
            {"refined_plan": m.REFINED_SLOT},
        ),
        ("sequential/solver", "gpqa", False): (
            m.build_math_solver_prompt_with_slots(q, args(2)),
            {"refined_plan": m.REFINED_SLOT},
        ),
        ("sequential/solver", "function", False): (
            m.build_code_solver_prompt_with_slots(q, "function", args(), "chain", "f"),
            {"refined_plan": m.REFINED_SLOT},
        ),
    }


def expected_other_texts(m: ModuleType, q: str) -> Texts:
    return {
        ("mixture/science", "choice", True): (
            m.build_hie_expert_prompt_with_feedback_slot(q, "hie_science_expert", "choice", "", None),
            {"feedback": m.HIE_FEEDBACK_SLOT},
        ),
        ("mixture/code", "function", False): (
            m.build_hie_expert_prompt(q, "hie_code_expert", "code", "function", "f"),
            {},
        ),
        ("mixture/summarizer", "math", False): (
            m.build_hie_summarizer_prompt_with_slots(q, "math", "", None),
            {
                "math": m.HIE_MATH_EXPERT_SLOT,
                "code": m.HIE_CODE_EXPERT_SLOT,
                "science": m.HIE_SCIENCE_EXPERT_SLOT,
            },
        ),
        ("distillation/expert", "program", True): (
            m.build_distill_expert_prompt_with_feedback_slot(q, "code", "complete", None),
            {"feedback": m.DISTILL_FEEDBACK_SLOT},
        ),
        ("distillation/learner", "gpqa", False): (
            m.build_distill_learner_prompt_with_slot(q, "choice", "", None),
            {"plan": m.DISTILL_EXPERT_SLOT},
        ),
        ("deliberation/reflector", "math", True): (
            m.build_deliberation_reflector_prompt_with_feedback_slot(q, "math", "", None),
            {"feedback": m.DELIBERATION_FEEDBACK_SLOT},
        ),
        ("deliberation/toolcaller", "choice", False): (
            m.build_deliberation_toolcaller_prompt_with_slot(q, "choice", "", None),
            {"reflection": m.DELIBERATION_REFLECTOR_SLOT},
        ),
    }


# The nasty file has a rule of its own for choice questions.
NASTY_RULE = ChoiceRule(option=r"(?m)^[ \t]*\(?([A-E])[\.\)]\s", needs="", at_least=3)


@pytest.fixture(scope="module")
def reports() -> dict[str, ImportedPrompts]:
    return {
        "straight": read_published(PUBLISHED / "straight" / "prompts.py"),
        "nasty": read_published(PUBLISHED / "nasty", choice_rule=NASTY_RULE),
    }


@pytest.fixture(scope="module")
def imported(reports: dict[str, ImportedPrompts]) -> dict[str, PromptPack]:
    return {name: report.pack for name, report in reports.items()}


@pytest.mark.parametrize("name", ["straight", "nasty"])
@pytest.mark.parametrize("text", QUESTIONS)
def test_the_pack_reproduces_the_builders(
    imported: dict[str, PromptPack], monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    pack = imported[name]
    module = import_directly(name, monkeypatch)
    for (prompt, declared, feedback), (expected, markers) in expected_texts(module, text).items():
        question: Any = Question(id="1", text=text, kind=declared, function_name="f")  # type: ignore[arg-type]
        template = pack.template(prompt, pack.kind_of(question, prompt), feedback=feedback)
        if declared == "gpqa" and pack.kind_of(question, prompt) == "math":
            continue  # no gpqa question is without lettered lines
        assert template.render_text(question, markers) == expected, (prompt, declared, feedback)


@pytest.mark.parametrize("name", ["straight", "nasty"])
def test_the_pack_fits_the_published_styles(imported: dict[str, PromptPack], name: str) -> None:
    for style in PUBLISHED_STYLES.values():
        check_slots(imported[name], style)


@pytest.mark.parametrize("name", ["straight", "nasty"])
def test_the_pack_survives_its_file(imported: dict[str, PromptPack], tmp_path: Path, name: str) -> None:
    imported[name].save(tmp_path / "pack.yaml")
    copy = load_pack(tmp_path / "pack.yaml")
    assert copy == imported[name]
    assert copy.sha256 == imported[name].sha256


def test_system_texts_come_from_the_file(imported: dict[str, PromptPack]) -> None:
    straight, nasty = imported["straight"], imported["nasty"]
    assert straight.system("mixture/math") == "You are kind and brief."
    assert straight.system("deliberation/reflector").startswith("You are the reflector.")
    assert nasty.system("sequential/critic") == "  Spaces around, and a tab\t \n\n"
    assert nasty.system("deliberation/toolcaller") == "Call."


def test_retry_cues_are_the_default_ones(imported: dict[str, PromptPack]) -> None:
    assert imported["nasty"].retry_cues == load_pack().retry_cues


# What is refused


def variant(tmp_path: Path, old: str, new: str) -> Path:
    """The straight prompts.py with one text replaced."""
    source = (PUBLISHED / "straight" / "prompts.py").read_text(encoding="utf-8")
    assert old in source
    path = tmp_path / "prompts.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    return path


@pytest.fixture
def fewer_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """For faults that the questions made on purpose show: of the others, enough to go the whole way."""
    monkeypatch.setattr(importer, "option_questions", lambda: option_questions(40))
    monkeypatch.setattr(probe_questions, "MAX_LITERALS", 20)


PLAN = 'f"Plan the sum.\\n\\n{question}\\n\\nNo answer."'


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("def build_distill_expert_prompt(", "def other(", ["lacks build_distill_expert_prompt"]),
        (PLAN, '"Plan the sum."', ["  build_math_planner_prompt: it does not show the question"]),
        (PLAN, "None", ["build_math_planner_prompt.* gave back NoneType"]),
        (
            PLAN,
            'question.upper() + "\\n" + question',
            ["  build_math_planner_prompt: it changes the question"],
        ),
        (PLAN, 'f"{question}{len(question)}"', ["  build_math_planner_prompt: it changes the question"]),
        (PLAN, 'question[:999] + "!"', ["  build_math_planner_prompt: on the math question 'x x x"]),
        (
            PLAN,
            '"Plan: " + question if "Hint:" not in question else question',
            ["  build_math_planner_prompt: on the math question 'Hint:' it writes", "_feedback_slot: on the"],
        ),
        (
            'letter}[.):-]", question) for letter in "AB")',
            'letter}[.):-]", question) for letter in "ABC")',
            ["  build_math_planner_prompt: on the math", "  build_math_solver_prompt_with_slots: on the"],
        ),
    ],
)
@pytest.mark.usefixtures("fewer_questions")
def test_what_no_pack_can_hold_is_named_with_what_can(
    tmp_path: Path, old: str, new: str, messages: list[str]
) -> None:
    path = variant(tmp_path, old, new)
    with pytest.raises(PromptsError) as caught:
        import_prompts(path)
    for message in messages:
        assert re.search(message, str(caught.value)), caught.value
    if "lacks" not in messages[0]:
        assert f"--prompts {path} asks its builders for every question" in str(caught.value)


@pytest.mark.long
def test_conditions_inside_builders_are_found(tmp_path: Path) -> None:
    with pytest.raises(PromptsError) as caught:
        import_prompts(PUBLISHED / "conditions")
    named = re.findall(r"(?m)^  (\w+): ", str(caught.value))
    assert {"build_hie_expert_prompt", "build_hie_summarizer_prompt_with_slots"} <= set(named)
    assert "build_distill_expert_prompt" not in named


def test_what_a_module_beside_the_file_looks_for_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "option_questions", lambda: option_questions(40))
    (tmp_path / "hints.py").write_text('HINT = "Pick a letter"\n', encoding="utf-8")
    path = variant(tmp_path, PLAN, "question + str(hints.HINT in question)")
    path.write_text(path.read_text(encoding="utf-8").replace("import re", "import re\nimport hints", 1))
    with pytest.raises(PromptsError, match=r"build_math_planner_prompt: on .*Pick a letter"):
        import_prompts(path)


def test_a_rule_of_the_users_own_says_what_a_choice_question_is(reports: dict[str, ImportedPrompts]) -> None:
    imported = reports["nasty"]
    assert imported.pack.choice_lines["sequential/solver"] == replace(NASTY_RULE, trust_declared=False)
    assert imported.num_questions > len(set(option_questions()))


def test_a_pack_is_not_written_over_code(tmp_path: Path) -> None:
    source = tmp_path / "prompts"
    source.write_text("", encoding="utf-8")
    check_output(source, tmp_path / "pack.yaml")
    for output in (tmp_path / "prompts", tmp_path / "other" / ".." / "prompts", tmp_path / "wording.py"):
        with pytest.raises(PromptsError, match=r"such as pack\.yaml"):
            check_output(source, output)
