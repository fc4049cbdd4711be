"""Files and rows that no benchmark can use: each an error that names the place, none a traceback."""

from __future__ import annotations

import json

import pytest

from recursivemas.benchmarks import BENCHMARKS, DatasetError, load_questions
from recursivemas.benchmarks.own import own_benchmark

LONG = "9" * 5000
DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f'[{{"problem": "x", "answer": {LONG}}}]', "holds a number that is too long .*write it as a text"),
        (DEEP, "is nested too deep"),
        (f'[{{"problem": "x", "answer": {DEEP}}}]', "is nested too deep"),
        ('[{"problem": "x", "answer": NaN}]', "row 0 .*'answer' is nan, which no answer can equal"),
        ('[{"problem": "x", "answer": 1e999}]', "'answer' is inf"),
        ('[{"problem": "x", "answer": -1e999}]', "'answer' is -inf"),
        ('[{"problem": "x", "answer": null}]', "'answer' has to be text, not None"),
        ('[{"problem": "x", "answer": {"a": 1}}]', "'answer' has to be text, not {'a': 1}"),
        ('[{"problem": "x", "answer": true}]', "'answer' has to be text, not True"),
        ('[{"problem": "a \\ud83d b", "answer": "1"}]', r"'problem' holds '\\ud83d', half of a character"),
        ('[{"problem": "x", "answer": "\\udc00"}]', r"'answer' holds '\\udc00'"),
        ('[{"unique_id": ["a"], "problem": "x", "answer": "1"}]', "'unique_id' has to be text"),
        ('[{"unique_id": NaN, "problem": "x", "answer": "1"}]', "'unique_id' is nan"),
        ("[[1, 2]]", "row 0 .* is \\[1, 2\\], not an object"),
    ],
    ids=range(14),
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_file_that_is_not_usable(tmp_path, content, told, suffix):
    file = tmp_path / f"rows{suffix}"
    file.write_text(content[1:-1] if suffix == ".jsonl" and content is not DEEP else content)
    with pytest.raises(DatasetError, match=told) as caught:
        load_questions(BENCHMARKS["math500"], path=file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_parquet_texts_that_are_not_utf_8(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    raw = pyarrow.array([b"\xff\xfe"]).view(pyarrow.string())
    file = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"problem": raw, "answer": ["1"]}), file)
    with pytest.raises(DatasetError, match="holds a text that is not UTF-8"):
        load_questions(BENCHMARKS["math500"], path=file)


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        (
            "medqa",
            {"question": "q", "options": ["A. x", None], "answer": "x"},
            r"options\[1\] has to be text, not None",
        ),
        ("medqa", {"question": "q", "options": None, "answer": "x"}, "'options' has to be a list"),
        ("medqa", {"question": "q", "options": ["x", ["y"]], "answer": "x"}, r"options\[1\] has to be text"),
        ("own", {"question": "q", "options": ["x", None], "answer": "x"}, r"options\[1\] has to be text"),
        ("own", {"question": "q", "options": "[" * 100_000, "answer": "x"}, "nested too deep"),
        ("own", {"question": "q", "tests": ["assert f(1)", None]}, r"tests\[1\] has to be text, not None"),
        (
            "own",
            {"question": "q", "tests": "assert " + "(" * 500 + ")" * 500},
            r"have to be Python|nested too deep",
        ),
        ("livecodebench", {"private_test_cases": None}, "'private_test_cases' has to be text, not None"),
        ("livecodebench", {"metadata": "[" * 100_000}, "nested too deep"),
        ("livecodebench", {"public_test_cases": "[" * 100_000}, "nested too deep"),
        ("livecodebench", {"starter_code": "\udc00"}, "half of a character"),
        ("mbppplus", {"test_list": ["assert f(1)", None]}, "'test_list' has to be a list of statements"),
    ],
    ids=range(12),
)
def test_a_row_that_is_not_usable(tmp_path, name, row, told):
    whole = {
        "livecodebench": {
            "question_content": "q",
            "starter_code": "",
            "public_test_cases": "[]",
            "private_test_cases": "[]",
            "metadata": "{}",
        },
        "mbppplus": {"prompt": "p", "code": "def f(x): pass", "test": "f(1)", "test_imports": []},
    }
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([{**whole.get(name, {}), **row}]))
    with pytest.raises(DatasetError, match=told):
        load_questions(own_benchmark(file) if name == "own" else BENCHMARKS[name], path=file)
