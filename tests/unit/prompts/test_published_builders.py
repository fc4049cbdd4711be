"""Prompts from the builders of a published prompts.py: exact on every question, whatever the builders do."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from recursivemas.prompts import (
    PromptRequest,
    Slot,
    load_pack,
    load_prompts,
)
from recursivemas.prompts.probe_questions import adversarial_questions, option_questions
from recursivemas.prompts.prompt_file import read_prompt_file
from recursivemas.question import Question, QuestionKind
from recursivemas.styles import PUBLISHED_STYLES, SINGLE_PROMPT

pytestmark = pytest.mark.process

PUBLISHED = Path(__file__).parent / "published"
CONDITIONS = PUBLISHED / "conditions"
NAME = "count_pairs"
KINDS: tuple[QuestionKind, ...] = ("math", "choice", "gpqa", "function", "program")
"""The nine benchmarks ask for these: math500, aime and the search benchmarks; medqa; gpqa; MBPP+; LCB."""


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURSIVEMAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def import_directly(path: Path) -> ModuleType:
    """The same file imported into this process: the slow twin of asking it from outside."""
    spec = importlib.util.spec_from_file_location(f"direct_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def awkward_questions(module: ModuleType) -> list[str]:
    markers = [value for name, value in vars(module).items() if name.endswith("_SLOT")]
    texts = [*adversarial_questions(markers, "Plan the sum."), f"{markers[0]}{markers[0][:-1]}", "\ue000"]
    texts += ["Which?\nA. x\nB. y\n\nCHOOSE the correct OPTION (A/B/C/D).", "half \ud800 a pair"]
    return list(dict.fromkeys([*texts, *option_questions(250)]))


def direct(m: ModuleType, kind: QuestionKind, q: str, texts: dict[str, str] | None) -> dict[Any, str]:
    """What the file's own builders give, called as the published code calls them."""
    code = kind in ("function", "program")
    task = {"task_type": "function" if kind == "function" else "complete"} if code else {"task_type": ""}
    task["fn_name"] = NAME if kind == "function" else None
    named = {"mas_task": "code" if code else "math" if kind == "math" else "choice", **task}
    args = SimpleNamespace(solver_pre_question=0, choice_old_prompt=2 if kind == "gpqa" else 0)
    family = "code" if code else "math"
    own = task if code else {}

    def build(name: str, *given: Any, **rest: Any) -> str:
        return getattr(m, name)(q, *given, **rest)

    roles = {}
    for role in ("math", "code", "science"):
        expert = {"hie_role": f"hie_{role}_expert", **named}
        roles[f"mixture/{role}", False] = build("build_hie_expert_prompt", **expert)
        roles[f"mixture/{role}", True] = build("build_hie_expert_prompt_with_feedback_slot", **expert)
    roles |= {
        ("sequential/planner", False): build(f"build_{family}_planner_prompt", **own),
        ("sequential/planner", True): build(f"build_{family}_planner_prompt_with_feedback_slot", **own),
        ("distillation/expert", False): build("build_distill_expert_prompt", **named),
        ("distillation/expert", True): build("build_distill_expert_prompt_with_feedback_slot", **named),
        ("deliberation/reflector", False): build("build_deliberation_reflector_prompt", **named),
        ("deliberation/reflector", True): build(
            "build_deliberation_reflector_prompt_with_feedback_slot", **named
        ),
    }
    if texts is None:
        shape = {"mas_shape": "chain"} if code else {}
        reading = {
            "sequential/critic": build(f"build_{family}_refiner_prompt_with_slot", **own),
            "sequential/solver": build(f"build_{family}_solver_prompt_with_slots", args=args, **shape, **own),
            "mixture/summarizer": build("build_hie_summarizer_prompt_with_slots", **named),
            "distillation/learner": build("build_distill_learner_prompt_with_slot", **named),
            "deliberation/toolcaller": build("build_deliberation_toolcaller_prompt_with_slot", **named),
        }
    else:
        t = texts
        reading = {
            "sequential/critic": build(f"build_{family}_refiner_prompt", t["plan"], **own),
            "sequential/solver": build(f"build_{family}_solver_prompt", t["refined_plan"], args, **own),
            "mixture/summarizer": build(
                "build_hie_summarizer_prompt", t["math"], t["code"], t["science"], **named
            ),
            "distillation/learner": build("build_distill_learner_prompt", t["plan"], **named),
            "deliberation/toolcaller": build(
                "build_deliberation_toolcaller_prompt", t["reflection"], **named
            ),
        }
    return roles | {
        (prompt, feedback): text for prompt, text in reading.items() for feedback in (False, True)
    }


def slots_of(prompt: str) -> tuple[str, ...]:
    """The slots that a published style's links fill, feedback included."""
    agents = [
        (style, agent)
        for style in PUBLISHED_STYLES.values()
        for agent in style.agents
        if agent.prompt == prompt
    ]
    style, agent = agents[0]
    return tuple(link.slot for link in style.inbound(agent.role, with_feedback=True))


SLOT_CONSTANTS = {
    ("sequential", "plan"): "PLANNER_SLOT",
    ("sequential", "refined_plan"): "REFINED_SLOT",
    ("sequential", "feedback"): "FEEDBACK_SLOT",
    ("mixture", "math"): "HIE_MATH_EXPERT_SLOT",
    ("mixture", "code"): "HIE_CODE_EXPERT_SLOT",
    ("mixture", "science"): "HIE_SCIENCE_EXPERT_SLOT",
    ("mixture", "feedback"): "HIE_FEEDBACK_SLOT",
    ("distillation", "plan"): "DISTILL_EXPERT_SLOT",
    ("distillation", "feedback"): "DISTILL_FEEDBACK_SLOT",
    ("deliberation", "reflection"): "DELIBERATION_REFLECTOR_SLOT",
    ("deliberation", "feedback"): "DELIBERATION_FEEDBACK_SLOT",
}


@pytest.mark.parametrize("in_text", [False, True], ids=["latent", "text"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_prompt_is_what_the_builders_give(kind: QuestionKind, in_text: bool) -> None:
    module = import_directly(CONDITIONS / "prompts.py")
    questions = awkward_questions(module)
    assert len(questions) > 200
    asked, expected, slots = [], [], []
    for number, text in enumerate(questions):
        texts = {
            slot: f"{slot} {number} <EXPERT_2>{{}}\\1 {module.FEEDBACK_SLOT}" + "y" * (number * 20)
            for _, slot in SLOT_CONSTANTS
        }
        question = Question(id="1", text=text, kind=kind, function_name=NAME if kind == "function" else None)
        for (prompt, feedback), theirs in direct(module, kind, text, texts if in_text else None).items():
            given = {slot: texts[slot] for slot in slots_of(prompt) if feedback or slot != "feedback"}
            asked.append(
                PromptRequest(
                    prompt=prompt, question=question, feedback=feedback, texts=given if in_text else None
                )
            )
            slots.append(tuple(given))
            expected.append((theirs, texts))
    source = load_prompts(CONDITIONS, release="toy-random")
    for request, pieces, (theirs, texts), wanted in zip(
        asked, source.write(asked), expected, slots, strict=True
    ):
        assert isinstance(pieces, list), pieces
        family = request.prompt.partition("/")[0]
        if in_text:
            (shown,) = pieces
            if "feedback" in wanted:  # no builder takes a feedback text: it stands in its slot
                before, _, after = theirs.rpartition(module.__dict__[SLOT_CONSTANTS[family, "feedback"]])
                if request.prompt.startswith("distillation"):
                    before, _, after = theirs.partition(module.DISTILL_FEEDBACK_SLOT)
                if request.prompt.startswith("deliberation"):
                    before, _, after = theirs.partition(module.DELIBERATION_FEEDBACK_SLOT)
                theirs = f"{before}{texts['feedback']}{after}"
            assert shown == theirs
        else:
            assert tuple(piece.name for piece in pieces if isinstance(piece, Slot)) == wanted
            shown = "".join(
                getattr(module, SLOT_CONSTANTS[family, piece.name]) if isinstance(piece, Slot) else piece
                for piece in pieces
            )
            assert shown == theirs, (request.prompt, request.feedback)


def test_the_imitation_has_both_kinds_of_conditions() -> None:
    """What a template could not do, and what the published file does (docs/protocol.md, "Prompts")."""
    source = load_prompts(CONDITIONS, release="toy-random")
    lettered = "Which?\nA. x\nB. y"

    def show(prompt: str, kind: QuestionKind, text: str) -> str:
        (pieces,) = source.write(
            [PromptRequest(prompt=prompt, question=Question(id="1", text=text, kind=kind))]
        )
        assert isinstance(pieces, list)
        return "".join(map(str, pieces))

    assert show("mixture/summarizer", "math", lettered).endswith("The option's letter, then its value.")
    assert show("mixture/summarizer", "math", "1 + 1?").endswith("The value in \\boxed{}.")
    assert show("mixture/summarizer", "choice", lettered).endswith("The letter in \\boxed{}.")
    line = "Choose the correct option (A/B/C/D)."
    assert show("mixture/code", "choice", lettered).count(line) == 1
    assert show("mixture/code", "choice", f"{lettered}\n{line}").count(line) == 1
    assert line not in show("mixture/code", "math", lettered)


def test_slots_are_told_from_a_question_that_spells_them() -> None:
    source = load_prompts(PUBLISHED / "straight", release="toy-random")
    question = Question(id="1", text="<<PLAN>> <<PLAN>> <<<PLAN>>>?")
    (pieces,) = source.write([PromptRequest(prompt="sequential/critic", question=question)])
    assert pieces == [f"Refine.\n\n{question.text}\n\nPlan: ", Slot("plan"), "\n\nPlan only."]


def test_what_a_run_records_and_asks_again_with() -> None:
    source = load_prompts(CONDITIONS / "prompts.py", release="toy-random")
    file = read_prompt_file(CONDITIONS)
    described = source.describe()
    assert (described["origin"], described["name"]) == ("file", "prompts.py")
    assert described["sha256"] == file.sha256
    assert described["code_cue"]["origin"] == "file"
    assert source.retry_cue("math") == "Final Answer: \\boxed{"
    assert source.retry_cue("gpqa") == source.retry_cue("choice") == "Final Choice: \\boxed{"
    assert source.retry_cue("program") == source.retry_cue("function")
    assert source.retry_cue("function") == (
        "That was no valid format. Give the final code and nothing else.\nFinal Code:\n```python\n"
    )
    lettered = Question(id="1", text="Which?\nA. x\nB. y")
    assert source.kind_of(lettered, "sequential/solver") == "math", "the release goes by its task"


def test_without_the_file_of_the_cue_our_own_words_are_used(caplog: pytest.LogCaptureFixture) -> None:
    source = load_prompts(PUBLISHED / "straight", release="toy-random")
    for _ in range(2):
        source.check(PUBLISHED_STYLES["mixture"], task="code", mode="latent")
    assert source.retry_cue("function") == load_pack().retry_cue("function")
    assert source.describe()["code_cue"]["origin"] == "default"
    assert caplog.text.count("our own are used") == 1
    assert caplog.text.count("is not the published prompts.py") == 1


def test_system_texts_come_from_the_file() -> None:
    source = load_prompts(CONDITIONS, release="toy-random")
    assert source.system("mixture/math") == "You answer with care."
    assert source.system("deliberation/reflector", ("python",)).startswith("As the reflector you have")


def test_what_no_builder_writes_comes_from_a_pack() -> None:
    source = load_prompts(CONDITIONS, release="toy-random")
    question = Question(id="1", text="1 + 1?")
    (pieces,) = source.write([PromptRequest(prompt=SINGLE_PROMPT, question=question)])
    assert pieces == load_pack().template(SINGLE_PROMPT, "math").render(question)
    own = {"mixture": {"science": {"any": "Mine: [[question]]"}}}
    source = load_prompts(CONDITIONS, release="toy-random", style_prompts=own)
    ours, theirs = source.write(
        [PromptRequest(prompt=f"mixture/{role}", question=question) for role in ("science", "math")]
    )
    assert ours == ["Mine: 1 + 1?"]
    assert theirs == ["You are the hie_math_expert.\n1 + 1?\nThink."]
    assert source.system("mixture/science") == "You answer with care."
