"""The worked example of docs/own_benchmark.md, run as it stands there."""

import json
import re
from pathlib import Path

import pytest

from recursivemas.benchmarks import BENCHMARKS, DatasetError, find_benchmark, load_questions
from recursivemas.grading import grade

PAGES = Path(__file__).parents[3] / "docs"
DOCS = PAGES / "own_benchmark.md"
TEXT = DOCS.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def test_the_new_benchmark(tmp_path):
    (source,) = [code for tag, code in BLOCKS if tag == "python" and "Benchmark(" in code]
    scope: dict = {}
    exec(compile(source, str(DOCS), "exec"), scope)
    benchmark = scope["GSM8K"]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"question": "How many?", "answer": "40 + 2\n#### 42"}]), encoding="utf-8")
    (question,) = load_questions(benchmark, path=path)
    verdicts = grade("\\boxed{42.5}", question, benchmark.graders)
    assert {name: verdict.correct for name, verdict in verdicts.items()} == {"release": True, "strict": False}
    path.write_text(json.dumps([{"question": "How many?", "answer": "42"}]), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"row 0 .* has no line '#### RESULT'"):
        load_questions(benchmark, path=path)


@pytest.mark.process
def test_the_rows_of_ones_own(tmp_path):
    (rows,) = [code for tag, code in BLOCKS if tag == "json"]
    path = tmp_path / "mine.jsonl"
    path.write_text(rows, encoding="utf-8")
    questions = load_questions(find_benchmark(str(path)))
    for question, answer in zip(questions, ("0.5", "B", "marie curie"), strict=True):
        assert grade(f"\\boxed{{{answer}}}", question, ["strict"])["strict"].correct


def test_the_table_names_every_benchmark_with_its_source():
    text = (PAGES / "benchmarks.md").read_text(encoding="utf-8")
    for name, benchmark in BENCHMARKS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        for told in (benchmark.hub_id, benchmark.config, benchmark.split, benchmark.needs_tool or "all"):
            assert told is None or told in row
