"""The words for what is asked belong together."""

from __future__ import annotations

from itertools import chain
from typing import get_args

from recursivemas.question import KINDS_OF_TASK, Question, QuestionKind, Task


def test_every_kind_belongs_to_one_task():
    assert tuple(KINDS_OF_TASK) == get_args(Task)
    assert sorted(chain(*KINDS_OF_TASK.values())) == sorted(get_args(QuestionKind))


def test_the_form_of_an_answer_follows_from_the_kind_unless_it_is_narrowed():
    assert Question(id="q", text="?", kind="choice").answer_form == "choice"
    assert Question(id="q", text="?", meta={"answer_form": "integer"}).answer_form == "integer"
