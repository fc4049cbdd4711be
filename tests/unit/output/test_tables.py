"""Tables in every format: cells stay what they are, and signs of the format lose their meaning."""

from __future__ import annotations

import csv
import io

from recursivemas.output.tables import Table, format_table, to_csv

TABLE = Table(
    title="A title",
    header=["run", "in %", "gain"],
    rows=[["a_b", "1.5 [0.1, 10.2]", "–"], ["c|d & *e", "10 (3)", "+3.0"]],
    notes=["A note of _it_."],
)


def test_text_has_figures_to_the_right():
    assert TABLE.render("text").splitlines() == [
        "A title",
        "",
        "run                  in %    gain",
        "--------  ---------------  ------",
        "a_b       1.5 [0.1, 10.2]       –",
        "c|d & *e           10 (3)    +3.0",
        "",
        "A note of _it_.",
    ]


def test_a_column_with_a_word_is_no_column_of_figures():
    assert format_table(["id", "n"], [["01", "7"], ["x1", "12"]]).splitlines() == [
        "id      n",
        "----  ---",
        "01      7",
        "x1     12",
    ]


def test_markdown_keeps_its_columns():
    text = TABLE.render("markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in rows} == {4}
    assert r"c\|d & \*e" in text
    assert "| a_b " in text
    assert r"A note of \_it\_." in text


def test_latex_keeps_its_columns():
    lines = TABLE.render("latex").splitlines()
    rows = [line for line in lines if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {2}
    assert (lines[0], lines[-1]) == ("% A title", "% A note of _it_.")
    assert r"a\_b" in rows[1]
    assert r"in \%" in rows[0]


def test_csv_is_read_back_as_it_was():
    assert list(csv.reader(io.StringIO(TABLE.render("csv")))) == [TABLE.header, *TABLE.rows]
    assert to_csv([{"a": 1, "b": None}]) == "a,b\n1,"
