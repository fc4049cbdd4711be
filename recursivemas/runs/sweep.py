"""A sweep: the same run with each of several latent lengths, in subfolders of one run folder.

The published script reports the best of such runs as its score. Choosing by the score that is reported
flatters it, so here each value is reported, and the best is never named without saying what it is.

Source: docs/protocol.md, "Settings" (`--latent_length`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.files.whole import write_whole
from recursivemas.output.tables import format_table
from recursivemas.runs.files import CONFIG
from recursivemas.runs.folder import to_bytes
from recursivemas.settings import SWEEP, SWEPT_LENGTHS, Origin, RunSettings

RECORD = "sweep.json"


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run and the folder that it is kept in."""

    settings: RunSettings
    origins: Mapping[str, Origin]
    folder: Path


def plan_runs(settings: RunSettings, origins: Mapping[str, Origin], folder: Path) -> list[PlannedRun]:
    """The runs that the settings ask for: one in the folder, or one a latent length in subfolders of it."""
    if settings.solve.latent_length != SWEEP:
        return [PlannedRun(settings=settings, origins=origins, folder=folder)]
    copy = settings.record.result_jsonl
    return [
        PlannedRun(
            settings=settings.but(
                latent_length=length,
                output_dir=str(folder / _name(length)),
                result_jsonl=copy and str(_copy_of(Path(copy), length)),
            ),
            origins={**origins, "latent_length": "sweep"},
            folder=folder / _name(length),
        )
        for length in SWEPT_LENGTHS
    ]


def _name(length: int) -> str:
    return f"latent-{length}"


def _copy_of(file: Path, length: int) -> Path:
    return file.with_name(f"{file.stem}.{_name(length)}{file.suffix}")


def check_kind(settings: RunSettings, folder: Path) -> None:
    """Raise UserError where a sweep would mix with a single run in its folder, or a run with a sweep."""
    is_sweep, swept = settings.solve.latent_length == SWEEP, (folder / RECORD).exists()
    if is_sweep and (folder / CONFIG).exists():
        raise UserError(f"{folder} holds a single run; give another --output_dir for the sweep")
    if swept and not is_sweep:
        raise UserError(
            f"{folder} holds a sweep over latent lengths; give --latent_length {SWEEP} to go on with it, or "
            "another --output_dir"
        )
    if swept and not settings.record.resume:
        raise UserError(f"{folder} already holds a sweep; give --resume to go on, or another --output_dir")


def open_sweep(folder: Path) -> None:
    """Note that the folder is a sweep's, so that nothing else is put there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / RECORD).exists():
        _write(folder, {"latent_lengths": list(SWEPT_LENGTHS), "finished": False})


def close_sweep(folder: Path, summaries: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Record all values' scores and which length is best, of equals the shortest; returns the record."""
    scores = {length: summary["headline"]["value"] for length, summary in summaries.items()}
    best, *tied = sorted(length for length in scores if scores[length] == max(scores.values()))
    record = {
        "latent_lengths": list(summaries),
        "finished": True,
        "runs": {
            length: {"folder": _name(length), "headline": dict(summary["headline"])}
            for length, summary in summaries.items()
        },
        "best_of_sweep": {
            "latent_length": best,
            "tied_with": tied,
            "headline": dict(summaries[best]["headline"]),
        },
    }
    _write(folder, record)
    return record


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    write_whole(folder / RECORD, to_bytes(json.dumps(record, indent=2) + "\n"))


def format_sweep(record: Mapping[str, Any]) -> str:
    """Each value's score with its interval, the best ones marked as the best of the sweep."""
    best = [record["best_of_sweep"]["latent_length"], *record["best_of_sweep"]["tied_with"]]
    mark = "best-of-sweep, tied" if len(best) > 1 else "best-of-sweep"
    rows = [
        [
            str(length),
            f"{100 * run['headline']['value']:.2f}%",
            "{:.1f} to {:.1f}".format(*(100 * end for end in run["headline"]["interval_95"])),
            mark if length in best else "",
            run["folder"],
        ]
        for length, run in record["runs"].items()
    ]
    metric = record["best_of_sweep"]["headline"]["metric"]
    table = format_table(["latent length", metric, "95% interval", "", "folder"], rows)
    tie = f"\nThe best {len(best)} tie: nothing here tells which is better." if len(best) > 1 else ""
    return (
        f"{table}{tie}\nThe best-of-sweep was chosen by its score, which flatters it: no score of the system."
    )


def sweep_result_line(record: Mapping[str, Any]) -> str:
    """The last line of a sweep, in the shape of a run's."""
    headline = record["best_of_sweep"]["headline"]
    return f"[result] best-of-sweep-{headline['metric']}={100 * headline['value']:.2f}%"
