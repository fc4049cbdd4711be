"""What the release reads out of a text: a table for each of its rules, and texts that could make it slow."""

import time

import pytest

from recursivemas.grading import release_has_answer
from recursivemas.grading import release_reading as reading
from recursivemas.question import Question


def has_answer(text, kind, options=(), **meta):
    return release_has_answer(text, Question(id="q", text="", kind=kind, options=options, meta=meta))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{3}", "3"),
        (r"\boxed{3} then \boxed{4}", "4"),
        (r"\boxed{3} then \boxed{\frac{1}{2}}", "3"),  # one without braces comes first
        ("\\boxed{ \n3\n }", "3"),  # it may span lines
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\frac{1}{2}} or \boxed{x^{2}} and {so} on", r"\frac{1}{2}} or \boxed{x^{2}} and {so"),
        ("\\boxed{\\frac{1}{2}}\n\\boxed{x^{3}} }", "x^{3}}"),  # the last line with one
        ("\\boxed{\\frac{1}{2}\n}", r"\frac{1}{2"),  # never across lines
        ("\\boxed{\\frac\n{1}}", None),
        ("\\boxed{{1}\r}", "{1}"),  # a carriage return ends no line
        (r"\boxed{}", ""),
        (r"\boxed{} 3}", "} 3"),
        (r"\boxed{ }", ""),
        (r"\boxed{3} \boxed{ }", ""),
        (r"\boxed{3", None),
        (r"} \boxed{3", None),
        (r"\boxed {3}", None),
        (r"\fbox{3}", None),
        (r"\boxed 3", None),
        (r"\boxed{a\boxed{3}}", "3"),
        ("", None),
    ],
)
def test_last_box(text, expected):
    assert reading.last_box(text) == expected
    assert has_answer(text, "math") == (expected is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Final Answer: 3", "3"),
        ("FINAL \n answer \t:\n\n  3 apples \nmore", "3 apples"),
        ("final answer: 3\nFinal Answer: 4", "4"),
        ("Final Answer: 3\nFinal Answer:  \n ", None),  # the last one counts, also where it is empty
        ("semifinal answer: 3", "3"),
        ("FinalAnswer: 3", None),
        ("Final Answer is 3", None),
        ("Final Answer： 3", None),
        ("Final Choice: 3", None),
        ("**Final Answer:** 3", "** 3"),
        ("**Final Answer**: 3", None),
        ("Final Answer: \u2003 3", "3"),
    ],
)
def test_final_answer(text, expected):
    assert reading.final_answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Final Answer: 3 \\boxed{4}", "4"),
        ("Final Answer: 3 \\boxed{}", ""),  # an empty box is a box
        ("Final Answer: 3 \\boxed{4", "3 \\boxed{4"),
        ("it is 3", None),
    ],
)
def test_marked_answer(text, expected):
    assert reading.marked_answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # After a keyword
        ("answer B", "B"),
        ("ANSWER:b", "B"),
        ("Correct  option - (c)", "C"),
        ("finalchoice[ d ]", "D"),
        ("option\n:\n[ D", "D"),
        ("answer:- B", None),  # one sign or none
        ("answer ([B", None),  # one bracket or none
        ("answer= B", None),
        ("answer is B", None),
        ("answer B, answer C", "B"),
        ("answer E, answer C", "C"),
        ("answer: Bad", None),
        ("answer: B1", None),
        ("answer: B-cells", "B"),
        ("answer: **B**", None),
        ("choice a doctor makes", "A"),
        ("multiple-choice: C", "C"),
        ("answers: C", None),
        ("D. because option B is wrong", "B"),  # a keyword anywhere comes before the beginning
        # At the beginning
        (" b ", "B"),
        ("(b)", "B"),
        ("[C] holds", "C"),
        ("(C", "C"),
        ("C) holds", "C"),
        ("C : holds", "C"),
        ("C - holds", "C"),
        ("C.", "C"),
        ("B-cells", "B"),
        ("B because", None),
        ("B, because", None),
        ("B\nbecause", None),
        ("**B**", None),
        (r"\text{B}", None),
        ("( B)", None),
        ("E.", None),
        ("I think B.", None),
        ("", None),
    ],
)
def test_find_letter(text, expected):
    assert reading.find_letter(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"answer: A. \boxed{B}", "B"),
        (r"answer: A. \boxed{\text{B}}", "A"),  # the box gives none, so the text is asked
        (r"Final Choice: C \boxed{none}", "C"),
        (r"answer: A \boxed{}", "A"),
        ("answer: A\nfinalchoice : b", "B"),
        ("answer: A\nFinal Answer:\n\n(d) it is", "D"),
        ("Final Answer: B\nFinal Choice: C", "C"),
        ("Final Answer: B\nFinal Choice: none", "B"),  # the last line gives none, the whole text does
        ("D .", "D"),
        ("D )", None),  # white space may stand before a separator, not before a bracket
        ("( D)", None),
        ("**B**", None),
        ("The answer is B", None),
        ("A patient has pain", None),
    ],
)
def test_choice_letter(text, expected):
    assert reading.choice_letter(text) == expected
    assert has_answer(text, "choice") == has_answer(text, "gpqa") == (expected is not None)


def test_letters_beyond_d_count_only_where_the_question_says_so():
    assert reading.choice_letter("answer: F", 6) == "F"
    assert has_answer("answer: F", "choice", num_letters=6)
    assert not has_answer("answer: F", "choice", options=tuple("uvwxyz"))
    assert reading.choice_letter("answer: D", 2) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("```PyThOn\n\n  x = 1\n  y\n```", "x = 1\n  y"),
        ("``` python\nx = 1\n```", None),
        ("```python x = 1```", "x = 1"),
        ("```pythonx = 1```", "x = 1"),
        ("```python3\nx = 1\n```", "3\nx = 1"),
        ("```python\nx = 1\n```\n```python\ny = 2\n```", "x = 1"),  # the first
        ("```python\n```\n```python\ny = 2\n```", None),  # also where it is empty
        ("```py\nx\n```", None),
        ("```\nx\n```", None),
        ("```python\nx = 1", None),
        ("```python\ns = '```'\n```", "s = '"),
        ("```python\npython\nx = 1\n```", "x = 1"),
        ("```python\nx\npython\n```", "x\npython"),
        ("```python\npython\n```", None),
        ("```python\r\nx\r\ny\r\n```", "x\ny"),
        ("<think>```python\nx\n```</think>```python\ny\n```", "y"),
        ("<THINK>a</Think>```python\ny\n```", "y"),
        ("<think>a<think>b</think>```python\ny\n```</think>", "y"),  # not nested
        ("</think><think>```python\nx\n```", "x"),  # never closed
        ("```py<think>no</think>thon\nx\n```", "x"),
        ("", None),
    ],
)
def test_first_code(text, expected):
    assert reading.first_code(text) == expected
    assert has_answer(text, "function") == has_answer(text, "program") == bool(expected)


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 20_000,
        "\\boxed{}" * 20_000,
        "Final Answer:" + " " * 100_000,
        "answer" + " " * 100_000,
        "final" + " " * 100_000,
        "<think>" * 20_000,
        "```python" + " " * 100_000,
        "```python" * 20_000,
    ],
    ids=lambda text: text[:8].strip(),
)
def test_degenerate_text_is_read_in_linear_time(text):
    started = time.perf_counter()
    for kind in ("math", "choice", "function"):
        has_answer(text, kind)
    reading.marked_answer(text)
    assert time.perf_counter() - started < 3
