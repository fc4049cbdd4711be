"""A run prepared: all that it takes, looked up once, before any weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from recursivemas.agents.checkpoint import Outline
from recursivemas.benchmarks import Benchmark, Questions, find_benchmark, load_questions
from recursivemas.prompts import PromptSource, load_prompts, read_system_texts, with_system_texts
from recursivemas.recursion.toolbox import build_toolbox
from recursivemas.release.resolve import ReleaseFiles, resolve_release
from recursivemas.runs.graders import RunGraders
from recursivemas.settings import Origin, RunSettings, resolve_settings
from recursivemas.styles import Style, alone, load_style
from recursivemas.system import MASSystem, load_mas_system, read_outlines
from recursivemas.tools import Toolbox


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRun:
    """What a run takes. Made by `prepare`, which reads style and dataset.

    The other parts are looked up and checked when they are first asked for, and kept: a part that cannot be
    had is an error then, and leaves the others as they are.
    """

    settings: RunSettings
    origins: Mapping[str, Origin]
    """Where each setting's value comes from, by name."""
    style: Style
    """In mode single one agent of it."""
    benchmark: Benchmark
    folder: Path
    """Where the run is kept: `output_dir`, else runs/STYLE-DATASET-TIME."""

    @cached_property
    def graders(self) -> RunGraders:
        """Raises UserError where code could not be contained, or the judge not asked."""
        return RunGraders(self.benchmark, self.settings.grading, self.settings.tools)

    @cached_property
    def toolbox(self) -> Toolbox | None:
        """The tools that agents have while they write; raises what `build_toolbox` raises."""
        return self.toolbox_in(self.folder)

    def toolbox_in(self, folder: Path) -> Toolbox | None:
        """The same for one of several runs, which keeps what searches find in its own folder."""
        return build_toolbox(self.style, self.settings.tools, self.settings.solve, folder)

    @cached_property
    def prompt_source(self) -> PromptSource:
        """What writes the prompts, whether or not it fits the style.

        Raises what `load_prompts`, `read_system_texts` and `with_system_texts` raise.
        """
        model = self.settings.model
        texts = read_system_texts(model.system_prompt, self.style)
        source = load_prompts(model.prompts, release=model.release, style_prompts=self.style.prompts)
        return with_system_texts(source, texts, self.style)

    @cached_property
    def prompts(self) -> PromptSource:
        """The same, held against the style. Raises UserError where an agent would lack a prompt."""
        self.prompt_source.check(self.style, task=self.benchmark.task, mode=self.settings.solve.passes)
        return self.prompt_source

    @cached_property
    def questions(self) -> Questions:
        """Raises DatasetError where they cannot be had, or are not what the benchmark has."""
        chosen = self.settings.questions
        return load_questions(
            self.benchmark,
            path=chosen.dataset_path,
            split=chosen.dataset_split,
            seed=self.settings.solve.seed,
            num_samples=None if chosen.num_samples == -1 else chosen.num_samples,
            question_seed=chosen.question_seed,
            sample_ids=chosen.sample_ids,
            style=self.style.name,
            revision=chosen.dataset_revision,
        )

    @cached_property
    def files(self) -> ReleaseFiles:
        """Where models and links are or would lie; configurations are fetched, weights are not.

        Raises ReleaseError for what is not to be had.
        """
        where = self.settings.model.where()
        return resolve_release(self.style, self.benchmark.task, **where, download_weights=False)

    @cached_property
    def outlines(self) -> dict[str, Outline]:
        """What is known of each role's model without its weights; raises what `read_outlines` raises."""
        return read_outlines(self.files, self.settings.model.trust_remote_code, weights=False)

    def load(self) -> MASSystem:
        """The system, ready to solve; raises what `load_mas_system` raises."""
        loading = self.settings.model.loading()
        return load_mas_system(self.style, self.benchmark, prompts=self.prompts, **loading)


def prepare(**given: Any) -> PreparedRun:
    """The run that settings ask for, by the names that the command line's flags have.

    What is not given is what is recommended for the style and dataset, else the default. Raises UserError for
    settings that are unknown, out of range or do not go together, DatasetError for a dataset that is none.
    """
    benchmark = find_benchmark(RunSettings.of(**given).questions.dataset)
    settings, origins = resolve_settings(given, benchmark)
    style = load_style(settings.model.style)
    return PreparedRun(
        settings=settings,
        origins=origins,
        style=alone(style, settings.solve.role) if settings.solve.mode == "single" else style,
        benchmark=benchmark,
        folder=_folder(settings, style, benchmark),
    )


def _folder(settings: RunSettings, style: Style, benchmark: Benchmark) -> Path:
    if settings.record.output_dir:
        return Path(settings.record.output_dir)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    mode = "" if settings.solve.mode == "latent" else f"-{settings.solve.mode}"
    return Path("runs") / f"{style.name}{mode}-{benchmark.name}-{now}"
