"""math-verify by itself, so that figures compare with those of others who grade mathematics with it.

It reads the whole text and repairs nothing: what it is known to accept and to refuse wrongly counts here.
"""

from __future__ import annotations

from recursivemas.grading.base import Grade
from recursivemas.grading.maths.pool import shared_pool
from recursivemas.question import Question

FORMS = ("math", "integer")


def grade_math_verify(text: str, question: Question) -> Grade:
    """Whether math-verify takes what it reads in the text for the gold.

    Raises ValueError for a question whose result is not mathematics, and UserError when the processes that
    run math-verify cannot be started.
    """
    form = question.answer_form
    if form not in FORMS:
        raise ValueError(
            f"question {question.id} asks for an answer of the form {form}, which math-verify does not read; "
            f"it reads {', '.join(FORMS)}"
        )
    verdict = shared_pool().math_verify(question.gold, text)
    how = "equal to" if verdict.equal else "not compared with" if verdict.error else "not equal to"
    return Grade(
        correct=verdict.equal,
        extracted=verdict.extracted,
        how=f"{how} {question.gold}",
        error=verdict.error,
    )
