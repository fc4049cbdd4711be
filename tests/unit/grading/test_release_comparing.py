"""When the release takes answers for equal: a table for each reading, and the order in which they decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recursivemas.grading import release_comparing as comparing
from recursivemas.grading.release_comparing import MATH_READINGS, PHRASE_READINGS, find_match


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.9", "12"),
        ("-3.2", "-3"),
        ("-0.5", "0"),
        ("--0.5", "0"),
        ("007", "7"),
        (".25", "25"),
        ("x_1 = 5", "1"),
        ("1e3", "1"),
        ("- 3", "3"),
        ("+3", "3"),
        ("(3,5)", "35"),
        ("12{,}500", "12"),
        ("45^\\circ", "45"),
        ("4^\\circ5", "4"),  # the hat stays where \circ has gone
        ("\\text{ 3 } cm", "3"),
        ("\\text{a{3}}", "3"),
        ("\\frac{7}{2}", "3"),
        ("-\\frac{7}{2}", "-3"),
        ("\\frac{ -7 }{ 2 }", "-3"),
        ("\\frac{+7}{-2}", "-3"),
        ("\\frac{1}{3}", "0"),
        ("\\frac{1}{100000}", "1"),  # 1e-05
        ("2\\frac{1}{2}", "20"),  # 20.5
        ("\\frac{7}{0}", "7"),
        ("\\frac{7} {2}", "7"),
        ("\\frac{7.0}{2}", "7"),
        ("\\dfrac{7}{2}", "7"),
        ("\\frac72", "72"),
        ("\\frac{\\text{8}}{2}", "4"),
        ("\\frac{x}{2}", "2"),
        ("\\frac{" + "9" * 5000 + "}{3}", "9" * 5000),
        ("\\frac{" + "9" * 400 + "}{3}", "9" * 400),  # too large for a float
        ("٣", "3"),
        ("-٠٣.٥", "-3"),
        ("\\frac{٨}{٢}", "4"),
        ("½", ""),
        ("²", ""),
        ("x", ""),
        ("", ""),
    ],
)
def test_first_number(text, expected):
    assert comparing.first_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\left( 3 , x \\right)", "(3,x)"),
        ("\\text{no {x}} $y$", "\\textnoxy"),
        ("\\text{even}", "even"),
        ("1\\,2\\;3\\!4\\:5", "12345"),
        ("a ~ b\\quad c", "a~b\\quadc"),
        ('{"x"}\'', "x"),
        ("“x”", "“x”"),
        ("\\leftarrow", "arrow"),
        ("\\{1,2\\}", "\\1,2\\"),
        ("a\u2003b\n", "ab"),
    ],
)
def test_latex_text(text, expected):
    assert comparing.latex_text(text) == expected


def test_packed_text():
    assert comparing.packed_text(" a\n\\text{ b }\u00a0") == "a\\text{b}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 apples and 2 pears", "32"),
        ("-1", "1"),
        ("00012.5", "12"),
        ("000", "0"),
        (".5", ""),
        ("x.5", ""),
        ("x", ""),
        ("\\frac{1}{2}", "12"),
        ("٣a0", "٣0"),
        ("3½²", "3"),
        ("", ""),
    ],
)
def test_digits_before_point(text, expected):
    assert comparing.digits_before_point(text) == expected


@pytest.mark.parametrize(
    ("gold", "answer", "reading"),
    [
        ("3.9", "3.2", "first number"),
        ("x + y", "$x+y$", "LaTeX text"),
        ("\\text {a}", "\\text { a }", "LaTeX text"),
        ("\\;", " \\; ", "text without white space"),  # nothing is left of it as LaTeX
        ("1", "-1", "digits before the point"),
        ("32", "3 apples and 2 pears", "digits before the point"),
        (" 5 ", "5", "first number"),
        ("a", "b", None),
        ("", "", None),
        ("x", "X", None),
    ],
)
def test_the_first_reading_that_is_equal_decides(gold, answer, reading):
    match = find_match(gold, answer, MATH_READINGS)
    assert (match.reading if match else None) == reading


@given(st.text(max_size=30).filter(lambda text: text.strip()))
def test_anything_equals_itself(text):
    assert find_match(text, text, MATH_READINGS)
    assert find_match(text, text, PHRASE_READINGS)


@given(st.integers(), st.integers(0, 99))
def test_first_number_of_a_decimal(whole, hundredths):
    assert comparing.first_number(f"{whole}.{hundredths:02d}") == str(whole)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("May 1, 1990", "1990-05-01"),
        ("1st of May 1990", "1990-05-01"),
        ("1990-05-01", "1990-05-01"),
        ("5/1/1990", "1990-05-01"),
        ("sept. 1990", "1990-09"),
        ("1990/5", "1990-05"),
        ("1990", "1990"),
        (" 12 March ", "?-03-12"),
        ("January 1, 2000", "2000-01-01"),
        ("February 2, 2003", "2003-02-02"),
        ("42", ""),
        ("3.5", ""),
        ("1/2", ""),
        ("1,250", ""),
        ("May", ""),
        ("Monday", ""),
        ("5:30 pm", ""),
        ("Marie 2", ""),
        ("30 February 1990", ""),
        ("He was born on May 1, 1990", ""),  # the whole text or nothing
        ("March " + "1" * 5000, ""),
        ("March 99999999999999999999", ""),
    ],
)
def test_date_named(text, expected):
    assert comparing.date_named(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Beatles!", "beatles"),
        ("an apple, a pear", "apple pear"),
        ("Theatre", "theatre"),
        ("U.S.A.", "u s"),  # the article in it goes too
        ("O’Neill — “Jim”", "o neill jim"),
        ("snake_case", "snake case"),
        ("1,200", "1 200"),
        ("Café №5", "café 5"),
        ("The The", ""),
    ],
)
def test_plain_words(text, expected):
    assert comparing.plain_words(text) == expected


@pytest.mark.parametrize(
    ("gold", "answer", "reading"),
    [
        ("May 1, 1990", "1990-05-01", "date"),
        ("May 1990", "May 1, 1990", None),
        ("1 May 1990", "1. May 1991", None),
        ("The Beatles", "beatles.", "words"),
        ("The The", "the THE", "text in lower case"),
        ("...", "…", None),
        ("Paris", "Paris, France", None),
        ("", "", None),
    ],
)
def test_phrases(gold, answer, reading):
    match = find_match(gold, answer, PHRASE_READINGS)
    assert (match.reading if match else None) == reading
