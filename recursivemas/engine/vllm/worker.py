"""What vLLM's workers are taught: it is imported in each of an engine's workers, before they load the model.

Shapes: B requests, T positions, L latent steps, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

from recursivemas.engine.vllm.runners import ThinkingState, feed_v1
from recursivemas.engine.vllm.text_part import TEXT_PART, text_name
from recursivemas.engine.vllm.thinking import THINKING, Thinker, ThinkingModel
from recursivemas.links import InnerLink


@register_model_loader(THINKING)
class ThinkingLoader(DefaultModelLoader):
    """Makes models of vLLM's own classes, and has them think."""

    def __init__(self, load_config: Any) -> None:
        super().__init__(replace(load_config, load_format="auto"))  # the files are of the usual kinds

    def create_model(self, vllm_config: Any, *arguments: Any, **options: Any) -> nn.Module:
        model: nn.Module = super().create_model(vllm_config, *arguments, **options)
        members: dict[str, Any] = {"__module__": __name__}
        if vllm_config.use_v2_model_runner:
            from vllm.v1.worker.gpu.model_states import resolve_model_state_cls

            own = resolve_model_state_cls(vllm_config, model)
            state = type(f"Thinking{own.__name__}", (ThinkingState, own), {"__module__": __name__})
            members["get_model_state_cls"] = lambda model: state
        own = type(model)
        model.__class__ = type(f"Thinking{own.__name__}", (ThinkingModel, own), members)
        vars(model)["thinker"] = Thinker(torch.device(vllm_config.device_config.device))
        return model


@register_model_loader(TEXT_PART)
class TextPartLoader(ThinkingLoader):
    """Loads a multimodal model's text part, and nothing else of its files."""

    def get_all_weights(self, *arguments: Any, **options: Any) -> Iterator[tuple[str, Tensor]]:
        for name, weight in super().get_all_weights(*arguments, **options):
            own = text_name(name)
            if own is not None:
                yield own, weight


class ThinkingWorker:
    """Methods of a worker (`worker_extension_cls`), called in all of an engine's workers at once.

    Tensors go over as safetensors' bytes, which every way of talking to a worker can carry.
    """

    model_runner: Any

    def start_thinking(self) -> None:
        """Has to come before the other calls. Raises RuntimeError for a model runner that cannot think."""
        runner = self.model_runner
        self.thinker: Thinker = runner.get_model().thinker
        if hasattr(runner, "_preprocess"):
            feed_v1(runner, self.thinker)
        elif not isinstance(getattr(runner, "model_state", None), ThinkingState):
            raise RuntimeError(f"{type(runner).__module__}.{type(runner).__name__} cannot think")

    @torch.inference_mode()
    def learn_link(self, name: str, variant: str, hidden_size: int, state: bytes) -> None:
        """Take an inner link with these parameters, in their dtype, under that name."""
        link, parameters = InnerLink(hidden_size, variant), load(state)
        link.to(self.model_runner.device, next(iter(parameters.values())).dtype)
        link.load_state_dict(parameters)
        self.thinker.links[name] = link.eval().requires_grad_(False)

    def take_thoughts(self, names: Sequence[str]) -> bytes:
        """`thoughts` [B, L, D] of requests that have thought equally long; they are given up here."""
        thoughts = torch.stack([torch.stack(self.thinker.thoughts.pop(name)) for name in names])
        return save({"thoughts": thoughts.cpu()})

    @torch.inference_mode()
    def take_failures(self, names: Sequence[str]) -> list[bool]:
        """Whether requests that wrote had no numbers to sample from at some step."""
        return self.thinker.health.take(names)

    @torch.inference_mode()
    def forget(self, names: Sequence[str]) -> None:
        """Give up what is kept of requests that were broken off."""
        self.thinker.health.take(names)
        for name in names:
            self.thinker.thoughts.pop(name, None)

    @torch.inference_mode()
    def embed_tokens(self, token_ids: Sequence[int]) -> bytes:
        """`embeddings` [T, D] of token ids, scaled where the model scales them (Gemma3)."""
        ids = torch.tensor(token_ids, dtype=torch.long, device=self.model_runner.device)
        return save({"embeddings": self.model_runner.get_model().embed_input_ids(ids).cpu().contiguous()})
