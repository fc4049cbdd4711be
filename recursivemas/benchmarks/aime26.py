"""AIME 2026: thirty competition problems whose results are integers from 0 to 999."""

from __future__ import annotations

from recursivemas.benchmarks.aime25 import to_question
from recursivemas.benchmarks.base import MATHS_GRADERS, Benchmark

AIME26 = Benchmark(
    name="aime26",
    to_question=to_question,
    columns=("problem", "answer"),
    aliases={"problem": ("question",)},
    hub_id="MathArena/aime_2026",
    split="train",
    id_columns=("problem_idx", "id"),
    metric="pass@10",
    graders=MATHS_GRADERS,
    num_rollouts=10,
)
