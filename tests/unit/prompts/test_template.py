"""Templates: parsing, filling, writing back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recursivemas.prompts.template import FunctionName, QuestionText, Slot, Template
from recursivemas.question import Question

TRAPS = "{question} {} {{x}} %s $x \\boxed{1} [[question]] [[slot:plan]] [[!question]] [[function_name]]"

literals = st.text(alphabet=st.sampled_from("[]!ab:\\ \n{}")) | st.sampled_from(
    ["[[question]]", "[[slot:plan]]", "[[!x]]", "[[", "]]", "[[[", "[[]]", "[[1,2],[3,4]]"]
)
places = st.sampled_from([QuestionText(), QuestionText("strip"), QuestionText("lstrip"), FunctionName()])


def ask(text: str, function_name: str | None = None) -> Question:
    return Question(id="q1", text=text, function_name=function_name)


def test_marks_become_parts_in_order() -> None:
    template = Template.parse("Do [[question:strip]] as [[function_name]]\n[[slot:plan]][[slot:feedback]]")
    assert template.parts == (
        "Do ",
        QuestionText("strip"),
        " as ",
        FunctionName(),
        "\n",
        Slot("plan"),
        Slot("feedback"),
    )
    assert template.slots == ("plan", "feedback")


def test_a_question_is_inert_whatever_it_holds() -> None:
    template = Template.parse("Solve {this}: [[question]] with [[slot:plan]]")
    assert template.render(ask(TRAPS)) == [f"Solve {{this}}: {TRAPS} with ", Slot("plan")]


def test_trims_touch_the_question_only() -> None:
    template = Template.parse(" [[question]]|[[question:strip]]|[[question:lstrip]]|[[question:rstrip]] ")
    assert template.render(ask(" x\n")) == ["  x\n|x|x\n| x "]


def test_slots_are_shown_as_told() -> None:
    template = Template.parse("[[slot:plan]] [[question]] [[slot:feedback]]")
    assert template.render_text(ask("x")) == "<slot:plan> x <slot:feedback>"
    assert template.render_text(ask("x"), {"plan": "{P}", "feedback": ""}) == "{P} x "


def test_an_exclamation_mark_keeps_double_brackets_as_text() -> None:
    template = Template.parse("[[!question]] [[!!question]] [[1,2],[3,4]] [[question]]")
    assert template.render(ask("x")) == ["[[question]] [[!question]] [[1,2],[3,4]] x"]


@given(st.lists(literals | places | st.just(Slot("plan")), max_size=8))
def test_the_source_parses_back_to_the_same_template(parts: list) -> None:
    if parts.count(Slot("plan")) > 1:
        parts = [part for part in parts if part != Slot("plan")]
    template = Template((*parts, QuestionText()))
    assert Template.parse(template.source) == template


@given(st.text(), st.text(), st.text())
def test_filling_equals_joining_by_hand(before: str, question: str, after: str) -> None:
    template = Template((before, QuestionText(), after, Slot("plan"), before))
    assert template.render_text(ask(question), {"plan": "P"}) == f"{before}{question}{after}P{before}"


@pytest.mark.parametrize(
    "mark", ["[[qestion]]", "[[question:upper]]", "[[question:]]", "[[slot:]]", "[[slot:a b]]"]
)
def test_an_unknown_placeholder_is_named(mark: str) -> None:
    with pytest.raises(ValueError, match="unknown placeholder") as caught:
        Template.parse(f"[[question]] {mark}")
    assert mark in str(caught.value)
    assert f"[[!{mark[2:]}" in str(caught.value)


def test_a_slot_stands_once() -> None:
    with pytest.raises(ValueError, match="slot 'plan' stands twice"):
        Template.parse("[[slot:plan]] [[question]] [[slot:plan]]")


def test_a_prompt_reads_something() -> None:
    with pytest.raises(ValueError, match="neither"):
        Template.parse("Solve it.")
    assert Template.parse("[[slot:plan]]").slots == ("plan",)


def test_a_missing_function_name_names_the_question() -> None:
    template = Template.parse("[[question]] [[function_name]]")
    assert template.render(ask("x", "solve")) == ["x solve"]
    with pytest.raises(ValueError, match="question q1 names no function"):
        template.render(ask("x"))
