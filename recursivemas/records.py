"""The run folder: what a run leaves behind.

`config.json` says what ran (every setting and its origin, versions, model revisions), `samples.jsonl` has one
line a question, flushed batch by batch, `summary.json` the metrics and the costs, and `latents/` the messages
when they are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from safetensors.torch import save_file
from torch import Tensor

from recursivemas.errors import UserError

CONFIG, SAMPLES, SUMMARY, LATENTS = "config.json", "samples.jsonl", "summary.json", "latents"


class RunFolder:
    """Writes a run as it goes. A context manager that closes its files.

    Raises UserError when the folder already holds a run, so that none is overwritten. `copy_to` is a second
    file for the samples.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], copy_to: Path | None = None) -> None:
        if (path / SAMPLES).exists():
            raise UserError(f"{path} already holds a run; give another --output_dir, or move it away")
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._num_batches = 0
        self._write(CONFIG, config)
        self._samples: list[TextIO] = [(path / SAMPLES).open("w", encoding="utf-8")]
        if copy_to is not None:
            copy_to.parent.mkdir(parents=True, exist_ok=True)
            self._samples.append(copy_to.open("w", encoding="utf-8"))

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._samples:
            file.close()

    def append(self, samples: Sequence[Mapping[str, Any]], latents: Mapping[str, Tensor]) -> None:
        """Keep a finished batch: its samples' lines, and its messages [L, D_target] by name, if any."""
        if latents:
            (self.path / LATENTS).mkdir(exist_ok=True)
            contiguous = {name: message.contiguous() for name, message in latents.items()}
            save_file(contiguous, self.path / LATENTS / f"batch-{self._num_batches:05d}.safetensors")
        lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
        for file in self._samples:
            file.write(lines)
            file.flush()
        self._num_batches += 1

    def finish(self, summary: Mapping[str, Any]) -> None:
        self._write(SUMMARY, summary)

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        (self.path / name).write_text(text, encoding="utf-8")
