"""The questions that tell a pack and a published prompts.py apart."""

from recursivemas.prompts.literals import Literals
from recursivemas.prompts.probe_questions import MAX_LENGTH, OPTIONS, literal_questions


def test_each_text_stands_at_both_ends_and_beside_options() -> None:
    questions = literal_questions(Literals(("Options:",), (), ()))
    assert any(question.startswith("Options:") and OPTIONS in question for question in questions)
    assert any(question.endswith("Options:") and OPTIONS not in question for question in questions)
    assert any("\nOptions:\n" in question for question in questions)


def test_the_texts_of_one_function_stand_together() -> None:
    questions = literal_questions(Literals(("one", "two"), (("one", "two"),), ()))
    assert any("one two" in question for question in questions)


def test_questions_are_longer_than_the_numbers_up_to_a_cap() -> None:
    questions = literal_questions(Literals((), (), (700, MAX_LENGTH + 1)))
    long = [question for question in questions if question.count("\n") > 700 < len(question.split())]
    assert {OPTIONS in question for question in long} == {True, False}
    assert max(map(len, questions)) < MAX_LENGTH


def test_blank_texts_make_no_question() -> None:
    assert all(question.strip() for question in literal_questions(Literals(("\u3000",), (), ())))
