"""A PyTorch file, looked at before any of it is read into memory.

It is a zip archive of raw tensors and one pickle that says how they go together (in the old format several
pickles, then the tensors). `torch.load` with `weights_only` runs no code from it, but trusts its sizes: an
archive may claim to inflate to any number of bytes, and a pickle may ask for a buffer of any length.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import torch

ZIP_MAGIC = b"PK\x03\x04"
MAX_PICKLE_BYTES = 64 << 20
"""Far more than the names and shapes of the largest model take."""
LEGACY_PICKLES = 5
"""In the old format: magic number, version, machine, the state dict, the keys of its tensors."""
META_TENSOR = "torch._utils._rebuild_meta_tensor_no_storage"
REBUILT = frozenset(
    {
        "collections.OrderedDict",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        "torch.Size",
        "torch.device",
        "torch.storage.TypedStorage",
        "torch.storage.UntypedStorage",
    }
)
"""What a pickle of plain tensors names, besides storages and dtypes."""


class ArchiveError(ValueError):
    """A PyTorch file that is not to be read; the message says why, without the file's name."""


def check_archive(path: Path) -> None:
    """Raise ArchiveError for a file that would take more memory than its bytes, or holds more than tensors.

    Raises OSError when it cannot be opened. Damage that this does not see is left to the reader.
    """
    with path.open("rb") as file:
        if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
            _check_zip(file, path.stat().st_size)
            return
        file.seek(0)
        for _ in range(LEGACY_PICKLES):
            _check_names(_names(file))


def _check_zip(file: IO[bytes], num_bytes: int) -> None:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ArchiveError(f"it is cut short or damaged ({error})") from error
    entries = archive.infolist()
    compressed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed := max(compressed, key=lambda entry: entry.file_size, default=None):
        raise ArchiveError(
            f"{packed.filename} in it is compressed, to {packed.compress_size} bytes of {packed.file_size}; "
            "PyTorch stores tensors as they are, so another program made this, perhaps to fill the memory"
        )
    if (claimed := sum(entry.file_size for entry in entries)) > num_bytes:
        raise ArchiveError(f"it has {num_bytes} bytes and claims to hold {claimed}")
    for entry in entries:
        if entry.filename.rpartition("/")[2] == "data.pkl":
            if entry.file_size > MAX_PICKLE_BYTES:
                raise ArchiveError(
                    f"{entry.filename} in it has {entry.file_size} bytes, which is no state dict"
                )
            try:
                with archive.open(entry) as pickled:
                    _check_names(_names(pickled))
            except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
                raise ArchiveError(f"{entry.filename} in it is damaged ({error})") from error


def _names(file: IO[bytes]) -> Iterator[str]:
    """What one pickle asks for by name, as `module.name`; a pickle that cannot be parsed ends there."""
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name in {"GLOBAL", "INST"}:
                yield str(argument).replace(" ", ".", 1)
            elif opcode.name == "STACK_GLOBAL":
                yield ".".join(texts[-2:])
            elif isinstance(argument, str):
                texts.append(argument)
    except (ValueError, EOFError, IndexError, OverflowError, MemoryError):
        return  # not a pickle, or a damaged one: the reader's to report


def _check_names(names: Iterator[str]) -> None:
    for name in names:
        module, _, last = name.rpartition(".")
        if name == META_TENSOR:
            raise ArchiveError(
                "it holds a tensor without data (on the device meta); save the model's real weights"
            )
        is_dtype = module == "torch" and isinstance(getattr(torch, last, None), torch.dtype)
        is_storage = module in {"torch", "torch.cuda"} and last.endswith("Storage")
        if name not in REBUILT and not is_dtype and not is_storage:
            raise ArchiveError(
                f"it holds more than tensors (it asks for {name}), and reading that could run code"
            )
