"""The published names of `inference_utils`, used as a notebook at a clone's root uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recursivemas.errors import UserError
from recursivemas.published import answers, code

ROOT = Path(__file__).parents[3]
DATASETS = {"math": "math500", "choice": "gpqa", "code": "mbppplus"}

NOTEBOOK = r"""
import json
from pathlib import Path
from inference_utils import LocalEngine, answer_utils, lcb_utils, recurse
from inference_utils.answer_utils import (
    compare_answers, extract_boxed_answer, extract_choice_answer, extract_gold_answer, extract_pred_answer,
    medqa_gold_to_choice,
)
from inference_utils.lcb_utils import (
    build_lcb_sample_meta, build_mbppplus_sample_meta, clean_raw_output, compare_stdio_output,
    evaluate_generated_code, extract_python_code,
)
assert callable(recurse) and callable(LocalEngine)
for module in (answer_utils, lcb_utils):
    assert all(hasattr(module, name) for name in module.__all__)

assert extract_boxed_answer("so \\boxed{3.2}") == "3.2"
gold, pred, correct, gold_norm, pred_norm = compare_answers("3.9", "3.2", "math500")
assert (gold, pred, correct, gold_norm, pred_norm) == ("3.9", "3.2", True, "3", "3")
assert extract_choice_answer("Final Choice: (c)") == extract_pred_answer("Final Choice: (c)", "medqa") == "C"
row = json.loads(Path("dataset/demo_medqa.json").read_text())[0]
letter = medqa_gold_to_choice(row["answer"], row["options"])
assert row["options"]["ABCD".index(letter)].endswith(row["answer"])
assert extract_gold_answer(row["answer"], "medqa", row["options"]) == letter

def rows(name):
    return [json.loads(line) for line in Path(f"dataset/demo_{name}.jsonl").read_text().splitlines()]

row = rows("mbppplus")[0]
meta = build_mbppplus_sample_meta(row)
right = extract_python_code(f"Here:\n```python\n{row['code']}\n```")
for solution, passed in ((right, True), ("def nothing(): pass", False), ("", False)):
    result = evaluate_generated_code(solution, meta, allow_unisolated=True)
    assert result["passed"] is passed, result
meta = build_lcb_sample_meta(rows("livecodebench")[0])
assert not evaluate_generated_code("print()", meta, allow_unisolated=True)["passed"]
assert meta["task_type"] in ("function", "program")
assert clean_raw_output("```python\npython\nx = 1\n```") == "x = 1"
assert compare_stdio_output("1.0 \n", "1.00") and not compare_stdio_output("1", "2")
"""


@pytest.mark.process
def test_a_notebook():
    subprocess.run([sys.executable, "-c", NOTEBOOK], cwd=ROOT, check=True, timeout=300)


def test_extracted_answers_are_the_published_ones():
    table = json.loads((ROOT / "tests/cases/release_published.json").read_text(encoding="utf-8"))
    for row in table["cases"]:
        case = dict(zip(table["fields"], row, strict=True))
        dataset = DATASETS[case["task"]]
        extracted = answers.extract_pred_answer(case["text"], dataset)
        assert extracted == case["extracted"]
        if case["task"] == "code":
            assert code.extract_python_code(case["text"]) == extracted
        else:
            assert answers.compare_answers(case["gold"], extracted, dataset)[2] == case["correct"]


@pytest.mark.parametrize(
    ("gold", "pred", "dataset", "expected"),
    [
        ("x + y", "$x+y$", "MATH500 ", (True, "x+y", "x+y")),
        ("\\text{a} b", "c", "aime25", (False, "ab", "c")),
        ("B", "b)", "gpqa", (True, "B", "B")),
        ("B", "none", "medqa", (False, "B", "A")),
        ("May 1, 1990", "1990-05-01", "bamboogle", (True, "1990-05-01", "1990-05-01")),
        ("The Beatles", "a Beatle", "hotpotqa", (False, "beatles", "beatle")),
    ],
)
def test_compare_answers(gold, pred, dataset, expected):
    assert answers.compare_answers(gold, pred, dataset) == (gold, pred, *expected)


def test_code_is_not_compared():
    with pytest.raises(UserError, match="call inference_utils"):
        answers.compare_answers("a", "a", "livecodebench")


def test_medqa_golds():
    assert answers.medqa_gold_to_choice("Heart", ["A. Lung", "B. Heart"]) == "B"
    assert answers.medqa_gold_to_choice("Heart", {"A": "Lung", "B": "Heart"}) == "B"
    assert answers.medqa_gold_to_choice("Discontinue X", ["A. Continue X", "B. Discontinue X"]) == "A"
    assert answers.medqa_gold_to_choice("Kidney") == "A"
    assert answers.extract_gold_answer(" 5 ", "math500") == "5"
