"""The generators of `benchmarks/paraphrases.py`, and the strict grader's verdicts on our own golds."""

import importlib
import json
from pathlib import Path

import pytest

from recursivemas.grading.maths.equality import equal

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


@pytest.fixture
def paraphrases(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("paraphrases")


def test_every_kind_has_something_for_our_own_golds(paraphrases):
    golds = paraphrases.OWN_GOLDS
    kinds = (*paraphrases.DRESS, *paraphrases.NUMBERS, *paraphrases.STRUCTURES, *paraphrases.WRONG)
    assert all(any(list(kind(gold)) for gold in golds) for kind in kinds)


def test_no_other_spelling_is_refused(paraphrases):
    pairs = list(paraphrases.equal_pairs(paraphrases.read_golds(None)))
    assert len(pairs) > 350
    refused = [(pair.gold, pair.answer) for pair in pairs[::3] if not equal(pair.gold, pair.answer)]
    assert refused == []


def test_no_wrong_answer_is_accepted(paraphrases):
    pairs = list(paraphrases.wrong_pairs(paraphrases.read_golds(None)))
    assert len(pairs) > 1500
    accepted = [(pair.gold, pair.answer) for pair in pairs[::6] if equal(pair.gold, pair.answer)]
    assert accepted == []


def test_the_same_pairs_every_time(paraphrases):
    golds = paraphrases.read_golds(None)
    assert list(paraphrases.wrong_pairs(golds)) == list(paraphrases.wrong_pairs(golds))
    assert list(paraphrases.equal_pairs(golds)) == list(paraphrases.equal_pairs(golds))


def test_golds_are_read_from_a_file_once_each(paraphrases, tmp_path):
    file = tmp_path / "own.jsonl"
    rows = [
        {"problem": problem, "answer": answer} for problem, answer in (("a", "1"), ("b", "2"), ("c", "1"))
    ]
    file.write_text("\n\n".join(map(json.dumps, rows)))
    assert paraphrases.read_golds(file) == [("a", "1"), ("b", "2")]
