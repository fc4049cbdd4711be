"""Questions that are named: by id, by position, from a file."""

import json

import pytest

from recursivemas.benchmarks import BENCHMARKS, DatasetError, load_questions
from recursivemas.benchmarks.chosen import choose_named
from recursivemas.errors import UserError
from recursivemas.settings import RunSettings

IDS = ["test/a.json", "test/b.json", "A0-red", "7", "3-4", "x,y"]


@pytest.mark.parametrize(
    ("sample_ids", "positions"),
    [
        ("7", [3]),
        ("A0-red, test/a.json,", [0, 2]),
        ("0-2", [0, 1, 2]),
        ("1-1,0-1", [0, 1]),
        ("3-4", [4]),  # an id wins over a range
        ("@file", [2, 5]),
    ],
)
def test_ids_and_positions_in_the_order_of_the_dataset(tmp_path, monkeypatch, sample_ids, positions):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x,y\n\nA0-red \n")
    assert choose_named(sample_ids, IDS) == positions


@pytest.mark.parametrize(
    ("sample_ids", "message"),
    [
        ("test/c.json", "names 'test/c.json', which no .* near it are 'test/[ab].json', 'test/[ab].json'"),
        ("zzz", "it has for example 'test/a.json', 'test/b.json', 'A0-red'"),
        ("8", "position 8 is written 8-8"),
        ("4-9", r"range 4-9, and there are 6 questions: positions go from 0 to 5"),
        ("2-1", "write the lower end first"),
        (" ,", "^sample_ids ' ,' names no question"),
        ("@none", "the file none, and there is none"),
        ("@file", "in a file each id has a line of its own"),
    ],
)
def test_what_names_no_question_is_told(tmp_path, monkeypatch, sample_ids, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("7,A0-red\n")
    with pytest.raises(DatasetError, match=message):
        choose_named(sample_ids, IDS)


def test_rows_are_chosen_by_the_ids_that_they_have(tmp_path):
    rows = [{"problem": f"{n}?", "answer": str(n), "unique_id": f"sum/{n}"} for n in range(12)]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    questions = load_questions(BENCHMARKS["math500"], path=path, sample_ids="sum/11,2-3")
    assert [question.id for question in questions] == ["sum/2", "sum/3", "sum/11"]
    path.write_text(json.dumps([*rows, rows[4]]))
    with pytest.raises(DatasetError, match="'sum/4' more than once"):
        load_questions(BENCHMARKS["math500"], path=path, sample_ids="sum/1")
    with pytest.raises(UserError, match="num_samples 3 how many; give one of the two"):
        RunSettings.of(sample_ids="sum/1", num_samples=3)
