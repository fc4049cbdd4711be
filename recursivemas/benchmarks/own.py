"""A user's own file of questions as a benchmark.

Each row has a `question` and an `answer`; `options` make it a choice question, `tests` or an `entry_point` a
Python function to write. A column `kind` settles it where that is not so. Other common names of these columns
are in `ALIASES`. docs/own_benchmark.md shows rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from recursivemas.benchmarks.base import (
    MATHS_GRADERS,
    USUAL_GRADERS,
    Benchmark,
    DatasetError,
    Row,
    as_text,
    has_lettered_lines,
    lettered_lines,
    text_field,
)
from recursivemas.benchmarks.files import SUFFIXES, read_rows
from recursivemas.benchmarks.mbppplus import TIME_LIMIT_S, find_function_name
from recursivemas.benchmarks.medqa import option_texts
from recursivemas.grading.code_tests import ScriptTests
from recursivemas.grading.extract import USUAL_OPTIONS
from recursivemas.question import CODE_KINDS, Question

ALIASES: Mapping[str, tuple[str, ...]] = {
    "question": ("problem", "prompt"),
    "tests": ("test_list",),
}


def own_benchmark(path: str | Path) -> Benchmark:
    """The file as a benchmark of its own, named after it. DatasetError when it cannot be read as one."""
    file = Path(path)
    if not file.is_file():
        raise DatasetError(
            f"there is no file {file}; --dataset takes a benchmark's name or a file: {SUFFIXES}"
        )
    rows = read_rows(file)
    kinds = {kind_of(_CANONICAL.rename(row)) for row in rows if isinstance(row, Mapping)}
    code = kinds & set(CODE_KINDS)
    if code and kinds - code:
        raise DatasetError(
            f"{file} mixes code questions with others ({', '.join(sorted(kinds))}); links are trained for "
            "one or the other, so put them into two files"
        )
    return replace(
        _CANONICAL,
        name=file.stem,
        local_path=str(file),
        rows=rows,
        task="code" if code else "math",
        graders=MATHS_GRADERS if kinds == {"math"} else USUAL_GRADERS,
    )


def kind_of(row: Row) -> str:
    """What the row's column `kind` says, else what its other columns say."""
    if given := row.get("kind"):
        return str(given).strip().lower()
    if row.get("options"):
        return "choice"
    return "function" if row.get("tests") or row.get("entry_point") else "math"


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """The row as a question of its kind; ValueError for an unknown kind and for what that kind lacks."""
    maker = _MAKERS.get(kind_of(row))
    if maker is None:
        raise ValueError(f"kind {row['kind']!r} is not known; accepted are {', '.join(_MAKERS)}")
    return maker(row, question_id)


def _answer(row: Row) -> str:
    if row.get("answer") is None:
        raise ValueError("there is no 'answer', which every question but one for code needs")
    return text_field(row, "answer")


def _math(row: Row, question_id: str) -> Question:
    return Question(id=question_id, text=text_field(row, "question"), gold=_answer(row), kind="math")


def _phrase(row: Row, question_id: str) -> Question:
    return Question(
        id=question_id,
        text=text_field(row, "question"),
        gold=_answer(row),
        kind="math",
        meta={"answer_form": "phrase"},
    )


def _choice(row: Row, question_id: str) -> Question:
    """The options are appended where the text has no lettered lines; the gold is a letter where it can be.

    The release reads no letter beyond D. It has no such files either: here the letters of all options count.
    """
    options = _options(row.get("options"))
    text = text_field(row, "question")
    if not has_lettered_lines(text):
        text = f"{text}\n{lettered_lines(options)}"
    gold = _gold(_answer(row), options)
    meta = {"num_letters": len(options)} if len(options) > USUAL_OPTIONS else {}
    return Question(id=question_id, text=text, gold=gold, kind="choice", options=options, meta=meta)


def _options(options: Any) -> tuple[str, ...]:
    """Option texts from a list, from `{"A": ...}`, from such data as JSON text, or from lettered lines."""
    if isinstance(options, str):
        options = json.loads(options) if options.lstrip()[:1] in ("[", "{") else options.strip().split("\n")
    if isinstance(options, Mapping):
        letters = list(ascii_uppercase[: len(options)])
        if sorted(options) != letters:
            raise ValueError(f"field 'options' has the letters {', '.join(map(str, options))}, not {letters}")
        options = [options[letter] for letter in letters]
    return option_texts(options)


def _gold(answer: str, options: Sequence[str]) -> str:
    letters = ascii_uppercase[: len(options)]
    letter = re.fullmatch(rf"\(?([{letters}])[.)]?", answer)
    if answer in options:
        gold = letters[options.index(answer)]
    elif letter:
        gold = letter[1]
    else:
        raise ValueError(
            f"answer {answer!r} is neither one of the options {list(options)} nor the letter of one "
            f"({', '.join(letters)})"
        )
    # An option may read like another one's letter, as blood groups do; its text says which is meant.
    return options[letters.index(gold)] if gold in options else gold


def _function(row: Row, question_id: str) -> Question:
    script = _script(row.get("tests"))
    name = str(row.get("entry_point") or find_function_name([script], str(row.get("code") or "")))
    if not name.isidentifier():
        raise ValueError(f"entry_point is {name!r}; give the name of the function that the tests call")
    return Question(
        id=question_id,
        text=text_field(row, "question"),
        kind="function",
        function_name=name,
        meta={"tests": ScriptTests(script=script, time_s=TIME_LIMIT_S, broadcast=True)},
    )


def _script(tests: Any) -> str:
    """Assertions as one script, from a list of them, from such a list as JSON text, or from the script."""
    if isinstance(tests, str) and tests.lstrip().startswith("["):
        tests = json.loads(tests)
    if isinstance(tests, Sequence) and not isinstance(tests, str):
        tests = "\n".join(as_text(test, f"tests[{index}]") for index, test in enumerate(tests))
    if not isinstance(tests, str) or not tests.strip():
        raise ValueError("there are no 'tests'; give a list of assertions such as \"assert add(1, 2) == 3\"")
    return tests


_MAKERS: Mapping[str, Callable[[Row, str], Question]] = {
    "math": _math,
    "choice": _choice,
    "phrase": _phrase,
    "function": _function,
}
"""By what the column `kind` says: a question's kind, or for a `math` question the form `phrase`."""

_CANONICAL = Benchmark(
    name="own",
    to_question=to_question,
    columns=("question",),
    aliases=ALIASES,
    local_path="questions.json",
    id_columns=("id",),
)
"""What all files of users' own have in common."""
