"""Pages of runs, read back, and a run whose every text is hostile."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recursivemas.recursion.trace import MessageSize, Passage, StageUsage
from recursivemas.tools import ToolCall
from tests.support.run_folders import grade_of, sample_of, write_run, write_samples

HOSTILE = (
    "</script><script>document.title='run'</script><img src=x onerror=document.title='run'>\u202e{{7*7}}'\"`"
)
LINK = "planner->solver"


def packed(page: str) -> Iterator[tuple[str, Any]]:
    """What is packed in a page, by the id of the element that holds it."""
    for name, text in re.findall(r'<script type="text/plain" id="([\w-]+)">([^<]*)</script>', page):
        yield name, json.loads(gzip.decompress(base64.b64decode(text)))


def write_hostile_run(path: Path, number: int = 3) -> Path:
    """A run of two agents; questions, golds, texts, results, reasons and names are HOSTILE."""
    write_run(path, [True] * number)
    request = f"<search>{HOSTILE}</search>"
    text = f"{HOSTILE}{request} <result> {HOSTILE} </result>\\boxed{{{HOSTILE}}}"
    end = text.index("\\boxed")
    call = ToolCall(tool="search", request=HOSTILE, result=HOSTILE, status="ok", start=len(HOSTILE), end=end)
    turns = [StageUsage(round=1, role=role, prompt_tokens=5) for role in ("planner", "solver")]
    samples = [
        sample_of(
            f"{HOSTILE}{index}",
            question=HOSTILE,
            gold=HOSTILE,
            text=text,
            extracted=HOSTILE,
            verdicts={
                "release": grade_of(index > 0, HOSTILE, HOSTILE),
                "strict": grade_of(True, None, HOSTILE),
            },
            tool_calls=(call,),
            messages={f"r1/{LINK}": MessageSize((4, 6), 1.5)},
            passages={"r1/planner": Passage(HOSTILE, ())},
            usage=tuple(turns),
        )
        for index in range(number)
    ]
    write_samples(path, samples)
    config = json.loads((path / "config.json").read_text())
    config["style"] = {
        "name": HOSTILE,
        "agents": [{"role": "planner"}, {"role": "solver"}],
        "links": [{"source": "planner", "target": "solver", "slot": "plan", "feedback": False}],
    }
    config["agents"] = {"planner": {"repo_id": HOSTILE}}
    config["settings"]["num_recursive_rounds"]["value"] = 1
    (path / "config.json").write_text(json.dumps(config))
    return path
