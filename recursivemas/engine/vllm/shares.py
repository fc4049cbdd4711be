"""What each of several vLLM engines may take of a device: its weights, and an equal part of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recursivemas.errors import UserError


@dataclass(frozen=True)
class Share:
    """An engine's share of each device that it is on."""

    weights: int
    """Bytes."""
    cache: int
    """Bytes for what has been read, and for what the work takes meanwhile."""
    total: int
    """Bytes of the whole device."""

    @property
    def fraction(self) -> float:
        """The share of the device."""
        return (self.weights + self.cache) / self.total


def split_memory(weights: Mapping[str, int], total: int, utilization: float) -> dict[str, Share]:
    """The shares of engines whose weights take those bytes, by their names.

    Together they take the fraction `utilization` of a device of `total` bytes. Raises UserError where the
    weights alone take more.
    """
    rest = int(total * utilization) - sum(weights.values())
    if rest <= 0:
        raise UserError(
            f"the weights of {', '.join(weights)} take {sum(weights.values()) / 1e9:.3g} GB of a device, and "
            f"--gpu_memory_utilization {utilization:g} allows {total * utilization / 1e9:.3g} GB; give a "
            "higher one (at most 1), a higher --tensor_parallel_size, or --backend transformers"
        )
    return {name: Share(num_bytes, rest // len(weights), total) for name, num_bytes in weights.items()}
