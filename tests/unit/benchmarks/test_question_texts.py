"""Question texts to the letter, as the published checkpoints read them (docs/protocol.md, "Questions")."""

from __future__ import annotations

import random
from hashlib import md5

import pytest

from recursivemas.benchmarks import gpqa, livecodebench, mbppplus, medqa

CHOOSE = "Choose the correct option (A/B/C/D)."
OPTIONS = {
    "Correct Answer": "eight",
    "Incorrect Answer 1": "six",
    "Incorrect Answer 2": "ten",
    "Incorrect Answer 3": "four",
}


def shuffled(stem: str, seed: int) -> list[str]:
    """The options as the protocol tells it, written out once more."""
    order = [0, 1, 2, 3]
    random.Random(int(md5(f"{seed}::{stem}".encode()).hexdigest()[:16], 16)).shuffle(order)
    return [list(OPTIONS.values())[place] for place in order]


@pytest.mark.parametrize(
    ("stem", "close"),
    [
        ("How many legs?", f"\n\n{CHOOSE}"),
        ("How many legs?\nCount.", f"\n\n{CHOOSE}"),
        (f"{CHOOSE} How many?", ""),
        ("CHOOSE THE CORRECT OPTION (a/b/c/d). How many?", ""),
        ("How many? Choose the correct option.", ""),
        ("How many? Choose the correct answer.", f"\n\n{CHOOSE}"),
    ],
)
@pytest.mark.parametrize("seed", [42, 7])
@pytest.mark.parametrize(("before", "after"), [("", ""), ("  ", " \n"), ("\n", "\t")])
def test_gpqa(stem, close, seed, before, after):
    row = {name: f"{before}{option}{after}" for name, option in OPTIONS.items()}
    question = gpqa.to_question({"Question": f"{before}{stem}{after}", **row}, "q", seed)
    first, second, third, fourth = shuffled(stem, seed)
    assert question.text == f"{stem}\nA. {first}\nB. {second}\nC. {third}\nD. {fourth}{close}"
    assert question.options["ABCD".index(question.gold)] == "eight"


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"question": "Which?"}, f"Which?\nA. Lung\nB. Heart\n\n{CHOOSE}"),
        ({"question": " Which?\n"}, f"Which?\nA. Lung\nB. Heart\n\n{CHOOSE}"),
        ({"question": "Which?\nA) Lung\nB) Heart"}, f"Which?\nA) Lung\nB) Heart\n\n{CHOOSE}"),
        ({"query": "What?", "question": "Which?"}, f"What?\nA. Lung\nB. Heart\n\n{CHOOSE}"),
        # As the published file has it.
        (
            {"query": "Which?\nA. Lung\nB. Heart\nChoose the correct option."},
            "Which?\nA. Lung\nB. Heart\nChoose the correct option.",
        ),
        (
            {"query": "Which? choose THE correct option"},
            "Which? choose THE correct option\nA. Lung\nB. Heart",
        ),
    ],
)
def test_medqa(columns, text):
    row = {"options": ["A. Lung", "B. Heart"], "answer": "Heart", **columns}
    assert medqa.to_question(row, "q", 42).text == text


@pytest.mark.parametrize("num_tests", [1, 3, 5])
@pytest.mark.parametrize("prompt", ["Write a sum.", "\n Write a sum. \n\n"])
def test_mbppplus(num_tests, prompt):
    tests = [f"assert add({n}, 1) == {n + 1} " for n in range(num_tests)]
    row = {
        "prompt": prompt,
        "code": "def add(a, b): return a + b",
        "test_list": tests,
        "test": "assert add(1, 2) == 3",
        "test_imports": [],
    }
    shown = "\n".join(tests[:3])
    assert (
        mbppplus.to_question(row, "q", 42).text
        == f"Write a sum.\n\nYour solution should satisfy assertions like:\n{shown}"
    )


@pytest.mark.parametrize(
    ("content", "starter", "text"),
    [
        ("Add one.", "", "Add one."),
        ("Add one.", None, "Add one."),
        ("Add one.", " \n", "Add one."),
        (" Add one.\n", "", " Add one.\n"),
        ("Add one.", "def f(x):", "Add one.\n\nStarter code:\ndef f(x):"),
        (
            "Add one.",
            "class Solution:\n    def f(self):\n        ",
            "Add one.\n\nStarter code:\nclass Solution:\n    def f(self):\n        ",
        ),
        ("Add one.", "\n  x = 1\n", "Add one.\n\nStarter code:\n\n  x = 1\n"),
    ],
)
def test_livecodebench(content, starter, text):
    row = {
        "question_content": content,
        "starter_code": starter,
        "public_test_cases": "[]",
        "private_test_cases": "[]",
        "metadata": "{}",
    }
    assert livecodebench.to_question(row, "q", 42).text == text
