"""Loading models with vLLM: each gets an engine, and they share the device by a plan that is printed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from recursivemas.agents.backend import Backend
from recursivemas.agents.checkpoint import LoadError, Outline, reading
from recursivemas.agents.computing import SPLIT, Placement
from recursivemas.agents.memory import free_bytes, held_dtype, weight_bytes
from recursivemas.engine.vllm import Model, VllmEngine, check_computes, split_memory, start_engine
from recursivemas.output.tables import format_table
from recursivemas.release.resolve import ReleaseFiles


class VllmModels:
    """The models of a system, one vLLM engine each; they are loaded one by one.

    Raises LoadError or UserError for what vLLM does not compute, and
    where the weights do not fit. The plan goes to stderr.
    """

    def __init__(
        self,
        files: ReleaseFiles,
        outlines: Mapping[str, Outline],
        backend: Backend,
        *,
        device: Placement,
        trust_remote_code: bool,
    ) -> None:
        assert device != SPLIT, "a backend is chosen by its devices"
        self._backend = backend
        self._device = device
        self._trust_remote_code = trust_remote_code
        weights = {}
        for role, agent in files.agents.items():
            outline = outlines[role]
            check_computes(outline.config, device, held_dtype(outline.config, backend.dtype))
            num_bytes = weight_bytes(
                outline, dtype=backend.dtype, quantization=None, stored_bytes=files.weight_bytes(role)
            )
            weights[str(agent.model_dir.resolve())] = num_bytes // backend.tensor_parallel_size
        self._shares = split_memory(weights, _room(device), backend.gpu_memory_utilization)
        print(self.describe(), file=sys.stderr)

    def describe(self) -> str:
        """The plan, engine by engine."""
        backend = self._backend
        spread = f", on {backend.tensor_parallel_size} devices each" * (backend.tensor_parallel_size > 1)
        rows = [
            [place, f"{share.weights / 1e9:.3g} GB", f"{share.cache / 1e9:.3g} GB", f"{share.fraction:.3f}"]
            for place, share in self._shares.items()
        ]
        heading = f"vLLM runs {len(rows)} models on {self._device}{spread} ({backend.why}):"
        table = format_table(["model", "weights", "cache and work", "of the device"], rows)
        return f"{heading}\n{table}"

    def load(self, model_dir: Path, outline: Outline) -> tuple[VllmEngine, PreTrainedTokenizerBase]:
        """One of them, and its tokenizer."""
        with reading(model_dir) as view:
            model = Model(
                folder=view,
                name=str(model_dir),
                config=outline.config,
                is_multimodal=outline.whole is not outline.config,
                generation=outline.generation,
                dtype=held_dtype(outline.config, self._backend.dtype),
                device=self._device,
                trust_remote_code=self._trust_remote_code,
            )
            share = self._shares[str(model_dir.resolve())]
            engine = start_engine(model, share, self._backend.tensor_parallel_size)
        return engine, outline.tokenizer


def _room(device: torch.device) -> int:
    """The bytes that engines share: all of a GPU; of main memory, what is free. Raises LoadError."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    free = free_bytes(device)
    if free is None:
        raise LoadError(f"how much memory vLLM may take on {device} is not known")
    return free
