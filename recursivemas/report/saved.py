"""A run's folder as an object, for Python and notebooks: samples, messages, scores, its page.

It may be read while the run goes on, or after it was killed: what is asked for is what there is by then.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, overload
from urllib.parse import quote

from recursivemas.errors import UserError, did_you_mean
from recursivemas.output.html import render
from recursivemas.recursion.messages import Message, find_message
from recursivemas.report.view import write_page
from recursivemas.runs.files import CONFIG, SAMPLES, SUMMARY, iterate_file, read_config, read_sample
from recursivemas.runs.flat import flat_row
from recursivemas.runs.latents import read_message
from recursivemas.runs.lens import read_lenses
from recursivemas.runs.read import with_interval
from recursivemas.runs.record import Key, SampleRecord
from recursivemas.runs.shared import read_shard, shards_in
from recursivemas.runs.so_far import RunSoFar

if TYPE_CHECKING:
    from pandas import DataFrame

Place = tuple[Path, int, int]
"""A file, and the bytes of a sample's line: from, to."""


class Samples(Sequence[SampleRecord]):
    """A run's samples in order, read when they are asked for: the run may be larger than the memory."""

    def __init__(self, places: Mapping[Key, Place | SampleRecord]) -> None:
        self._places = places
        self._keys = list(places)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[SampleRecord]:
        yield from self._read(self._keys)

    @overload
    def __getitem__(self, index: int) -> SampleRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[SampleRecord]: ...

    def __getitem__(self, index: int | slice) -> SampleRecord | list[SampleRecord]:
        chosen = self._keys[index]
        if isinstance(chosen, list):
            return list(self._read(chosen))
        return self.find(*chosen)

    def find(self, id: str, rollout: int = 0) -> SampleRecord:
        """The answer to the question with that id. Raises UserError, with what is there, for any other."""
        if (id, rollout) in self._places:
            return next(self._read([(id, rollout)]))
        rollouts = [number for one, number in self._keys if one == id]
        if rollouts:
            raise UserError(
                f"question {id!r} has no rollout {rollout!r}; it has {', '.join(map(str, sorted(rollouts)))}"
            )
        ids = [one for one, _ in self._keys]
        known = f"its {len(set(ids))} questions begin with {ids[0]!r}" if ids else "it has no answers yet"
        raise UserError(f"the run has no answer to question {id!r}{did_you_mean(id, ids)}; {known}")

    def _read(self, keys: Sequence[Key]) -> Iterator[SampleRecord]:
        with ExitStack() as stack:
            files: dict[Path, IO[bytes]] = {}
            for key in keys:
                place = self._places[key]
                if isinstance(place, SampleRecord):
                    yield place
                    continue
                file, start, end = place
                try:
                    if file not in files:
                        files[file] = stack.enter_context(file.open("rb"))
                    files[file].seek(start)
                    value = json.loads(files[file].read(end - start))
                    found = read_sample(value, f"question {key[0]!r} in {file}", "delete its line")
                except (FileNotFoundError, ValueError):
                    found = None
                if found is None or found.key != key:
                    raise UserError(
                        f"{file} was written anew since these samples were looked up; ask the run for its "
                        "`samples` again"
                    )
                yield found

    def __repr__(self) -> str:
        return f"<Samples: {len(self)} answers to {len({id for id, _ in self._keys})} questions>"


class SavedRun:
    """The run in a folder, finished or not. Raises UserError where the folder holds none.

    `path` is the folder, `config` its record: every setting with its origin, versions, models.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = read_config(self.path)
        self._state: tuple[RunSoFar, Samples] | None = None
        self._seen: list[tuple[Any, ...]] = []

    @property
    def samples(self) -> Samples:
        """The answers so far, in order, as a sequence of `SampleRecord` that is not held in memory."""
        return self._by_now()[1]

    @property
    def summary(self) -> dict[str, Any] | None:
        """Metrics, costs and counts, as `summary.json` has them; None before the run has finished."""
        return self._by_now()[0].summary

    @property
    def is_finished(self) -> bool:
        return self._by_now()[0].is_finished

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        """By grader, the headline's first, the figures of the answers so far: `value`, `interval_95`, ...

        Empty where there is no answer yet.
        """
        run = self._by_now()[0].run
        return {name: run.score(name) for name in run.graders} if run.outcomes else {}

    def sample(self, id: str, rollout: int = 0) -> SampleRecord:
        """One answer. Raises UserError where there is none such."""
        return self.samples.find(id, rollout)

    def message(self, id: str, round: int, source: str, target: str) -> Message:
        """What `source` sent to `target` in that round, from 1, when the question with that id was solved.

        Its `latents` take a run with --save_latents, its words one with --lens. Raises UserError where there
        is no such question or message.
        """
        sample = self.sample(id)
        texts = f" ({', '.join(sample.passages)})" if sample.passages else ""
        why = (
            f"it could not be run ({sample.error})"
            if sample.error
            else f"agents passed on no latents; what they passed on as text is in its passages{texts}"
        )
        name = find_message(sample.messages, f"question {id!r}", (round, source, target), why)
        return Message(
            name=name,
            size=sample.messages[name],
            words=read_lenses(self.path, id).get(name),
            read_latents=partial(read_message, self.path, id, name),
        )

    def to_pandas(self) -> DataFrame:
        """A table of the answers so far, a row a sample.

        The columns are those of `flat_row` in `runs.flat`: which run it is comes first, so that tables can be
        put together.

        Raises UserError where pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise UserError("a table takes pandas, which is not installed: pip install pandas") from error
        so_far, samples = self._by_now()
        return pd.DataFrame([flat_row(so_far.run, sample) for sample in samples])

    def view(self, output: str | Path, other: str | Path | SavedRun | None = None) -> Path:
        """Write the page that shows the run, held against another where that is given; returns the file.

        The same as `recursivemas view`. Raises UserError for a run without answers, for runs that cannot be
        compared, and where the file cannot be written or is no .html file.
        """
        page = Path(output)
        against = other.path if isinstance(other, SavedRun) else other
        write_page(page, self.path, None if against is None else Path(against), "another output")
        self._page = page
        return page

    _page: Path | None = None
    """Where the run's page was written."""

    def _by_now(self) -> tuple[RunSoFar, Samples]:
        """What the folder holds, read anew where it has changed."""
        seen = [_stamp(file) for file in (self.path / CONFIG, self.path / SUMMARY, *self._files())]
        if self._state is None or seen != self._seen:
            so_far = RunSoFar(self.path, self.path.resolve().name)
            self.config, self._seen = so_far.config, seen
            self._state = so_far, Samples(self._look_up(so_far))
        return self._state

    def _files(self) -> list[Path]:
        return [self.path / SAMPLES, *shards_in(self.path)]

    def _look_up(self, so_far: RunSoFar) -> dict[Key, Place | SampleRecord]:
        """Where each sample stands. Those of a batch's file of an older version, which are few, are kept."""
        places: dict[Key, Place | SampleRecord] = {}
        for file in self._files():
            for sample, place in _placed(file):
                if sample.key not in places:
                    places[sample.key] = place or sample
                    so_far.add(sample)
        return places

    def __repr__(self) -> str:
        run, samples = self._by_now()
        state = "" if run.is_finished else f" of {run.num_expected}, unfinished"
        style = run.run.style + (f" (release {run.run.release})" if run.run.release else "")
        return f"<SavedRun {self.path}: {style} on {run.run.benchmark}, {len(samples)} answers{state}>"

    def _repr_html_(self) -> str:
        """Scores with their intervals, what was set by hand, and how to look at the run's questions."""
        so_far, samples = self._by_now()
        run = so_far.run
        return render(
            "run",
            run=run,
            num_answers=len(samples),
            expected=None if so_far.is_finished else so_far.num_expected,
            scores=[(name, score, with_interval(score)) for name, score in self.scores.items()],
            settings=[
                (name, json.dumps(row["value"], ensure_ascii=False))
                for name, row in self.config["settings"].items()
                if row["origin"] == "explicit" and name != "output_dir"
            ],
            page=self._page and (self._page.name, quote(self._page.as_posix())),
            command=f"recursivemas view {shlex.quote(str(self.path))} -o page.html",
        )


def open_run(path: str | Path) -> SavedRun:
    """The run in that folder, finished or not. Raises UserError where the folder holds none."""
    return SavedRun(path)


def _stamp(file: Path) -> tuple[Any, ...]:
    """What tells whether a file is the one that was read."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return (file,)
    return file, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _placed(file: Path) -> Iterator[tuple[SampleRecord, Place | None]]:
    """A file's samples, each with its place where it stands in a line of its own."""
    if file.suffix != ".jsonl":
        yield from ((sample, None) for sample in read_shard(file))
        return
    start = 0
    for sample, end in iterate_file(file):
        yield sample, (file, start, end)
        start = end
