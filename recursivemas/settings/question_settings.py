"""The group of settings that says which questions run."""

from __future__ import annotations

from dataclasses import dataclass

from recursivemas.errors import UserError
from recursivemas.options import check_options, option


@dataclass(frozen=True, kw_only=True)
class QuestionSettings:
    """The questions"""

    dataset: str = option("math500", "benchmark, or a file of your own: JSON, JSONL, CSV or Parquet")
    dataset_path: str | None = option(None, "local file in the benchmark's published fields")
    dataset_split: str | None = option(
        None, "split of the dataset on the hub, instead of the benchmark's own"
    )
    dataset_revision: str | None = option(
        None, "commit, tag or branch of the dataset on the hub (default: its newest state)"
    )
    num_samples: int = option(-1, "how many questions; -1: all", minimum=-1)
    question_seed: int | None = option(None, "draw the num_samples questions at random with this seed")
    sample_ids: str | None = option(
        None,
        "these questions only, in the dataset's order: ids and positions such as 0-9 (counted from 0), "
        "separated by commas, or @FILE with one a line",
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.question_seed is not None and self.num_samples == -1:
            raise UserError("question_seed draws num_samples questions at random; give --num_samples N, too")
        if self.num_samples == 0:
            raise UserError("num_samples is 0; it has to be 1 or more, or -1 for all")
        if self.sample_ids is not None and self.num_samples != -1:
            raise UserError(
                f"sample_ids says which questions run, and num_samples {self.num_samples} how many; give one "
                "of the two"
            )
