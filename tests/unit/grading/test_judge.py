"""The judge over HTTP: a server on 127.0.0.1 that answers, refuses, stalls or answers nonsense."""

import json
import sys
import time

import pytest

from recursivemas.errors import UserError
from recursivemas.grading import Judge, JudgeSettings
from recursivemas.grading.judge import PROMPT_SHA256, JudgeError
from recursivemas.question import Question
from tests.support.judge_server import Endpoint, completion

pytest.importorskip("openai")

QUESTION = Question(id="q", text="Who discovered radium?", gold="Marie Curie", meta={"answer_form": "phrase"})


@pytest.fixture
def endpoint(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def judge(endpoint, tmp_path):
    return Judge(make_settings(endpoint, tmp_path))


def make_settings(endpoint, tmp_path, **changes):
    given = {"model": "small", "base_url": endpoint.url, "cache_dir": tmp_path / "judge", "timeout_s": 20}
    return JudgeSettings(**{**given, "max_retries": 1, **changes})


def test_the_judge_decides(endpoint, judge):
    verdict = judge("It was \\boxed{Madame Curie}.", QUESTION)
    assert (verdict.correct, verdict.extracted, verdict.error) == (True, "Madame Curie", None)
    endpoint.play((200, completion("INCORRECT")))
    assert not judge("\\boxed{Pierre Curie}", QUESTION).correct


def test_what_is_asked(endpoint, judge):
    judge("\\boxed{Madame Curie}", QUESTION)
    (request,) = endpoint.requests
    assert request["model"] == "small"
    assert request["temperature"] == 0
    system, user = request["messages"]
    assert "never an instruction" in system["content"]
    for text in ("Who discovered radium?", "Marie Curie", "Madame Curie"):
        assert text in user["content"]


def test_no_answer_is_wrong_without_asking(endpoint, judge):
    verdict = judge("I do not know.", QUESTION)
    assert (verdict.correct, verdict.extracted) == (False, None)
    assert endpoint.requests == []


def test_what_was_said_is_kept(endpoint, judge, tmp_path):
    assert judge("\\boxed{Madame Curie}", QUESTION).correct
    endpoint.play((200, completion("INCORRECT")))
    assert judge("\\boxed{Madame Curie}", QUESTION).correct
    again = Judge(make_settings(endpoint, tmp_path))
    assert again("\\boxed{Madame Curie}", QUESTION).correct
    assert len(endpoint.requests) == 1
    other = Judge(make_settings(endpoint, tmp_path, model="large"))
    assert not other("\\boxed{Madame Curie}", QUESTION).correct
    (entry, _) = sorted((tmp_path / "judge").glob("*.json"), key=lambda file: "large" in file.read_text())
    kept = json.loads(entry.read_text())
    assert (kept["model"], kept["prompt_sha256"], kept["temperature"]) == ("small", PROMPT_SHA256, 0)
    assert kept["reply"] == "CORRECT"


def test_a_damaged_entry_is_asked_again(endpoint, judge, tmp_path):
    judge("\\boxed{Madame Curie}", QUESTION)
    (entry,) = (tmp_path / "judge").glob("*.json")
    for text in ("{", "[]", '{"reply": 3}'):
        entry.write_text(text)
        assert judge("\\boxed{Madame Curie}", QUESTION).correct
    assert len(endpoint.requests) == 4


def test_the_key_comes_from_the_environment(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-mine")
    Judge(make_settings(endpoint, tmp_path, key_variable="MY_KEY"))("\\boxed{x}", QUESTION)
    assert endpoint.tokens == ["Bearer sk-mine"]


def test_the_record_holds_no_key(judge):
    assert judge.describe() == {
        "model": "small",
        "base_url": judge.settings.base_url,
        "temperature": 0,
        "prompt_sha256": PROMPT_SHA256,
    }


@pytest.mark.parametrize("status", [429, 500])
def test_a_passing_failure_is_tried_again(endpoint, judge, status):
    failure = (status, {"error": {"message": "later"}}, {"Retry-After": "0.05"})
    endpoint.play(failure, (200, completion("CORRECT")))
    assert judge("\\boxed{Madame Curie}", QUESTION).correct
    assert len(endpoint.requests) == 2


def test_the_pause_that_the_server_asks_for_is_kept(endpoint, judge):
    endpoint.play((429, {"error": {"message": "later"}}, {"Retry-After": "1"}), (200, completion("CORRECT")))
    started = time.monotonic()
    assert judge("\\boxed{Madame Curie}", QUESTION).correct
    assert time.monotonic() - started >= 1


REFUSED = {"error": {"message": "not for you"}}


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ((401, REFUSED), r"HTTP 401.*not for you.*set OPENAI_API_KEY"),
        ((403, REFUSED), r"HTTP 403.*OPENAI_API_KEY"),
        ((404, REFUSED), r"HTTP 404.*check the model's name"),
        ((429, REFUSED, {"Retry-After": "0.05"}), r"HTTP 429.*rate limit"),
        ((500, REFUSED, {"Retry-After": "0.05"}), r"HTTP 500.*not for you"),
        ((200, completion("Maybe.")), "replied 'Maybe.', which is neither"),
        ((200, completion("CORRECT or INCORRECT")), "neither CORRECT nor INCORRECT"),
        ((200, completion("")), "empty reply"),
        ((200, completion(None)), "empty reply"),
        ((200, {**completion("x"), "choices": []}), "no chat completion"),
        ((200, {"detail": "hello"}), "no chat completion"),
        ((200, b"<html>", {"Content-Type": "text/html"}), "no chat completion"),
        ((200, b"{"), "(could not be asked|no chat completion)"),
    ],
)
def test_no_verdict_is_wrong_and_says_why(endpoint, judge, tmp_path, step, message):
    endpoint.play(step)
    with pytest.raises(JudgeError, match=message):
        judge.check()
    verdict = judge("\\boxed{Madame Curie}", QUESTION)
    assert (verdict.correct, verdict.how) == (False, "no verdict")
    assert "the judge small at http://127.0.0.1" in verdict.error
    assert not (tmp_path / "judge").exists()


@pytest.mark.parametrize(
    ("reply", "correct"),
    [
        ("CORRECT", True),
        ("INCORRECT", False),
        ("correct.", True),
        ("**CORRECT**", True),
        ("`incorrect`\n", False),
        ("Verdict: CORRECT", True),
        ("Final verdict: **INCORRECT**.", False),
        ("The answer is CORRECT.", True),
        ("The proposed answer is incorrect", False),
        ("The answer is not correct.", None),
        ("This isn't correct", None),
        ("NOT CORRECT", None),
        ("not correct", None),
        ("Partially correct", None),
        ("Correct, but incomplete", None),
        ("CORRECT?", None),
        ("Neither correct nor wrong", None),
        ("It would be correct if it named the year", None),
        ("in-correct", None),
        ("UNCORRECT", None),
        ("politically correct", None),
        ("CORRECT CORRECT", None),
    ],
)
def test_only_the_plain_word_is_a_verdict(endpoint, judge, tmp_path, reply, correct):
    endpoint.play((200, completion(reply)))
    verdict = judge("\\boxed{Madame Curie}", QUESTION)
    assert verdict.correct is bool(correct)
    assert (verdict.error is None) == (correct is not None)
    assert (tmp_path / "judge").exists() == (correct is not None), "what is no verdict is not kept"


@pytest.mark.parametrize("content", [{"a": "CORRECT"}, ["CORRECT"], 1, True])
def test_content_that_is_no_text_is_no_verdict(endpoint, judge, content):
    endpoint.play((200, completion(content)))
    assert "no" in judge("\\boxed{Madame Curie}", QUESTION).how
    with pytest.raises(JudgeError, match=r"not a text|no chat completion"):
        judge.check()


def test_a_kept_reply_that_is_no_verdict_is_asked_again(endpoint, judge, tmp_path):
    judge("\\boxed{Madame Curie}", QUESTION)
    (entry,) = (tmp_path / "judge").glob("*.json")
    entry.write_text(entry.read_text().replace('"CORRECT"', '"NOT CORRECT"'))
    endpoint.play((200, completion("INCORRECT")))
    assert not judge("\\boxed{Madame Curie}", QUESTION).correct
    assert len(endpoint.requests) == 2


def test_an_answer_that_trickles_in_is_given_up(endpoint, tmp_path):
    endpoint.play((200, completion("CORRECT"), {}, 0))
    endpoint.byte_pause_s = 0.05
    judge = Judge(make_settings(endpoint, tmp_path, timeout_s=0.5, max_retries=0))
    started = time.monotonic()
    verdict = judge("\\boxed{Madame Curie}", QUESTION)
    assert time.monotonic() - started < 5
    assert "could not be asked: Request timed out" in verdict.error


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_key_that_the_server_repeats_is_not_shown_or_kept(endpoint, tmp_path, monkeypatch, status):
    monkeypatch.setenv("MY_KEY", "sk-very-secret-value")
    refusal = {"error": {"message": "SK-very-secret-value is bad"}}
    endpoint.play((status, completion("CORRECT, sk-very-secret-value") if status == 200 else refusal))
    judge = Judge(make_settings(endpoint, tmp_path, key_variable="MY_KEY", max_retries=0))
    verdict = judge("\\boxed{x}", QUESTION)
    assert "[redacted]" in verdict.error
    assert "very-secret" not in verdict.error.lower()


def test_a_key_in_the_address_is_not_recorded(endpoint, tmp_path):
    url = f"{endpoint.url}?api-key=abcdef123456&version=2"
    judge = Judge(make_settings(endpoint, tmp_path, base_url=url, max_retries=0))
    assert judge.describe()["base_url"] == f"{endpoint.url}?api-key=[redacted]&version=2"
    endpoint.play((500, b"out of order"))
    verdict = judge("\\boxed{x}", QUESTION)
    assert "api-key=[redacted]" in verdict.error
    assert "abcdef" not in verdict.error


def test_check_passes_and_leaves_no_trace(endpoint, judge, tmp_path):
    judge.check()
    assert len(endpoint.requests) == 1
    assert not (tmp_path / "judge").exists()


def test_a_server_that_stalls(endpoint, tmp_path):
    endpoint.play((200, completion("CORRECT"), {}, 8))
    judge = Judge(make_settings(endpoint, tmp_path, timeout_s=0.2, max_retries=0))
    started = time.monotonic()
    verdict = judge("\\boxed{Madame Curie}", QUESTION)
    assert not verdict.correct
    assert "could not be asked" in verdict.error
    assert time.monotonic() - started < 6


def test_nobody_listens(endpoint, tmp_path):
    settings = make_settings(endpoint, tmp_path, base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(JudgeError, match=r"could not be asked.*Check the address"):
        Judge(settings).check()


def test_openai_itself_needs_a_key(endpoint, tmp_path):
    with pytest.raises(JudgeError, match=r"needs a key: set OPENAI_API_KEY, or give the address"):
        Judge(make_settings(endpoint, tmp_path, base_url=None)).check()


def test_without_the_package(judge, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(JudgeError, match="pip install openai"):
        judge.check()


def test_settings_that_make_no_sense():
    with pytest.raises(UserError, match="has no model"):
        JudgeSettings(model="")
    with pytest.raises(UserError, match="base_url holds a user or a password") as refused:
        JudgeSettings(model="m", base_url="http://me:secret@127.0.0.1/v1")
    assert "secret" not in str(refused.value)
    with pytest.raises(UserError, match="timeout_s 0 and max_retries 4"):
        JudgeSettings(model="m", timeout_s=0)


def test_an_endless_answer_is_cut(endpoint, judge):
    judge("\\boxed{" + "x" * 5000 + "}", QUESTION)
    assert endpoint.requests[0]["messages"][1]["content"].count("x") < 1100
