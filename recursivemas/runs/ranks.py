"""Which process of a run this is: what a launcher said through the environment."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recursivemas.errors import UserError

LAUNCHERS = (
    ("WORLD_SIZE", "RANK", "LOCAL_RANK"),  # torchrun, and accelerate with GPUs
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),  # Open MPI
    ("PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"),  # MPICH and Intel MPI
)
"""Where launchers say how many processes there are, which one this is, and which on its machine."""

LAUNCH = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT")
"""What the processes of one launch have in common, and those of another have not."""

ADVICE = "start the run with torchrun --nproc_per_node N run.py ..."


@dataclass(frozen=True)
class Rank:
    """This process among those of a run: `index` of `count`.

    `local` is its place among those on this machine, `launch` what they have in common.
    """

    index: int = 0
    count: int = 1
    local: int = 0
    launch: str = ""

    @property
    def is_first(self) -> bool:
        return self.index == 0

    def describe(self) -> dict[str, Any]:
        """Who this is, for others to read."""
        return {
            "process": self.index,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "launch": self.launch,
        }

    def use_own_gpu(self, device: str) -> None:
        """Make `cuda` mean a GPU of this process's own. Raises UserError where there are not enough."""
        if self.count == 1:
            return
        import torch  # to look at runs needs none

        if not torch.cuda.is_available():
            return
        number = torch.cuda.device_count()
        if self.local < number:
            torch.cuda.set_device(self.local)
        elif device in ("cuda", "auto"):
            raise UserError(
                f"process {self.index} is number {self.local} on its machine (from 0), which has {number} "
                f"GPU(s); start at most {number} there, or give --device"
            )


def current_rank(environment: Mapping[str, str] = os.environ) -> Rank:
    """This process's rank, as torchrun, `accelerate launch` or mpirun says it; alone without any of them.

    Raises UserError for what cannot be, and where a launcher was asked for several processes and started one.
    """
    for size, index, local in LAUNCHERS:
        if size in environment:
            rank = Rank(
                _read(environment, index, None),
                _read(environment, size, None),
                _read(environment, local, 0),
                "/".join(environment.get(name, "") for name in LAUNCH),
            )
            if not rank.index < rank.count:
                raise UserError(f"{index} is {rank.index} and {size} is {rank.count}; {ADVICE}")
            return rank
    if "MASTER_ADDR" in environment and any(name.startswith("ACCELERATE_") for name in environment):
        raise UserError(
            "accelerate launch was asked for several processes and has started one: on CPUs it needs MPI for "
            f"more. To have several, {ADVICE}; to have one, leave --num_processes out"
        )
    return Rank()


def _read(environment: Mapping[str, str], name: str, default: int | None) -> int:
    text = environment.get(name, default)
    try:
        number = int(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        found = "is missing" if text is None else f"is {text!r}"
        raise UserError(f"{name}, which a launcher sets, {found}; {ADVICE}")
    return number
