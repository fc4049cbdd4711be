"""Steps as CUDA graphs: what the host would launch piece by piece is launched at once."""

from __future__ import annotations

from collections.abc import Callable

import torch

NUM_TRIALS = 2
"""How often a step runs before it is captured, so that what libraries make at first is there by then."""


class Capturer:
    """Makes graphs of steps on one device.

    They share the memory for what a step has in between: no two run at once, and none leaves anything there.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, step: Callable[[], None]) -> Callable[[], None]:
        """A step on tensors that stay where they are -> what replays it on the same tensors.

        The step runs for a trial; it must not wait for the device.
        """
        with torch.cuda.device(self._device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(NUM_TRIALS):
                    step()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._memory):
                step()
        return graph.replay
