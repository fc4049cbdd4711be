"""Prompt packs: lookup, validation, and what the default pack says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recursivemas.prompts import PromptPack, PromptRequest, Slot, check_slots, load_pack
from recursivemas.question import Question, QuestionKind
from recursivemas.styles import PUBLISHED_STYLES

KINDS: tuple[QuestionKind, ...] = get_args(QuestionKind)
OPTIONS = "Which?\nA. one\nB. two"


def data(**changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "name": "mine",
        "system": {"default": "Help.", "duo": "Help both.", "duo/left": "Help left."},
        "retry_cues": {"any": "\n\nAnswer: "},
        "choice_lines": {"default": {"option": r"(?m)^([A-Z])\."}, "duo": None},
        "prompts": {"duo": {"left": {"any": "Left: [[question]]"}}},
        **changes,
    }


def own(left: Any) -> dict[str, Any]:
    return {"prompts": {"duo": {"left": left}}}


@pytest.fixture
def load(tmp_path: Path) -> Callable[[dict[str, Any] | str], PromptPack]:
    def write_and_load(content: dict[str, Any] | str) -> PromptPack:
        path = tmp_path / "mine.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        path.write_text(text, encoding="utf-8")
        return load_pack(path)

    return write_and_load


def text_of(pack: PromptPack, prompt: str, kind: QuestionKind, feedback: bool = False) -> str:
    return pack.template(prompt, kind, feedback=feedback).source


# Tools


def test_a_system_text_of_ones_own_is_all_that_is_told(load) -> None:
    texts = {"before": "Tools!", "python": "<python>", "search": "<search>", "after": "Wait."}
    pack = load(data(tools=texts))
    assert pack.system("solo/one", ("search",)) == "Help.\n\nTools!\n\n<search>\n\nWait."
    assert pack.system("duo/left", ("search",)) == "Help left."
    assert pack.system("duo/right", ("search",)) == "Help both."


def test_a_pack_without_texts_about_tools_has_the_default_ones(load) -> None:
    pack = load(data())
    assert pack.tool_texts == load_pack().tool_texts
    with pytest.raises(ValueError, match=r"tools\.after is missing"):
        load(data(tools={"before": "", "python": "", "search": ""}))
    with pytest.raises(ValueError, match=r"tools\.abacus is unknown"):
        load(data(tools={**load_pack().tool_texts, "abacus": ""}))


# The default pack


@pytest.fixture(scope="module")
def default() -> PromptPack:
    return load_pack()


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=str)
def test_default_prompts_fit_the_published_styles(default: PromptPack, style: Any) -> None:
    check_slots(default, style)
    for agent in style.agents:
        for kind in KINDS:
            for feedback in (False, True):
                wanted = {link.slot for link in style.inbound(agent.role, with_feedback=feedback)}
                assert set(default.template(agent.prompt, kind, feedback=feedback).slots) == wanted


def test_default_summarizer_reads_math_code_science_in_order(default: PromptPack) -> None:
    for kind in KINDS:
        assert default.template("mixture/summarizer", kind).slots == ("math", "code", "science")


def test_default_code_prompts_say_what_to_implement(default: PromptPack) -> None:
    for prompt in default.prompts:
        for feedback in (False, True):
            assert "`[[function_name]]`" in text_of(default, prompt, "function", feedback)
            program = text_of(default, prompt, "program", feedback)
            assert "complete Python program" in program
            assert "[[function_name]]" not in program


@pytest.mark.parametrize(
    "prompt", ["sequential/solver", "mixture/summarizer", "distillation/learner", "deliberation/toolcaller"]
)
def test_default_answering_agents_are_told_the_form_of_the_answer(default: PromptPack, prompt: str) -> None:
    assert r"\boxed{}" in text_of(default, prompt, "math")
    for kind in ("choice", "gpqa"):
        assert r"\boxed{}" in text_of(default, prompt, kind)
        assert "letter of the correct option" in text_of(default, prompt, kind)
    for kind in ("function", "program"):
        assert "one fenced Python code block" in text_of(default, prompt, kind)


@pytest.mark.parametrize("prompt", ["sequential/planner", "sequential/critic", "distillation/expert"])
def test_default_planning_agents_are_not_asked_for_the_answer(default: PromptPack, prompt: str) -> None:
    for kind in KINDS:
        for feedback in (False, True):
            text = text_of(default, prompt, kind, feedback)
            assert "numbered steps" in text
            assert "boxed" not in text
            assert "fenced" not in text


def test_default_gpqa_solver_closes_after_a_single_newline(default: PromptPack) -> None:
    asks_letter_only = text_of(default, "sequential/solver", "gpqa").split("[[question]]")[1]
    assert asks_letter_only.startswith("\n")
    assert not asks_letter_only.startswith("\n\n")
    assert "letter of the correct option only" in asks_letter_only
    for kind in ("math", "choice"):
        assert text_of(default, "sequential/solver", kind).split("[[question]]")[1].startswith("\n\n")


def test_default_experts_name_their_speciality(default: PromptPack) -> None:
    for role, speciality in (("math", "mathematics"), ("code", "programming"), ("science", "science")):
        for kind in KINDS:
            assert f"the {speciality} expert" in text_of(default, f"mixture/{role}", kind)


def test_default_deliberation_explains_the_tool_tags(default: PromptPack) -> None:
    for role in ("reflector", "toolcaller"):
        system = default.system(f"deliberation/{role}", ("python", "search"))
        for tag in ("<python>", "</python>", "<search>", "</search>", "<result>"):
            assert tag in system
    assert "\n" not in default.system("sequential/planner")


def test_only_the_tools_that_an_agent_has_are_explained(default: PromptPack) -> None:
    assert (
        default.system("mine/solver") == default.system("mine/solver", ()) == "You are a helpful assistant."
    )
    python = default.system("mine/solver", ("python",))
    assert python.startswith("You are a helpful assistant.\n\n")
    assert "</python>" in python
    assert "search" not in python


def test_default_retry_cues_open_the_answer(default: PromptPack) -> None:
    assert default.retry_cue("math").endswith("\nFinal Answer: \\boxed{")
    assert default.retry_cue("choice").endswith("\nFinal Choice: \\boxed{")
    assert default.retry_cue("gpqa") == default.retry_cue("choice")
    for kind in ("function", "program"):
        assert default.retry_cue(kind).startswith("\n")
        assert default.retry_cue(kind).endswith("\n```python\n")


@pytest.mark.parametrize(
    ("declared", "text", "expected"),
    [
        ("math", "1 + 1", "math"),
        ("math", OPTIONS, "choice"),
        ("choice", "1 + 1", "choice"),
        ("gpqa", OPTIONS, "gpqa"),
        ("function", OPTIONS, "function"),
        ("program", OPTIONS, "program"),
    ],
)
def test_lettered_lines_make_a_math_question_a_choice(
    default: PromptPack, declared: QuestionKind, text: str, expected: QuestionKind
) -> None:
    assert default.kind_of(Question(id="1", text=text, kind=declared)) == expected


# Lookup


def test_the_most_specific_text_and_rule_hold(load: Any) -> None:
    pack = load(data())
    assert [pack.system(prompt) for prompt in ("duo/left", "duo/right", "solo/one")] == [
        "Help left.",
        "Help both.",
        "Help.",
    ]
    question = Question(id="1", text=OPTIONS)
    assert pack.kind_of(question, "solo/one") == "choice"
    assert pack.kind_of(question, "duo/left") == "math"


def test_a_rule_may_look_at_the_text_alone(load: Any) -> None:
    pack = load(data(choice_lines={"default": {"option": r"(?m)^([A-Z])\.", "trust_declared": False}}))
    assert pack.kind_of(Question(id="1", text="no options", kind="choice")) == "math"
    assert pack.kind_of(Question(id="1", text=OPTIONS, kind="gpqa")) == "gpqa"


def test_kinds_and_rounds_fall_back(load: Any) -> None:
    kinds = {
        "any": {"first": "any [[question]]", "feedback": "any again [[question]] [[slot:feedback]]"},
        "choice": "choice [[question]]",
    }
    pack = load(data(**own(kinds)))
    assert text_of(pack, "duo/left", "gpqa") == "choice [[question]]"
    assert text_of(pack, "duo/left", "choice", feedback=True) == "choice [[question]]"
    assert text_of(pack, "duo/left", "program", feedback=True).startswith("any again")
    assert pack.retry_cue("program") == "\n\nAnswer: "


def test_a_missing_prompt_is_an_error_that_names_it(load: Any) -> None:
    pack = load(data(**own({"math": "[[question]]"})))
    with pytest.raises(ValueError, match=r"mine\.yaml has no prompts for 'duo/right'; it has duo/left"):
        pack.template("duo/right", "math")
    with pytest.raises(ValueError, match=r"no prompt for duo/left on 'gpqa' questions; it has math"):
        pack.template("duo/left", "gpqa")


# A style's own prompts


def test_own_prompts_add_to_the_pack(default: PromptPack) -> None:
    pack = default.with_prompts({"duo": {"left": {"any": "Left: [[question]]"}}})
    assert text_of(pack, "duo/left", "math") == "Left: [[question]]"
    assert text_of(pack, "sequential/critic", "math") == text_of(default, "sequential/critic", "math")
    assert pack.sha256 != default.sha256


def test_own_prompts_replace_what_falls_back_to_them(default: PromptPack) -> None:
    plain = default.with_prompts({"sequential": {"solver": {"choice": "C [[question]]"}}})
    assert text_of(plain, "sequential/solver", "gpqa") == "C [[question]]"
    assert text_of(plain, "sequential/solver", "math") == text_of(default, "sequential/solver", "math")
    anything = default.with_prompts({"sequential": {"solver": {"any": "S [[question]]"}}})
    assert {text_of(anything, "sequential/solver", kind) for kind in KINDS} == {"S [[question]]"}


def test_without_own_prompts_the_pack_stays(default: PromptPack) -> None:
    assert default.with_prompts({}) is default


def test_own_prompts_are_checked(default: PromptPack) -> None:
    with pytest.raises(ValueError, match=r"the style: prompts\.duo\.left\.any\.first: unknown placeholder"):
        default.with_prompts({"duo": {"left": {"any": "[[qestion]]"}}})


# Files


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, r"mine\.yaml: format: 2 is no format .* reads; it reads format: 1, which"),
        ({"format": True}, r"format: True is no format that this version reads"),
        ({"format": "1"}, r"format: '1' is no format that this version reads"),
        ({"prompts": None}, r"prompts: nothing stands there; give a mapping from families"),
        ({"prompts": {"duo": "x"}}, r"prompts\.duo: 'x' stands there; give a mapping from roles"),
        ({"name": None}, "name is None; it has to be text"),
        ({"extra": 1}, "extra is unknown; known are format, name"),
        ({"system": {"duo": "x"}}, "system: there is no entry 'default'"),
        ({"system": {"default": 3}}, r"system\.default is 3; it has to be text"),
        ({"retry_cues": {"math": "x"}}, "retry_cues: there is no cue for 'choice'"),
        ({"retry_cues": {"any": "x", "sums": "y"}}, "the kind 'sums' is unknown; known are math"),
        ({"choice_lines": {}}, "choice_lines: there is no entry 'default'"),
        ({"choice_lines": {"default": {"option": "(["}}}, r"choice_lines\.default: option .* no regular"),
        (
            {"choice_lines": {"default": {"option": "(A)", "at_least": "2"}}},
            "at_least is '2'; it has to be a whole number",
        ),
        ({"choice_lines": {"default": {"letters": "AB"}}}, "letters is unknown; known are option, needs"),
        (own({"maths": "x"}), r"prompts\.duo\.left\.maths: the kind 'maths' is unknown .did you mean 'math'"),
        (own({}), r"prompts\.duo\.left: there are no prompts"),
        (
            {"prompts": {"duo": {"left": {"any": {"feedback": "x"}}}}},
            r"duo\.left\.any\.first is missing",
        ),
        (
            {"prompts": {"duo": {"left": {"any": {"first": "x [[slot:1]]"}}}}},
            r"left\.any\.first: unknown place",
        ),
        (own("x"), r"prompts\.duo\.left: 'x' stands there; give a mapping from kinds of questions \(math, "),
        (
            own({"any": 5}),
            r"prompts\.duo\.left\.any: 5 stands there; give a text, or a mapping with first and",
        ),
        ({"prompts": {"du/o": {"left": {"any": "x"}}}}, "'du/o' is not a name"),
    ],
)
def test_errors_name_the_file_and_the_place(load: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load(data(**changes))
    assert "mine.yaml" in str(caught.value)


def test_a_key_that_stands_twice_is_refused(load: Any) -> None:
    with pytest.raises(ValueError, match=r"the key 'name' stands twice(.|\n)*line 3"):
        load("format: 1\nname: a\nname: b\n")


@pytest.mark.parametrize("text", ["- a", "just words", "a: [", ""])
def test_what_is_no_pack_is_refused(load: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"mine\.yaml"):
        load(text)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"format: \xff\xfe")
    with pytest.raises(ValueError, match=r"mine\.yaml is not UTF-8 text"):
        load_pack(tmp_path / "mine.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.yaml' is no file"):
        load_pack(tmp_path / "none.yaml")


def test_saving_keeps_content_and_hash(default: PromptPack, tmp_path: Path) -> None:
    default.save(tmp_path / "copy.yaml")
    copy = load_pack(tmp_path / "copy.yaml")
    assert copy == default
    assert copy.sha256 == default.sha256
    written = (tmp_path / "copy.yaml").read_text(encoding="utf-8")
    assert "        first: |-\n          You are the planner of a team." in written


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8")) | st.text(st.sampled_from("a: #-\n\t\r\"'|>\x85\u2028[]{}!"))
)
def test_saving_is_exact(load: Any, tmp_path: Path, text: str) -> None:
    own = {"duo": {"left": {"any": {"first": "[[question]]", "feedback": "[[slot:feedback]]"}}}}
    pack = load(data(system={"default": text})).with_prompts(own)
    pack.save(tmp_path / "copy.yaml")
    assert load_pack(tmp_path / "copy.yaml") == pack


def test_a_pack_writes_prompts_as_a_source(default: PromptPack) -> None:
    question = Question(id="1", text="What is [[slot:plan]]?")
    asked = [
        PromptRequest(prompt="sequential/critic", question=question),
        PromptRequest(prompt="sequential/nobody", question=question),
        PromptRequest(prompt="sequential/critic", question=question, texts={"plan": "Do [[slot:plan]]."}),
        PromptRequest(prompt="sequential/planner", question=question, feedback=True),
        PromptRequest(
            prompt="sequential/planner", question=Question(id="2", text="?", kind="function", meta={})
        ),
    ]
    opened, unknown, filled, feedback, nameless = default.write(asked)
    template = default.template("sequential/critic", "math")
    assert opened == template.render(question)
    assert "has no prompts for 'sequential/nobody'" in str(unknown)
    assert filled == [template.render_text(question, {"plan": "Do [[slot:plan]]."})]
    assert Slot("feedback") in feedback
    assert "names no function" in str(nameless)
    assert default.describe() == {"origin": "default", "name": "default", "sha256": default.sha256}
