"""The run folder: what a run leaves behind.

`config.json` says what ran (every setting and its origin, versions, model revisions), `samples.jsonl` has one
line a question and rollout, `summary.json` the metrics and the costs, and `latents/` the messages when they
are kept, `lens/` the messages in words.

A sample is the unit: each is in the folder as soon as it is finished, in whatever order, and a killed run
resumes with those that are missing. In the end they stand in the order of questions and rollouts.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

from recursivemas.errors import UserError
from recursivemas.files.whole import write_whole, written_whole
from recursivemas.recursion.trace import Lens
from recursivemas.runs.files import CONFIG, LATENTS, LENS, SAMPLES, SUMMARY, iterate_file, read_config
from recursivemas.runs.latents import save_latents
from recursivemas.runs.lens import save_lenses
from recursivemas.runs.record import Key, SampleRecord

if TYPE_CHECKING:
    from torch import Tensor

Latents = Mapping[str, Mapping[str, "Tensor"]]
"""Question id -> name -> message [L, D_target]."""
Lenses = Mapping[str, Mapping[str, Lens]]
"""Question id -> name -> the message in words."""
NO_LENSES: Lenses = MappingProxyType({})


class Journal:
    """A file of samples in the order in which they were finished, and where in it each one stands."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.places: dict[Key, tuple[int, int]] = {}
        """The bytes of a sample's line: from, to."""
        self.end = 0
        """How many bytes are known."""
        self._inode: int | None = None

    def read_on(self) -> None:
        """Take note of what was added since; of all anew where another file has come into its place."""
        for _ in self.new():
            pass

    def new(self) -> Iterator[SampleRecord]:
        """The samples that were added since, or all anew, each as it is taken note of."""
        try:
            inode = self.file.stat().st_ino
        except FileNotFoundError:
            return
        if inode != self._inode:
            self.places, self.end, self._inode = {}, 0, inode
        for sample, end in iterate_file(self.file, self.places, self.end):
            self.note(sample.key, end)
            yield sample

    def note(self, key: Key, end: int) -> None:
        """Take note of a line behind the others that ends there."""
        self.places[key] = (self.end, end)
        self.end = end


class RunFolder:
    """Writes a run as it goes. A context manager that closes its files.

    `config` is the run's record, `order` says which samples the run has in the end, `journal` which of them
    an earlier, interrupted launch left. None of them stay in memory. `copy_to` is a second file for them.
    Build one with `create` or `resume`.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        order: Sequence[Key],
        journal: Journal,
        copy_to: Path | None,
        num_processes: int,
    ) -> None:
        self.path = path
        self.order = order
        self.journal = journal
        self._config = dict(config)
        self._earlier = self._config.get("launches", [])
        self._launch = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "processes": num_processes,
            "seconds": 0.0,
        }
        self._start = time.perf_counter()
        self.keep_time()
        samples = journal.file
        samples.touch()
        journal.read_on()
        # An interrupted run may have left a part of a line behind the whole ones.
        os.truncate(samples, journal.end)
        self._copy = copy_to
        if copy_to is not None:
            copy_to.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(samples, copy_to)
        self._files = [file.open("ab") for file in (samples, copy_to) if file]

    @classmethod
    def create(
        cls,
        path: Path,
        config: Mapping[str, Any],
        order: Sequence[Key],
        copy_to: Path | None = None,
        num_processes: int = 1,
    ) -> RunFolder:
        """A new run's folder. Raises UserError when it already holds a run, so that none is overwritten."""
        check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, config, order, Journal(path / SAMPLES), copy_to, num_processes)

    @classmethod
    def resume(
        cls, path: Path, order: Sequence[Key], copy_to: Path | None = None, num_processes: int = 1
    ) -> RunFolder:
        """An interrupted run's folder. Raises UserError for one that is damaged or had other questions."""
        config, journal = read_config(path), Journal(path / SAMPLES)
        journal.read_on()
        check_questions(journal.file, journal.places, order, "Give another --output_dir to start anew")
        return cls(path, config, order, journal, copy_to, num_processes)

    @property
    def num_done(self) -> int:
        """How many samples are there."""
        return len(self.journal.places)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def pending(self, batches: Sequence[Sequence[Key]]) -> Iterator[int]:
        """The batches of which a sample is missing, one after the other as each is done."""
        for index, batch in enumerate(batches):
            if not self.journal.places.keys() >= set(batch):
                yield index

    def put(self, samples: Sequence[SampleRecord], latents: Latents, lenses: Lenses = NO_LENSES) -> None:
        """Keep finished samples, but those that are there already, and messages by question.

        Raises UserError when the folder has been moved or removed.
        """
        check_same_file(self.path / SAMPLES, self._files[0])
        save_messages(self.path, latents, lenses)
        lines = {sample.key: to_line(sample) for sample in samples if sample.key not in self.journal.places}
        for file in self._files:
            append(file, lines.values())
        for key, line in lines.items():
            self.journal.note(key, self.journal.end + len(line))
        self.keep_time()

    @property
    def seconds(self) -> float:
        """Wall clock that this run has taken, earlier launches included."""
        return sum(launch["seconds"] for launch in self._earlier) + time.perf_counter() - self._start

    def note(self, **facts: Any) -> None:
        """Take down facts about this launch, with the next samples."""
        self._launch |= facts

    def keep_time(self) -> None:
        """Note the time: a run that is killed has taken what it took for its finished samples."""
        self._launch["seconds"] = time.perf_counter() - self._start
        _write_json(self.path / CONFIG, {**self._config, "launches": [*self._earlier, self._launch]})

    def put_in_order(self, others: Sequence[Journal] = ()) -> None:
        """Bring all samples into the run's order, those of the other files among them."""
        if list(self.journal.places) == list(self.order):
            return
        journals = [*others, self.journal]
        where = {key: journal for journal in journals for key in journal.places}
        with ExitStack() as stack:
            writer = stack.enter_context(written_whole(self.path / SAMPLES))
            readers = {journal.file: stack.enter_context(journal.file.open("rb")) for journal in journals}
            for key in self.order:
                start, end = where[key].places[key]
                readers[where[key].file].seek(start)
                writer.write(readers[where[key].file].read(end - start))
        if self._copy is not None:
            _copy_whole(self.path / SAMPLES, self._copy)

    def finish(self, summary: Mapping[str, Any], **facts: Any) -> None:
        """Write the summary, and the facts about this launch."""
        self.note(**facts)
        self.keep_time()
        _write_json(self.path / SUMMARY, summary)


def save_messages(path: Path, latents: Latents, lenses: Lenses) -> None:
    """Keep the messages of questions in a run's folder, as they are and in words."""
    for question, messages in latents.items():
        save_latents(path, question, messages)
    for question, in_words in lenses.items():
        save_lenses(path, question, in_words)


def check_questions(file: Path, found: Mapping[Key, Any], order: Sequence[Key], cure: str) -> None:
    """Raise UserError, with the cure, when a file has a sample that the run does not have."""
    known = set(order)
    if strange := next((key for key in found if key not in known), None):
        raise UserError(
            f"{file} holds question {strange[0]!r}, rollout {strange[1]}, which this run does not have; the "
            f"questions have changed since. {cure}"
        )


def append(file: IO[bytes], lines: Iterable[bytes]) -> None:
    """Write lines behind the others, so that they are there whatever happens to this process."""
    file.write(b"".join(lines))
    file.flush()
    os.fsync(file.fileno())


def check_same_file(path: Path, file: IO[Any]) -> None:
    """Raise UserError when an open file is no longer the one at that path."""
    try:
        same = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        same = False
    if not same:
        raise UserError(
            f"{path} is gone, or another file than this run writes: the run folder was moved or removed "
            "meanwhile. Put it back and go on with --resume, or start anew"
        )


def check_free(path: Path) -> None:
    """Raise UserError when the folder already holds a run, or what is left of one."""
    if (path / CONFIG).exists():
        raise UserError(
            f"{path} already holds a run; give --resume to go on with it, or another --output_dir"
        )
    if left := [name for name in (SAMPLES, SUMMARY, LATENTS, LENS) if (path / name).exists()]:
        raise UserError(
            f"{path} holds {' and '.join(left)} of a run whose {CONFIG} is gone, so nothing tells what ran; "
            "put it back, or give another --output_dir"
        )


def to_line(sample: SampleRecord) -> bytes:
    """A sample as its line."""
    return to_bytes(json.dumps(sample.to_json(), ensure_ascii=False) + "\n")


def to_bytes(text: str) -> bytes:
    """JSON text as UTF-8. Half of a surrogate pair, which UTF-8 has no bytes for, becomes JSON's escape."""
    return text.encode("utf-8", "backslashreplace")


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    write_whole(path, to_bytes(json.dumps(data, indent=2, ensure_ascii=False) + "\n"))


def _copy_whole(source: Path, target: Path) -> None:
    with source.open("rb") as reader, written_whole(target) as writer:
        shutil.copyfileobj(reader, writer)
