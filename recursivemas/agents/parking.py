"""Where a model's weights wait while other models compute: in main memory, or in files.

A model of an untouched checkpoint waits in the checkpoint's own files. What these do not hold as the model
holds it (another dtype, another format, tensors that were put together) is written once to a file of ours,
which has no name and is gone with this process, however that ends.
"""

from __future__ import annotations

import json
import logging
import math
import mmap
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO, Protocol
from weakref import finalize

import torch
from torch import Tensor

from recursivemas.agents.checkpoint import LoadError
from recursivemas.files.disk_cache import user_cache
from recursivemas.release.manifests import weight_files
from recursivemas.release.repositories import open_folder

logger = logging.getLogger(__name__)

ALIGNMENT = 64
"""Tensors begin at multiples of so many bytes."""
STORED_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""By the names that the safetensors format has for them."""
MAPPED = mmap.ACCESS_COPY
"""A file's bytes as they are used; what is written there, nothing is, would not reach the file."""


class Parking(Protocol):
    """Holds the weights of a model while they are not where it computes."""

    def open(self) -> list[Tensor]:
        """The weights, on the CPU, in the order in which they were given. Nobody may write to them."""

    def read_ahead(self) -> None:
        """They will be opened soon; nobody waits for it."""


@dataclass(frozen=True)
class Layout:
    """Tensors that stand one behind another in one piece of memory."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]
    starts: tuple[int, ...]
    """In bytes."""
    num_bytes: int

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> Layout:
        starts, end = [], 0
        for tensor in tensors:
            starts.append(end)
            end += math.ceil(tensor.nbytes / ALIGNMENT) * ALIGNMENT
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        return cls(shapes, tuple(tensor.dtype for tensor in tensors), tuple(starts), end)

    def views(self, memory: Tensor) -> list[Tensor]:
        """The tensors in a memory of uint8, [num_bytes] or longer."""
        return [
            memory[start : start + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)
            for shape, dtype, start in zip(self.shapes, self.dtypes, self.starts, strict=True)
        ]


class MainMemory:
    """A copy of weights in one piece of main memory; with `pinned`, CUDA reads it without the CPU's help."""

    def __init__(self, weights: Sequence[Tensor], *, pinned: bool) -> None:
        layout = Layout.of(weights)
        memory = torch.empty(layout.num_bytes, dtype=torch.uint8)
        self._weights = layout.views(memory)
        for copy, weight in zip(self._weights, weights, strict=True):
            copy.copy_(weight)
        if pinned:
            self._pin(memory)

    def open(self) -> list[Tensor]:
        return self._weights

    def read_ahead(self) -> None:
        """They are there."""

    def _pin(self, memory: Tensor) -> None:
        """Pin it as it is: torch's own pinned memory comes in powers of two, up to twice as much."""
        cuda = torch.cuda.cudart()
        if int(cuda.cudaHostRegister(memory.data_ptr(), memory.nbytes, 0)) != 0:
            logger.warning(
                "main memory cannot be pinned, so agents move more slowly; raise the limit of locked memory "
                "(ulimit -l)"
            )
            return
        finalize(self, lambda: cuda.cudaHostUnregister(memory.data_ptr()))


class OnDisk:
    """Weights in files that are mapped: what is read of them the system may drop again when it needs room."""

    def __init__(self, weights: Sequence[Tensor], names: Sequence[str], model_dir: Path) -> None:
        """`names` are those that the model has for its weights. Raises LoadError for a disk that is full."""
        self._layout = Layout.of(weights)
        stored = _Stored(model_dir)
        self._files = stored.files
        finalize(self, _close, self._files)
        found = [stored.find(weight, name) for weight, name in zip(weights, names, strict=True)]
        if left := [weight for weight, place in zip(weights, found, strict=True) if place is None]:
            own = _write(left)
            starts = iter(Layout.of(left).starts)
            found = [place or (len(self._files), next(starts)) for place in found]
            self._files.append(own)
        self._places = [place for place in found if place is not None]

    def open(self) -> list[Tensor]:
        maps = {index: _map(self._files[index]) for index in {file for file, _ in self._places}}
        return [
            torch.frombuffer(maps[file], dtype=dtype, count=math.prod(shape), offset=start).view(shape)
            for (file, start), dtype, shape in zip(
                self._places, self._layout.dtypes, self._layout.shapes, strict=True
            )
        ]

    def read_ahead(self) -> None:
        if hasattr(os, "posix_fadvise"):
            for file in self._files:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _close(files: Sequence[IO[bytes]]) -> None:
    for file in files:
        file.close()


def _map(file: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=MAPPED)


class _Stored:
    """The tensors in a checkpoint's safetensors files. They stay open: what is deleted meanwhile stays."""

    def __init__(self, model_dir: Path) -> None:
        form, *shards = weight_files(open_folder(model_dir))
        paths = [model_dir / name for name in shards or [form] if name.endswith(".safetensors")]
        self.files: list[IO[bytes]] = [path.open("rb") for path in paths]
        self._maps = [_map(file) for file in self.files]
        self._alike: dict[tuple[torch.dtype, int], list[tuple[str, int, int]]] = defaultdict(list)
        for index, file in enumerate(self.files):
            for name, dtype, start, end in _read_header(file):
                self._alike[dtype, end - start].append((name, index, start))

    def find(self, weight: Tensor, name: str) -> tuple[int, int] | None:
        """The file, by its number, and the byte where these very bits begin; None where they do not stand.

        The model may have another name for them than the file: those with much in common are tried first.
        """
        bits = _bits(weight)
        alike = self._alike[weight.dtype, len(bits)]
        for _, file, start in sorted(alike, key=lambda entry: _common_end(entry[0], name), reverse=True):
            there = torch.frombuffer(self._maps[file], dtype=torch.uint8, count=len(bits), offset=start)
            if start % weight.itemsize == 0 and torch.equal(there, bits):
                return file, start
        return None


def _read_header(file: IO[bytes]) -> Iterator[tuple[str, torch.dtype, int, int]]:
    """Name, dtype and the bytes, from and to, of each tensor in a safetensors file."""
    size = int.from_bytes(file.read(8), "little")
    for name, entry in json.loads(file.read(size)).items():
        if entry.get("dtype") in STORED_DTYPES:
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            yield name, STORED_DTYPES[entry["dtype"]], start, end


def _common_end(one: str, other: str) -> int:
    """How many letters two names end with alike."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _bits(weight: Tensor) -> Tensor:
    """A weight as its bytes, [num_bytes] uint8."""
    return weight.contiguous().view(-1).view(torch.uint8)


def _write(weights: Sequence[Tensor]) -> IO[bytes]:
    """A file without a name that holds the weights, laid out as `Layout` does it."""
    layout, folder = Layout.of(weights), user_cache()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < layout.num_bytes:
        raise LoadError(
            f"offload 'disk' needs {layout.num_bytes} bytes in {folder}, for weights that their checkpoint "
            f"does not hold as they are computed with, and {free} are free; set RECURSIVEMAS_CACHE to a "
            "folder on another disk, or give --dtype auto"
        )
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it lives as long as the weights
    for weight, start in zip(weights, layout.starts, strict=True):
        file.seek(start)
        file.write(_bits(weight).numpy().data)
    file.truncate(layout.num_bytes)
    file.flush()
    return file
