"""The toolbox by itself: what is asked of tools, and what is not."""

from __future__ import annotations

import re
import threading
import time

import pytest

from recursivemas.errors import UserError
from recursivemas.tools import PythonTool, Request, ToolAnswer, Toolbox, find_request


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


def test_one_call_too_many_does_not_reach_its_tool():
    tool = Asked()
    answered = Toolbox([tool], max_calls=2).ask(asked("1"), 2)
    assert answered.done()
    call = answered.result()
    assert (call.status, call.result) == ("limit", "[tool limit reached after 2 calls]")
    assert tool.requests == []


def test_an_empty_request_is_the_tools_to_answer():
    tool = Asked()
    assert Toolbox([tool]).ask(asked(" \n"), 0).result(10).status == "ok"
    assert tool.requests == [" \n"]


def result_of(text: str) -> str:
    return Toolbox([Asked(text=text)]).ask(asked("1"), 0).result(10).result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("x" * 5999, "x" * 5999),
        ("x" * 6000, "x" * 6000),
        ("x" * 6001, "x" * 6000 + "\n... [truncated 1 chars]"),
        ("x" * 16_000, "x" * 6000 + "\n... [truncated 10000 chars]"),
        ("</result>" * 600, "< /result>" * 600),
        ("</result>" * 700, "< /result>" * 666 + "</resu\n... [truncated 300 chars]"),
        ("a</result>b</RESULT><result>", "a< /result>b</RESULT><result>"),
        ("half \ud800 a pair", "half ? a pair"),
    ],
)
def test_what_an_agent_reads_of_a_result(text, result):
    assert result_of(text) == result


def test_no_thread_to_be_had_is_a_call_that_failed(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    call = Toolbox([Asked()]).ask(asked("1"), 0).result(10)
    assert (call.status, call.result) == ("failed", "[python error] RuntimeError: can't start new thread")


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


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        ("<ſearch> q </ſearch>", ["search"], None),
        ("<search> q </search>", ["python"], None),
        ("İ<search> q </search> more", ["python", "search"], Request("search", " q ", 1, 21)),
        ("<search>a <search>b</search>", ["search"], Request("search", "a <search>b", 0, 28)),
        ("<python>1</python><search>q</search>", ["search", "python"], Request("python", "1", 0, 18)),
        (
            "<search>a<python>1</python></search>",
            ["python", "search"],
            Request("search", "a<python>1</python>", 0, 36),
        ),
        ("<search>a<python>1</python>", ["python", "search"], Request("python", "1", 9, 27)),
        ("</search><search>q</search>", ["search"], Request("search", "q", 9, 27)),
        ("<search>\n\n</SEARCH>", ["search"], Request("search", "\n\n", 0, 19)),
        ("<search>q", ["search"], None),
        ("< search>q</search>", ["search"], None),
    ],
)
def test_the_first_call_in_a_text(text, names, found):
    assert find_request(text, names) == found


def test_finding_takes_time_in_line_with_the_text():
    start = time.monotonic()
    assert find_request("<search>" * 500_000 + "</python>", ["python", "search"]) is None
    assert time.monotonic() - start < 10
