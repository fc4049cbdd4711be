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

from recursivemas.prompts import PromptImportError, PromptPack, check_slots, import_prompts, load_pack
from recursivemas.prompts.choice import ChoiceRule
from recursivemas.prompts.importer import ImportedPrompts, check_output, read_published
from recursivemas.prompts.infer_choice import option_questions
from recursivemas.question import Question
from recursivemas.styles import PUBLISHED_STYLES

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


def expected_texts(m: ModuleType, q: str) -> dict[tuple[str, str, bool], tuple[str, dict[str, str]]]:
    """(prompt, declared kind, feedback) -> the file's own text, and what the file puts for each slot."""
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


@pytest.fixture(scope="module")
def reports() -> dict[str, ImportedPrompts]:
    return {name: read_published(PUBLISHED / name / "prompts.py") for name in ("straight", "nasty")}


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


def test_choice_questions_are_told_as_the_file_tells_them(imported: dict[str, PromptPack]) -> None:
    two, three = "Which?\nA. x\nB. y", "Which?\nA. x\nB. y\nC. z"
    straight, nasty = imported["straight"], imported["nasty"]
    for text, in_straight, in_nasty in ((two, "choice", "math"), (three, "choice", "choice")):
        question = Question(id="1", text=text)
        assert straight.kind_of(question, "sequential/solver") == in_straight
        assert nasty.kind_of(question, "sequential/solver") == in_nasty
        # These builders are told the task, and do not look for themselves.
        assert straight.kind_of(question, "mixture/math") == "math"


# What is refused


def variant(tmp_path: Path, old: str, new: str) -> Path:
    """The straight prompts.py with one text replaced."""
    source = (PUBLISHED / "straight" / "prompts.py").read_text(encoding="utf-8")
    assert old in source
    path = tmp_path / "prompts.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    return path


OWN_RULE = 'all(f"\\n{letter})" in question for letter in "ABC")'


def test_roles_may_tell_choice_questions_in_their_own_ways(tmp_path: Path) -> None:
    old = "if _is_choice(question):\n        if args"
    pack = import_prompts(variant(tmp_path, old, f"if {OWN_RULE}:\n        if args"))
    question = Question(id="1", text="Which?\nA) x\nB) y")
    assert pack.kind_of(question, "sequential/planner") == "choice"
    assert pack.kind_of(question, "sequential/solver") == "math"
    assert pack.kind_of(question, "sequential/critic") == "choice"


def test_the_rounds_of_a_role_have_to_agree_on_choice_questions(tmp_path: Path) -> None:
    old = 'return f"{build_math_planner_prompt(question)}\\n\\nFeedback: {FEEDBACK_SLOT}"'
    new = f"return question + FEEDBACK_SLOT + str({OWN_RULE})"
    with pytest.raises(
        PromptImportError, match="sequential/planner disagree about what a choice question is"
    ):
        import_prompts(variant(tmp_path, old, new))


PLAN = 'f"Plan the sum.\\n\\n{question}\\n\\nNo answer."'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def build_distill_expert_prompt(", "def other(", "lacks build_distill_expert_prompt"),
        ('HIE_CODE_EXPERT_SLOT = "', 'OTHER = "', "lacks HIE_CODE_EXPERT_SLOT"),
        ('PLANNER_SLOT = "<<PLAN>>"', 'PLANNER_SLOT = ""', "PLANNER_SLOT is empty"),
        ("import re", "import nosuchmodule", r"does not load:\n(.|\n)*nosuchmodule"),
        ("import re", "raise SystemExit(3)", r"does not load:\n(.|\n)*SystemExit: 3"),
        ("import re", "import os; os._exit(3)", "ended its process with code 3"),
        (PLAN, '"Plan the sum."', "build_math_planner_prompt does not show the question"),
        (PLAN, "None", "build_math_planner_prompt fails on question='Zq.* with it gave back NoneType"),
        (PLAN, 'question.upper() + "\\n" + question', "no template reproduces build_math_planner_prompt.*Zq"),
        (
            PLAN,
            '("Plan: " + question).format()',
            "build_math_planner_prompt fails on question='.*}.*ValueError",
        ),
        (PLAN, 'f"{question}{len(question)}"', "no template reproduces build_math_planner_prompt"),
        (PLAN, 'question[:999] + "!"', "no template reproduces build_math_planner_prompt: .*x x x"),
        (
            'f"Refine.\\n\\n{question}\\n\\nPlan: {PLANNER_SLOT}\\n\\nPlan only."',
            "question",
            "build_math_refiner_prompt_with_slot does not show '<<PLAN>>'",
        ),
        (
            'f"Refine.\\n\\n{question}\\n\\nPlan: {PLANNER_SLOT}\\n\\nPlan only."',
            "question + 2 * PLANNER_SLOT",
            "build_math_refiner_prompt_with_slot shows '<<PLAN>>' once too often",
        ),
        (
            'letter}[.):-]", question) for letter in "AB")',
            'letter}[.):-]", question) for letter in "AB") and len(question) % 2 == 0',
            "build_math_planner_prompt",
        ),
    ],
)
def test_what_no_pack_can_hold_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(PromptImportError, match=message):
        import_prompts(variant(tmp_path, old, new))


DETECTOR = 'return all(re.search(rf"(?m)^\\s*{letter}[.):-]", question) for letter in "AB")'
LINES = r'(bool(re.match(r"^\s*[A-D][.):-]\s+\S", line)) for line in question.splitlines())'


def with_detector(tmp_path: Path, detector: str) -> Path:
    """The straight prompts.py with another way to tell choice questions."""
    return variant(tmp_path, DETECTOR, f"return {detector}")


@pytest.mark.parametrize(
    "detector",
    [
        f"sum({LINES}) >= 2",
        r'len(re.findall(r"(?m)^\s*([A-D])[.):-]\s*", question)) >= 4',
    ],
)
def test_detectors_that_go_line_by_line_are_read(tmp_path: Path, detector: str) -> None:
    pack = import_prompts(with_detector(tmp_path, detector))
    for text in ("Which?\nA. x\nB. y\n C: z\nD) w", "Which?\nA.\nB.", "Which A. x B. y", "What is x?"):
        expected = bool(eval(detector, {"re": re, "question": text}))
        assert (pack.kind_of(Question(id="1", text=text), "sequential/planner") == "choice") is expected


LETTERED = 'all(re.search(rf"(?m)^\\s*{letter}[.):-]", question) for letter in "AB")'


@pytest.mark.parametrize(
    ("detector", "shown"),
    [
        (f'"Options:" in question or {LETTERED}', "'.*Options:.*' as a choice question"),
        (f'"options:" in question.lower() or {LETTERED}', "'.*options:.*' as a choice question"),
        (f'not question.endswith("(short)") and {LETTERED}', r"'.*\(short\)' as a math question"),
        (
            rf'bool(re.search(r"(?i)\b(?:answer|reply)\s+choices?", question)) or {LETTERED}',
            "'.* choice.*' as a choice question",
        ),
        (f'("Choose" in question and "below" in question) or {LETTERED}', "'.*Choose.*below.*' as a choice"),
        (f"len(question) < 5000 and {LETTERED}", r"x\\nx.* as a math question"),
        (f"len(question.split()) < 700 and {LETTERED}", r"x\\nx.* as a math question"),
    ],
)
def test_detectors_that_look_at_more_than_lettered_lines_are_refused(
    tmp_path: Path, detector: str, shown: str
) -> None:
    path = with_detector(tmp_path, detector)
    with pytest.raises(
        PromptImportError, match=rf"(?s)build_math_planner_prompt shows .*{shown}.*--choice_lines"
    ):
        import_prompts(path)


def test_what_a_module_beside_the_file_looks_for_is_asked_too(tmp_path: Path) -> None:
    (tmp_path / "hints.py").write_text('HINT = "Pick a letter"\n', encoding="utf-8")
    path = with_detector(tmp_path, f"hints.HINT in question or {LETTERED}")
    path.write_text(path.read_text(encoding="utf-8").replace("import re", "import re\nimport hints", 1))
    with pytest.raises(PromptImportError, match=r"Pick a letter.* as a choice question"):
        import_prompts(path)


def test_a_rule_of_the_users_own_takes_the_place_of_one_that_no_pack_can_hold(tmp_path: Path) -> None:
    path = with_detector(tmp_path, f'"Options:" in question or {LETTERED}')
    with pytest.raises(PromptImportError, match=r"build_math_planner_prompt.*choice_rule=load_choice_rule"):
        import_prompts(path)
    rule = ChoiceRule(option=r"(?m)^\s*([AB])[.):-]", at_least=2)
    imported = read_published(path, choice_rule=rule)
    assert imported.pack.choice_lines["sequential"] == replace(rule, trust_declared=False)
    assert 0 < imported.num_apart < imported.num_questions


def test_with_a_rule_of_the_users_own_the_prompts_still_have_to_be_exact(tmp_path: Path) -> None:
    path = variant(tmp_path, PLAN, 'f"{question}{len(question)}"')
    with pytest.raises(PromptImportError, match="no template reproduces build_math_planner_prompt"):
        read_published(path, choice_rule=load_pack().choice_lines["default"])


def test_the_report_counts_the_questions(reports: dict[str, ImportedPrompts]) -> None:
    for report in reports.values():
        assert report.num_apart == 0
        assert report.num_questions > len(set(option_questions()))


def test_a_pack_is_not_written_over_code(tmp_path: Path) -> None:
    source = tmp_path / "prompts"
    source.write_text("", encoding="utf-8")
    check_output(source, tmp_path / "pack.yaml")
    for output in (tmp_path / "prompts", tmp_path / "other" / ".." / "prompts", tmp_path / "wording.py"):
        with pytest.raises(PromptImportError, match=r"such as pack\.yaml"):
            check_output(source, output)


def test_a_file_that_hangs_is_stopped(tmp_path: Path) -> None:
    path = variant(tmp_path, "import re", "import re, time; time.sleep(60)")
    with pytest.raises(PromptImportError, match="took longer than 1 seconds"):
        import_prompts(path, time_limit_s=1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PromptImportError, match=r"none\.py is no file"):
        import_prompts(tmp_path / "none.py")


def test_the_file_sees_neither_our_environment_nor_our_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.chdir(tmp_path)
    show = "import os, re; raise ValueError(f'{os.environ} {os.listdir()}')"
    path = variant(tmp_path, "import re", show)
    with pytest.raises(PromptImportError, match="does not load") as caught:
        import_prompts(path)
    assert "s3cret" not in str(caught.value)
    assert "['prompts.py" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == [path]
