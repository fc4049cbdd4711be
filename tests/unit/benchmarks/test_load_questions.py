"""Loading questions: files, the hub through `datasets`, choosing among them, and what goes wrong."""

import json
from dataclasses import replace

import datasets
import pytest
from huggingface_hub.utils import httpx

from recursivemas.benchmarks import BENCHMARKS, Benchmark, DatasetError, find_benchmark, load_questions
from recursivemas.benchmarks.math500 import to_question
from recursivemas.errors import UserError
from recursivemas.grading import GRADERS
from recursivemas.styles import PUBLISHED_STYLES, alone

MATH500 = BENCHMARKS["math500"]
ROWS = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(10)]


def write(path, rows):
    lines = "\n".join(json.dumps(row) for row in rows) + "\n"
    path.write_text(lines if path.suffix == ".jsonl" else json.dumps(rows), encoding="utf-8")
    return path


def test_registry_is_consistent():
    for name, benchmark in BENCHMARKS.items():
        assert benchmark.name == name
        assert set(benchmark.graders) <= set(GRADERS)
        assert find_benchmark(name) is benchmark
    with pytest.raises(DatasetError, match=r"unknown dataset 'gsm8k'; known are math500, gpqa.*\.parquet"):
        find_benchmark("gsm8k")


def test_search_benchmarks_want_agents_that_search():
    deliberation, mixture = PUBLISHED_STYLES["deliberation"], PUBLISHED_STYLES["mixture"]
    searching = replace(mixture.agents[-1], tools=("search",))
    own = replace(mixture, name="own", agents=(*mixture.agents[:-1], searching))
    for name, benchmark in BENCHMARKS.items():
        for style in (deliberation, own, alone(deliberation, "reflector")):
            benchmark.check_style(style)
        if name in ("bamboogle", "hotpotqa"):
            with pytest.raises(UserError, match=rf"{name} needs .* 'mixture'. Give --style deliberation"):
                benchmark.check_style(mixture)
        else:
            benchmark.check_style(mixture)


def test_a_benchmark_needs_one_source():
    with pytest.raises(ValueError, match="either hub_id or local_path"):
        Benchmark(name="x", to_question=to_question, columns=())
    with pytest.raises(ValueError, match="needs a split"):
        Benchmark(name="x", to_question=to_question, columns=(), hub_id="a/b")


# ---------------------------------------------------------------------------------------------------------
# Files


@pytest.mark.parametrize("name", ["list.json", "lines.jsonl"])
def test_json_and_jsonl_give_the_same_questions(tmp_path, name):
    questions = load_questions(MATH500, path=write(tmp_path / name, ROWS))
    assert [question.gold for question in questions] == [row["answer"] for row in ROWS]
    assert [question.id for question in questions] == [str(index) for index in range(10)]


def test_csv_cells_stay_text(tmp_path):
    path = tmp_path / "rows.csv"
    text = 'problem,answer,id\r\n"a, ""b""\nand \u2028c",007,x\r\n\r\nd,1.50,y\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    questions = load_questions(MATH500, path=path)
    assert [(question.id, question.text, question.gold) for question in questions] == [
        ("x", 'a, "b"\nand \u2028c', "007"),
        ("y", "d", "1.50"),
    ]


def test_parquet(tmp_path):
    path = tmp_path / "rows.parquet"
    datasets.Dataset.from_list(ROWS).to_parquet(path)
    assert load_questions(MATH500, path=path) == load_questions(
        MATH500, path=write(tmp_path / "rows.json", ROWS)
    )


def test_a_suffix_counts_in_any_case(tmp_path):
    assert len(load_questions(MATH500, path=write(tmp_path / "ROWS.JSON", ROWS))) == 10


def test_json_with_a_data_list(tmp_path):
    path = write(tmp_path / "wrapped.json", {"data": ROWS})
    assert len(load_questions(MATH500, path=path)) == 10


def test_blank_lines_a_byte_order_mark_and_unicode_line_separators(tmp_path):
    path = tmp_path / "rows.jsonl"
    line = json.dumps({"problem": "one\u2028two", "answer": "3"}, ensure_ascii=False)
    path.write_bytes(f"\ufeff\r\n{line}\r\n\r\n".encode())
    assert [question.text for question in load_questions(MATH500, path=path)] == ["one\u2028two"]


def test_numbers_are_taken_as_text(tmp_path):
    path = write(tmp_path / "rows.json", [{"problem": "1 + 1?", "answer": 2}])
    assert load_questions(MATH500, path=path)[0].gold == "2"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.json", "", "holds no questions"),
        ("empty.jsonl", "\n\n", "holds no questions"),
        ("list.json", "[]", "holds no questions"),
        ("bad.jsonl", '{"problem": "?", "answer": "1"}\n{"problem": \n', "line 2 is not valid JSON"),
        ("bad.json", "[1,\n2", "not valid JSON .* line 2"),
        ("lines.json", '{"a": 1}\n{"a": 2}\n', r"name the file \.jsonl"),
        ("object.json", '{"rows": []}', "a list of rows, or an object with such a list under 'data'"),
        ("scalar.json", "[3]", r"row 0 .* is 3, not an object"),
        ("column.json", '[{"problem": "?", "solution": "s"}]', r"row 0 .*'answer'.*problem, solution"),
        ("blank.json", '[{"problem": " ", "answer": "1"}]', "row 0 .*'problem' is empty"),
        ("null.json", '[{"problem": "?", "answer": null}]', "row 0 .*'answer' has to be text, not None"),
        (
            "ids.json",
            json.dumps([{**ROWS[0], "id": "a"}, {**ROWS[1], "id": "a"}]),
            "question id 'a' more than",
        ),
        (
            "rows.tsv",
            "problem\tanswer\n1\t1\n",
            r"ends in \.tsv; accepted are \.json, \.jsonl",
        ),
        ("rows.csv", "", "holds no questions"),
        ("header.csv", "problem,answer\n", "holds no questions"),
        ("twice.csv", "problem,problem\n1,1\n", "column name twice .*problem, problem"),
        ("long.csv", "problem,answer\n1,1\n1,2,3\n", r"row 1 .* has 3 cells, its first line names 2"),
        ("open.csv", 'problem,answer\n"1,1\n', "is not valid CSV"),
        ("column.csv", "problem,solution\n1,1\n", "row 0 .*'answer'.*problem, solution"),
        ("cell.csv", "problem,answer\n1,\n", "row 0 .*'answer' has to be text, not None"),
        ("rows.parquet", "no parquet", "is not a Parquet file"),
    ],
)
def test_a_bad_file_is_told_apart(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=message) as caught:
        load_questions(MATH500, path=path)
    assert name in str(caught.value)


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "latin.json"
    path.write_bytes('[{"problem": "é", "answer": "1"}]'.encode("latin-1"))
    with pytest.raises(DatasetError, match="not UTF-8"):
        load_questions(MATH500, path=path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DatasetError, match="there is no file"):
        load_questions(MATH500, path=tmp_path / "none.json")
    with pytest.raises(DatasetError, match="is a folder"):
        load_questions(MATH500, path=tmp_path)


def test_medqa_looks_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"none at dataset/medqa\.json .* --dataset_path FILE"):
        load_questions(BENCHMARKS["medqa"])
    (tmp_path / "dataset").mkdir()
    row = {"question": "Which?", "options": ["A. x", "B. y"], "answer": "y"}
    write(tmp_path / "dataset" / "medqa.json", [row])
    assert load_questions(BENCHMARKS["medqa"])[0].gold == "y"


def test_a_split_of_a_local_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split 'test' means nothing for a local file"):
        load_questions(MATH500, path=write(tmp_path / "rows.json", ROWS), split="test")


# ---------------------------------------------------------------------------------------------------------
# Choosing


def test_first_n_and_more_than_there_are(tmp_path):
    path = write(tmp_path / "rows.json", ROWS)
    every = load_questions(MATH500, path=path)
    assert load_questions(MATH500, path=path, num_samples=3) == every[:3]
    assert load_questions(MATH500, path=path, num_samples=99) == every
    with pytest.raises(ValueError, match="num_samples is 0"):
        load_questions(MATH500, path=path, num_samples=0)


def test_a_random_n_stays_in_file_order_and_keeps_its_ids(tmp_path):
    path = write(tmp_path / "rows.json", ROWS)
    every = load_questions(MATH500, path=path)
    draws = [load_questions(MATH500, path=path, num_samples=4, question_seed=seed) for seed in (1, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2] or draws[0] != draws[3]
    for draw in draws:
        assert len(draw) == 4
        assert draw == [question for question in every if question in draw]


def test_ids_of_the_rows_win_over_their_numbers(tmp_path):
    rows = [{**ROWS[0], "unique_id": "test/a.json", "id": 1}, {**ROWS[1], "id": 7}, ROWS[2]]
    questions = load_questions(MATH500, path=write(tmp_path / "rows.json", rows))
    assert [question.id for question in questions] == ["test/a.json", "7", "2"]


# ---------------------------------------------------------------------------------------------------------
# The hub


@pytest.fixture
def folder_benchmark(tmp_path, monkeypatch):
    """A benchmark whose hub id is a folder, which `datasets` reads in the same way without a network."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "mine"
    folder.mkdir()
    write(folder / "test.jsonl", ROWS)
    return Benchmark(
        name="mine",
        to_question=to_question,
        columns=("problem", "answer"),
        hub_id=str(folder),
        split="test",
    )


def test_rows_come_through_datasets(folder_benchmark):
    questions = load_questions(folder_benchmark, num_samples=2)
    assert [(question.id, question.text, question.gold) for question in questions] == [
        ("0", "What is 0 + 0?", "0"),
        ("1", "What is 1 + 1?", "2"),
    ]


def test_an_unknown_split_names_the_known_ones(folder_benchmark):
    with pytest.raises(DatasetError, match=r"(?s)split dev.*'test'.*--dataset_split"):
        load_questions(folder_benchmark, split="dev")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("math500", ConnectionError("Couldn't reach it"), "reach it\nCheck the network.*HF_HUB_OFFLINE"),
        ("math500", httpx.ReadError("cut"), "cut\nCheck the network"),
        ("gpqa", ConnectionError("Couldn't reach it"), "Check the network"),
        (
            "gpqa",
            datasets.exceptions.DatasetNotFoundError("is a gated dataset"),
            "accept its terms at https://huggingface.co/datasets/Idavidrein/gpqa and set HF_TOKEN",
        ),
        (
            "math500",
            datasets.exceptions.DatasetNotFoundError("doesn't exist"),
            "doesn't exist\nSee https://huggingface.co/datasets/HuggingFaceH4/MATH-500",
        ),
        ("math500", ValueError("Unknown split"), "Unknown split\nGive a split"),
    ],
)
def test_hub_errors_say_what_to_do(monkeypatch, name, error, message):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(DatasetError, match=message) as caught:
        load_questions(BENCHMARKS[name])
    assert "--dataset_path FILE" in str(caught.value)


def test_the_hub_is_asked_for_config_and_split(monkeypatch):
    asked = []

    def answer(*args, **kwargs):
        asked.append((*args, kwargs["split"]))
        return ROWS

    monkeypatch.setattr(datasets, "load_dataset", answer)
    load_questions(MATH500, split="train")
    with pytest.raises(DatasetError, match=r"Idavidrein/gpqa, row 0 .* has no column 'Question'"):
        load_questions(BENCHMARKS["gpqa"])
    assert asked == [
        ("HuggingFaceH4/MATH-500", None, "train"),
        ("Idavidrein/gpqa", "gpqa_diamond", "train"),
    ]
