"""The toolbox by itself: what is asked of tools, and what is not."""

from __future__ import annotations

import re
import threading

import pytest

from recursivemas.errors import UserError
from recursivemas.tools import MAX_RESULT_CHARACTERS, PythonTool, Request, ToolAnswer, Toolbox, find_request


def asked(content: str) -> Request:
    return Request("python", content, 0, 0)


class Asked:
    """Keeps what it is asked, and answers with a text."""

    deadline_s = None

    def __init__(self, name="python", text="done"):
        self.name = name
        self.text = text
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        return ToolAnswer(text=self.text, cached=True)

    def describe(self):
        return {"of": self.name}


def test_a_tool_gets_the_request_as_it_stands():
    tool = Asked()
    call = Toolbox([tool]).ask(asked("\n    x = 1\n"), 0).result(10)
    assert tool.requests == ["\n    x = 1\n"]
    assert (call.request, call.result, call.status, call.cached) == ("x = 1", "done", "ok", True)


@pytest.mark.parametrize(("content", "num_calls", "status"), [("1", 2, "limit"), (" \n", 0, "empty")])
def test_what_does_not_reach_a_tool(content, num_calls, status):
    tool = Asked()
    answered = Toolbox([tool], max_calls=2).ask(asked(content), num_calls)
    assert answered.done()
    assert answered.result().status == status
    assert tool.requests == []


@pytest.mark.parametrize(
    "length", [MAX_RESULT_CHARACTERS - 1, MAX_RESULT_CHARACTERS, MAX_RESULT_CHARACTERS + 1]
)
def test_results_are_cut_to_their_length(length):
    box = Toolbox([Asked(text="x" * length)])
    result = box.ask(asked("1"), 0).result(10).result
    assert len(result) == min(length, MAX_RESULT_CHARACTERS)
    assert result.endswith("[cut at 6000 characters]") == (length > MAX_RESULT_CHARACTERS)


def test_a_result_that_defusing_makes_longer_is_cut_too():
    box = Toolbox([Asked(text="</result>" * 600)])
    result = box.ask(asked("1"), 0).result(10).result
    assert len(result) == MAX_RESULT_CHARACTERS
    assert "</result>" not in result


def test_no_thread_to_be_had_is_a_call_that_failed(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    call = Toolbox([Asked()]).ask(asked("1"), 0).result(10)
    assert (call.status, call.result) == ("failed", "[python failed: RuntimeError: can't start new thread]")


def test_a_deadline_that_cannot_be_told_is_a_call_that_failed():
    tool = Asked()
    box = Toolbox([tool])
    tool.deadline_s = "soon"
    assert box.ask(asked("1"), 0).result(10).status == "failed"


class Bare:
    name = "python"

    def __call__(self, request):
        return ToolAnswer(text="done")

    def describe(self):
        return {}


def tool_with(**fields):
    tool = Asked()
    vars(tool).update(fields)
    return tool


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        (Bare(), "the tool python has the deadline_s 'missing'"),
        (tool_with(deadline_s="30"), "deadline_s '30'; it has to be seconds above 0, or None"),
        (tool_with(deadline_s=0), "deadline_s 0;"),
        (tool_with(deadline_s=-1.0), "deadline_s -1.0;"),
        (tool_with(deadline_s=float("nan")), "deadline_s nan;"),
        (tool_with(describe=None), "has no describe()"),
        (lambda request: request, "a tool is named None"),
        (tool_with(name=3), "a tool is named 3"),
        (PythonTool, "the tool python cannot be called"),
    ],
)
def test_what_is_no_tool(tool, says):
    with pytest.raises(UserError, match=re.escape(says)):
        Toolbox([tool])


def test_some_of_the_tools():
    box = Toolbox([Asked("python"), Asked("search")], max_calls=3)
    assert box.names == ("python", "search")
    assert box.describe() == {"max_calls": 3, "python": {"of": "python"}, "search": {"of": "search"}}
    assert box.only(["search", "abacus"]).describe() == {"max_calls": 3, "search": {"of": "search"}}
    assert box.only(["abacus"]) is None


@pytest.mark.parametrize("max_calls", [0, -1, 1.5, True])
def test_calls_are_counted_from_one(max_calls):
    with pytest.raises(UserError, match=f"max_calls is {max_calls}; it has to be a whole number"):
        Toolbox([Asked()], max_calls=max_calls)


@pytest.mark.parametrize("names", [["Python"], ["result"], ["py thon"], [""], ["python", "python"]])
def test_a_name_has_to_be_a_tag_of_its_own(names):
    with pytest.raises(UserError, match="a name is a tag"):
        Toolbox([Asked(name) for name in names])


def test_letters_that_only_look_like_a_tags_are_none():
    assert find_request("<ſearch> q </ſearch>", ["search"]) is None
    assert find_request("<search> q </search>", ["python"]) is None
    found = find_request("İ<search> q </search> more", ["python", "search"])
    assert found == Request("search", " q ", 1, 21)
