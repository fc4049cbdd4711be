"""The flat table of a run: what pandas reads is what the run holds."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest

from recursivemas.recursion.trace import MessageSize, Passage, StageUsage
from recursivemas.report.exports.source import Source
from recursivemas.report.exports.table import COLUMNS, GRADER_COLUMNS, write_table
from recursivemas.tools import ToolCall
from tests.support.run_folders import grade_of, sample_of, write_run, write_samples

TEXTS = [
    "=HYPERLINK(1)",
    'a, "b"\nc\r\nd\re\tf;g',
    " 007 ",
    "NA",
    "nan",
    "1e5",
    "",
    "\u2028\N{GRINNING FACE}\x0b",
    "True",
    "#",
    "\\n",
]
PAGE = Path(__file__).parents[4] / "docs" / "export.md"


def read_as_the_page_says(path):
    """With the very lines of the page."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    names: dict = {}
    exec(code.replace('"run.csv"', repr(str(path))), names)
    return names["table"]


def table_of(run, tmp_path):
    write_table(Source.open(run), tmp_path / "run.csv")
    return read_as_the_page_says(tmp_path / "run.csv")


def test_texts_and_ids_are_read_back_as_they_are(tmp_path):
    run = write_run(tmp_path / "run", [True] * len(TEXTS), seed=7)
    write_samples(
        run,
        [
            sample_of(
                f"{number}{text}",
                question=text,
                gold=text,
                text=text,
                verdicts={"release": grade_of(True, text, text)},
            )
            for number, text in enumerate(TEXTS)
        ],
    )
    table = table_of(run, tmp_path)
    assert list(table["id"]) == [f"{number}{text}" for number, text in enumerate(TEXTS)]
    for column in ("question", "gold", "text", "release_answer", "release_why"):
        assert list(table[column]) == TEXTS, column


def test_a_row_holds_what_the_sample_holds(tmp_path):
    run = write_run(tmp_path / "run", {"release": [[True, False]], "strict": [[False, False]]})
    call = ToolCall(tool="python", request="1", result="1", status="ok")
    turns = (
        StageUsage(
            round=1, role="planner", prompt_tokens=5, latent_steps=8, positions_computed=5, seconds=0.25
        ),
        StageUsage(
            round=1,
            role="solver",
            prompt_tokens=7,
            latents_read=8,
            generated_tokens=3,
            positions_reused=4,
            seconds=0.5,
            started="2026-11-27T01:00:00.500+00:00",
        ),
    )
    verdicts = {"release": grade_of(True, score=0.5), "strict": grade_of(False, None, error="too deep")}
    first = sample_of(
        "q0",
        text="one",
        verdicts=verdicts,
        usage=turns,
        tool_calls=(call,),
        messages={"r1/planner->solver": MessageSize((8, 4), 1.5)},
        passages={"r1/planner": Passage("four", (), (call,))},
        recorded="2026-11-27T01:00:02.000+00:00",
    )
    failed = {name: grade_of(False, None, "not run") for name in verdicts}
    second = sample_of(
        "q0", 1, seed=None, text="", extracted=None, verdicts=failed, error="too long", ended_by=""
    )
    write_samples(run, [first, second])
    one, other = table_of(run, tmp_path).to_dict("records")
    assert one == {
        **{"run": "run", "style": "sequential_light", "benchmark": "math500", "mode": "latent", "rounds": 3},
        **{"latent_length": 32, "id": "q0", "rollout": 0, "seed": 42, "question": "What is q0?", "gold": "1"},
        **{"text": "one", "answer": "1", "ended_by": "stop", "retried": False, "past_context": False},
        **{"error": "", "tool_calls": 2, "messages": 1, "passages": 1, "passage_characters": 4},
        **{"question_characters": 11, "text_characters": 3, "prompt_tokens": 12, "latents_read": 8},
        **{"latent_steps": 8, "generated_tokens": 3, "result_tokens": 0, "seconds": 0.75},
        **{"positions_computed": 5, "positions_reused": 4},
        "started": pd.Timestamp("2026-11-27T01:00:00.500Z"),
        "recorded": pd.Timestamp("2026-11-27T01:00:02Z"),
        **{
            "release_correct": True,
            "release_answer": "1",
            "release_unread": False,
            "release_undecided": False,
        },
        **{"release_score": 0.5, "release_why": "equal"},
        **{"strict_correct": False, "strict_answer": "", "strict_unread": True, "strict_undecided": True},
        **{"strict_score": pytest.approx(float("nan"), nan_ok=True), "strict_why": "too deep"},
    }
    assert (other["error"], other["release_unread"], other["rollout"]) == ("too long", False, 1)
    assert pd.isna(other["seed"])
    assert pd.isna(other["started"])


def test_the_page_lists_the_columns():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows.items() >= COLUMNS.items()
    graders = {f"GRADER_{name}": text for name, text in GRADER_COLUMNS.items()}
    assert rows.items() >= graders.items()


def test_a_large_run_is_not_held_in_memory(tmp_path):
    run = write_run(tmp_path / "run", [True])
    write_samples(run, (sample_of(f"q{number}", text="x" * 100_000) for number in range(200)))
    source = Source.open(run)
    tracemalloc.start()
    write_table(source, tmp_path / "run.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "run.csv").stat().st_size > 20_000_000
    assert peak < 5_000_000
