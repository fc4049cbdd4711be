"""Latent messages that a run keeps: a file a question, found by the question's id, read a message at a time.

Shapes: L latent steps, D_target the reader's hidden size.

A file's own header is the index of what is in it: it is there whole with its messages or not at all, so that
no run that was killed leaves one that lies. Runs of older versions have a file a batch; its header is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recursivemas.errors import UserError
from recursivemas.files.whole import write_whole
from recursivemas.runs.files import LATENTS, check_there

if TYPE_CHECKING:
    from torch import Tensor

MAX_READABLE_CHARACTERS = 60


def save_latents(path: Path, question_id: str, messages: Mapping[str, Tensor]) -> None:
    """Keep a question's messages [L, D_target] by `r{round}/{source}->{target}`, if there are any."""
    if messages:
        from safetensors.torch import save  # readers of a folder need no torch

        (path / LATENTS).mkdir(exist_ok=True)
        contiguous = {f"{question_id}/{name}": message.contiguous() for name, message in messages.items()}
        # Not safetensors' own writing: its errors have no number, and its files are for their owner alone.
        write_whole(_file_of(path, question_id), save(contiguous))


def read_message(path: str | Path, question_id: str, name: str) -> Tensor:
    """One message [L, D_target] that the run in that folder kept, such as `r1/planner->critic`.

    It is read alone. Raises UserError where there is no such folder, the run kept no such message, or a file
    on the way to it is damaged.
    """
    from safetensors import safe_open

    path = Path(path)
    check_there(path)
    key = f"{question_id}/{name}"
    for file, keys in _headers(path, _file_of(path, question_id)):
        if key in keys:
            with safe_open(file, "pt") as tensors:
                return tensors.get_tensor(key)
    kept = [known for known in saved_messages(path) if known.startswith(f"{question_id}/")]
    raise UserError(
        f"the run in {path} kept no message {name!r} of question {question_id!r}; "
        + (f"it has {', '.join(kept)}" if kept else "it has none of that question (see --save_latents)")
    )


def read_messages(path: Path, question_id: str) -> dict[str, NDArray[np.float64]]:
    """All messages [L, D_target] that the run kept of one question, by name; empty where it kept none.

    Needs no torch, whatever they were computed in. Raises UserError for a file that is damaged.
    """
    from safetensors import SafetensorError, deserialize

    file, start = _file_of(path, question_id), f"{question_id}/"
    files = (
        [file] if file.exists() else [older for older, _ in _headers(path) if older.stem.startswith("batch-")]
    )
    found: dict[str, NDArray[np.float64]] = {}
    for one in files:
        try:
            tensors = deserialize(one.read_bytes())
            found |= {
                name.removeprefix(start): _numbers(**tensor)
                for name, tensor in tensors
                if name.startswith(start)
            }
        except (SafetensorError, KeyError) as error:
            raise UserError(_damaged(one, error)) from error
    return found


def _numbers(dtype: str, shape: list[int], data: bytes) -> NDArray[np.float64]:
    """A tensor as safetensors gives it, in a type that holds all of its values; KeyError for other types."""
    numbers = np.frombuffer(data, {"BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8"}[dtype])
    if dtype == "BF16":  # the upper half of a float32
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    return numbers.reshape(shape).astype(np.float64)


def saved_messages(path: str | Path) -> list[str]:
    """All messages that a run has kept, as `{question id}/r{round}/{source}->{target}`.

    Raises UserError where there is no such folder, or a file of messages is damaged.
    """
    check_there(Path(path))
    return sorted({key for _, keys in _headers(Path(path)) for key in keys})


def _headers(path: Path, first: Path | None = None) -> Iterator[tuple[Path, list[str]]]:
    """The run's files and what is in them, the one that is likeliest first."""
    from safetensors import SafetensorError, safe_open

    files = sorted((path / LATENTS).glob("*.safetensors"))
    for file in sorted(files, key=lambda file: file != first):
        try:
            with safe_open(file, "np") as tensors:
                yield file, list(tensors.keys())
        except SafetensorError as error:
            raise UserError(_damaged(file, error)) from error


def _damaged(file: Path, error: Exception) -> str:
    return f"{file} is damaged ({error}); delete it. Its messages come back when the run is run again"


def _file_of(path: Path, question_id: str) -> Path:
    return path / LATENTS / f"{file_name(question_id)}.safetensors"


def file_name(question_id: str) -> str:
    """A name that people can read and that no other question has."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", question_id)[:MAX_READABLE_CHARACTERS].lstrip(".")
    digest = hashlib.sha256(question_id.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{readable}-{digest}"
