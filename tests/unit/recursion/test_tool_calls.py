"""The tag loop, every branch of it, with a model that recites."""

from __future__ import annotations

import dataclasses
import json
import random
import threading
import time
from pathlib import Path

import pytest
import torch

from recursivemas.engine import random_stream
from recursivemas.grading.extract import last_code_block
from recursivemas.prompts import load_pack
from recursivemas.question import Question
from recursivemas.recursion.answer import Draft, Pace, Writer
from recursivemas.settings import RunSettings
from recursivemas.tools import MAX_RESULT_CHARACTERS, ToolAnswer, Toolbox, without_calls
from tests.support.scripted import START, scripted_agent, scripted_tokenizer, spaced_tokenizer

CASES = json.loads((Path(__file__).parents[2] / "cases" / "tool_calls.json").read_text(encoding="utf-8"))
SETTINGS = RunSettings.of(greedy=True).solve


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


class Echo:
    """Gives back what it was asked, in brackets."""

    deadline_s = None

    def __init__(self, name, answer=lambda request: f"[{request.strip()}]"):
        self.name = name
        self.answer = answer

    def __call__(self, request):
        return ToolAnswer(text=self.answer(request))

    def describe(self):
        return {}


def toolbox(**answers) -> Toolbox:
    return Toolbox([Echo(name, *answers.get(name, ())) for name in ("python", "search")])


def session_for(agent, *names: str):
    """A session in which each row has asked by its name."""
    prompts = [f"<|im_start|>user\n{name}<|im_end|>\n{START}" for name in names]
    return agent.engine.open([[tuple(agent.tokenizer(prompt).input_ids)] for prompt in prompts])


def write(scripts, box, budget=1000, settings=SETTINGS, on_step=None, tokenizer=None) -> list[Draft]:
    """One draft a script, written side by side. Scripts are told apart by a line in the prompt."""
    named = {f"[{index}]": parts for index, parts in enumerate(scripts)}
    agent = scripted_agent(named, tokenizer)
    names = ["x" * random.Random(name).randrange(30) + name for name in named]
    drafts = [
        Draft(row, "math", random_stream(0, name), max_new_tokens=budget) for row, name in enumerate(names)
    ]
    writer = Writer(agent, load_pack(), settings, box, Pace())
    list(writer.write(drafts, session_for(agent, *names), on_step=on_step or (lambda _: None)))
    return drafts


def outcome(draft):
    calls = [[call.tool, call.request, call.status] for call in draft.tool_calls]
    return {"calls": calls, "text": draft.text, "ended_by": draft.ended_by}


def expected(case):
    return {"calls": case["calls"], "text": case["text"], "ended_by": case.get("ended_by", "stop")}


@pytest.mark.parametrize("make_tokenizer", [scripted_tokenizer, spaced_tokenizer])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_text_calls(case, make_tokenizer):
    tokenizer = make_tokenizer()
    [draft] = write([case["parts"]], toolbox(), case.get("budget", 1000), tokenizer=tokenizer)
    assert outcome(draft) == expected(case)
    assert scripted_agent({}, tokenizer).text(draft.sequence) == draft.text, "what stands there was read"


@pytest.mark.parametrize("make_tokenizer", [scripted_tokenizer, spaced_tokenizer])
def test_all_of_them_side_by_side(make_tokenizer):
    cases = [case for case in CASES if "budget" not in case]
    drafts = write([case["parts"] for case in cases], toolbox(), tokenizer=make_tokenizer())
    assert [outcome(draft) for draft in drafts] == [expected(case) for case in cases]


def test_sampled_rows_go_on_with_their_own_numbers():
    settings = RunSettings.of(temperature=1.0).solve
    cases = [case for case in CASES if "budget" not in case]
    drafts = write([case["parts"] for case in cases], toolbox(), settings=settings)
    assert [draft.text for draft in drafts] == [case["text"] for case in cases]


def test_what_was_written_is_told_from_what_was_read():
    [draft] = write([["So <search> a </search>\nand", " \\boxed{2}"]], toolbox())
    agent = scripted_agent({})
    assert agent.text(draft.token_ids) == "So <search> a </search> \\boxed{2}"
    assert draft.own_text == "So  \\boxed{2}"
    assert agent.text(draft.sequence) == draft.text
    [call] = draft.tool_calls
    assert draft.text[call.start : call.end] == "<search> a </search> <result> [a] </result>"
    assert draft.num_inserted == len(agent.plain_ids(" <result> [a] </result>"))
    assert draft.num_sampled == len(draft.token_ids), "the merged token was cut to the bracket alone"


def test_without_tools_the_tags_are_text():
    [draft] = write([["<python> 1 </python> is \\boxed{1}"]], None)
    assert outcome(draft) == {"calls": [], "text": "<python> 1 </python> is \\boxed{1}", "ended_by": "stop"}


def test_a_tool_that_an_agent_lacks_is_not_called():
    [draft] = write([["<search> q </search><python> 1 </python>", "\\boxed{1}"]], toolbox().only(["python"]))
    assert [call.tool for call in draft.tool_calls] == ["python"]
    assert toolbox().only([]) is None


# ---------------------------------------------------------------------------------------------------------
# Nobody waits for another's tool


def test_other_rows_write_on_while_one_waits():
    others_are_done = threading.Event()

    def wait_for_the_others(request):
        return "in time" if others_are_done.wait(30) else "too late"

    def watch(num_left):
        if num_left == 1:
            others_are_done.set()

    scripts = [["<python> wait </python>", " \\boxed{1}"], ["a" * 40], ["b <search> q </search>", "b" * 30]]
    drafts = write(scripts, toolbox(python=(wait_for_the_others,)), on_step=watch)
    assert "in time" in drafts[0].text
    assert drafts[0].text.endswith("\\boxed{1}")
    assert [draft.own_text for draft in drafts[1:]] == ["a" * 40, "b " + "b" * 30]


def test_calls_run_at_the_same_time():
    together = threading.Barrier(4, timeout=30)

    def meet(request):
        together.wait()
        return "met"

    drafts = write([[f"{row} <python> 1 </python>", " yes"] for row in range(4)], toolbox(python=(meet,)))
    assert all("<result> met </result> yes" in draft.text for draft in drafts)


class SpeechlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def fail(request):
    raise OSError("the disk is on fire")


def leave(request):
    raise SystemExit(3)


def fail_without_words(request):
    raise SpeechlessError


def flood(request):
    return "x" * 100_000_000


@pytest.mark.parametrize(
    ("answer", "status", "begins"),
    [
        (fail, "failed", "[python error] OSError: the disk is on fire"),
        (leave, "failed", "[python error] SystemExit: 3"),
        (fail_without_words, "failed", "[python error] SpeechlessError"),
        (lambda request: None, "failed", "[python error] TypeError: it gave back something else"),
        (flood, "ok", "x" * 1000),
        (lambda request: None.answer, "failed", "[python error] AttributeError: "),
        (lambda request: "\ud800 \x00 <|im_end|>", "ok", "? \x00 <|im_end|>"),
        (lambda request: "a</result>b</RESULT>c", "ok", "a< /result>b</RESULT>c"),
        (lambda request: "", "ok", ""),
    ],
)
def test_what_a_tool_does_costs_its_own_row_a_line(answer, status, begins):
    beside = ["<search> q </search>", "\\boxed{1}"]
    rows = write([["<python> 1 </python>", " on \\boxed{2}"], beside], toolbox(python=(answer,)))
    [call] = rows[0].tool_calls
    assert call.status == status
    assert call.result.startswith(begins)
    assert len(call.result) < MAX_RESULT_CHARACTERS + 100
    assert rows[0].text == f"<python> 1 </python> <result> {call.result} </result> on \\boxed{{2}}"
    assert rows[1].text == "<search> q </search> <result> [q] </result>\\boxed{1}"


@pytest.mark.parametrize("given", [None, "text", ToolAnswer(text="x", status="limit"), ToolAnswer(text=3)])
def test_a_tool_that_gives_back_something_else_has_failed(given):
    class Odd(Echo):
        def __call__(self, request):
            return given

    [draft] = write([["<python> 1 </python>", " on"]], Toolbox([Odd("python")]))
    assert draft.tool_calls[0].status == "failed"
    assert draft.text.endswith(" on")


def test_a_tool_that_does_not_come_back_is_given_up():
    never = threading.Event()
    slow = Echo("python", lambda request: str(never.wait(60)))
    slow.deadline_s = 0.2
    start = time.monotonic()
    rows = write([["<python> 1 </python>", " on \\boxed{2}"], ["a" * 20]], Toolbox([slow, Echo("search")]))
    never.set()
    [call] = rows[0].tool_calls
    assert (call.status, call.result) == ("timeout", "[python error] TimeoutError: no answer within 0.2 s")
    assert call.seconds == 0.2
    assert rows[0].text.endswith(" on \\boxed{2}")
    assert rows[1].text == "a" * 20
    assert time.monotonic() - start < 30


def test_a_call_says_how_long_it_took():
    def sleep(request):
        time.sleep(0.1)
        return "slept"

    [draft] = write([["<python> 1 </python>", " on"]], toolbox(python=(sleep,)))
    assert 0.1 <= draft.tool_calls[0].seconds < 30


# ---------------------------------------------------------------------------------------------------------
# Answers


def answer(parts, kind="math", pack=None, **settings):
    agent = scripted_agent({"the question": parts})
    options = ("w", "x", "y", "z") if kind == "choice" else ()
    question = Question(id="q", text="the question", kind=kind, options=options)
    settings = RunSettings.of(greedy=True, **settings).solve
    return answer_with(Writer(agent, pack or load_pack(), settings, toolbox(), Pace()), agent, question)


def answer_with(writer, agent, question) -> Draft:
    draft = writer.draft_answer(question, question.kind, row=0, rollout=0)
    session = session_for(agent, "the question")
    list(writer.answer([draft], [question], session, on_step=lambda _: None))
    return draft


def test_an_answer_stands_outside_of_calls():
    assert answer(["<search> \\boxed{3} </search>", " nothing"]).retried
    given = answer(["<search> 3 </search>", " see \\boxed{4}"])
    assert given.own_text == " see \\boxed{4}"
    assert not given.retried
    code = "<python>\n```python\nprint(f(1))\n```\n</python>"
    final = "```python\ndef f(x): return x\n```\n"
    given = answer([final + code, " It works."], kind="function")
    assert last_code_block(given.own_text) == "def f(x): return x"
    assert not given.retried
    assert answer([code, " It works."], kind="function").retried


def test_a_box_in_a_result_is_no_answer():
    agent = scripted_agent({"the question": ["<search> q </search>", " hm"]})
    box = toolbox(search=(lambda request: "\\boxed{7}",))
    writer = Writer(agent, load_pack(), SETTINGS, box, Pace())
    question = Question(id="q", text="the question")
    draft = answer_with(writer, agent, question)
    assert "\\boxed{7}" in draft.text
    assert draft.retried


@pytest.mark.parametrize("quirks", [False, True])
def test_after_too_many_calls_the_answer_is_asked_for(quirks):
    draft = answer(["<python>1</python>"] * 9, release_quirks=quirks)
    assert [call.status for call in draft.tool_calls] == ["ok"] * 5 + ["limit"]
    assert draft.retried
    assert draft.ended_by == "calls"
    cue = load_pack().retry_cue("math")
    assert draft.text.endswith(f"</result>\n{cue.strip()}" if quirks else cue)


@pytest.mark.parametrize(
    ("kind", "part", "ours", "quirks"),
    [
        ("math", "so \\boxed{3}", False, False),
        ("math", "so \\boxed{3", True, True),
        ("math", "Final Answer: 3", True, True),
        ("math", "\\boxed{} it is {3}", True, False),
        ("choice", "**B**", False, True),
        ("choice", "A-cells come first", True, False),
        ("function", "```python\nx = 1\n```", False, False),
        ("function", "```\nx = 1\n```", False, True),
        ("function", "```py\nx = 1\n```", False, True),
    ],
)
def test_what_is_asked_again(kind, part, ours, quirks):
    """With quirks by the release's rules, else by ours."""
    assert answer([part], kind).retried == ours
    assert answer([part], kind, release_quirks=True).retried == quirks


def test_quirks_strip_the_text_before_the_cue():
    draft = answer(["no box \n\t\n"], release_quirks=True)
    assert draft.text == "no box\nFinal Answer: \\boxed{"
    draft = answer([" \n"], release_quirks=True)
    assert draft.text == "\nFinal Answer: \\boxed{"


def test_a_cue_stands_on_a_line_of_its_own():
    pack = load_pack()
    bare = dataclasses.replace(pack, retry_cues={kind: cue.strip() for kind, cue in pack.retry_cues.items()})
    assert answer(["no box"], pack=bare).text == "no box\nFinal Answer: \\boxed{"
    assert answer(["no box"], pack=bare, release_quirks=True).text == "no box\nFinal Answer: \\boxed{"
    assert answer(["no box"]).text == "no box\n\nFinal Answer: \\boxed{"


def test_bare_text_keeps_control_tokens_of_its_own_and_breaks_those_of_results(monkeypatch):
    read = []
    agent = scripted_agent({"the question": ["<search> q </search>", " hm"]})
    box = toolbox(search=(lambda request: "stop <|im_end|> there",))
    settings = RunSettings.of(greedy=True, release_quirks=True).solve
    writer = Writer(agent, load_pack(), settings, box, Pace())
    monkeypatch.setattr(type(agent.tokenizer), "__call__", record(type(agent.tokenizer).__call__, read))
    answer_with(writer, agent, Question(id="q", text=""))
    [bare] = [text for text in read if "Final Answer" in text and "hm" in text]
    assert "stop < |im_end|> there" in bare


def record(function, texts):
    def recording(self, text, *args, **kwargs):
        texts.append(text)
        return function(self, text, *args, **kwargs)

    return recording


def test_a_retry_calls_no_tools():
    draft = answer(["nothing", "<python>1</python>"])
    assert draft.retried
    assert draft.tool_calls == []


def test_calls_are_taken_out_of_a_text_where_they_stand():
    [draft] = write([["a <python> 1 </python>", "b <search> 2 </search>", "c"]], toolbox())
    assert without_calls(draft.text, draft.tool_calls) == "a b c"
    assert without_calls("no calls", ()) == "no calls"
