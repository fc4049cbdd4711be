"""vLLM's engine, as far as a session needs it: requests in, tokens and thoughts out.

A request carries its whole prompt as input embeddings, never as a mixture with token ids: vLLM leaves the
mixture's mask out of its prefix cache's keys.

Shapes: B requests, T positions of a prompt, L latent steps, D hidden size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import torch
from safetensors.torch import load, save
from torch import Tensor

from recursivemas.engine.base import Positions
from recursivemas.engine.vllm.thinking import ARGUMENT
from recursivemas.engine.vllm.watch import Watch
from recursivemas.errors import UserError
from recursivemas.links import InnerLink


class EngineDiedError(UserError):
    """A vLLM engine has ended in the middle of its work."""


@dataclass(frozen=True)
class Output:
    """What one step has given a request."""

    name: str
    token_ids: tuple[int, ...]
    """The new ones."""
    ended_by: str
    """`stop` or `length`; empty while it goes on."""
    read: Positions
    """What was read of its prompt."""


class Core:
    """One vLLM engine (`vllm.LLMEngine`), whose workers end when nobody holds it. Errors call it `model`."""

    def __init__(self, engine: Any, model: str) -> None:
        self.model = model
        self._engine = engine
        self._numbers = count()
        self._links: WeakKeyDictionary[InnerLink, tuple[list[int], str]] = WeakKeyDictionary()
        self._lengths: dict[str, int] = {}
        self._watch = Watch(engine.engine_core)
        self._death = ""  # how it came about
        self._call("start_thinking")

    @property
    def max_positions(self) -> int:
        """The longest sequence: the model's own, or what there is room for."""
        return int(self._engine.model_config.max_model_len)

    def embed(self, token_ids: Sequence[int]) -> Tensor:
        """Input embeddings [T, D] of token ids, on the CPU, in the model's dtype."""
        return load(self._call("embed_tokens", list(token_ids)))["embeddings"]

    def think(self, prompt: Tensor, link: InnerLink, steps: int, *, reuse: bool) -> str:
        """Begin a request that thinks behind a prompt [T, D]; returns its name."""
        name, link_name = self._name(), self._learn(link)
        params = self._params(
            max_tokens=steps, temperature=0.0, extra_args={ARGUMENT: {"name": name, "link": link_name}}
        )
        self._add(name, prompt, params, f"think {steps} {link_name}" if reuse else name)
        return name

    def write(self, prompt: Tensor, *, reuse: bool, **sampling: Any) -> str:
        """Begin a request that writes behind a prompt [T, D]; `sampling` is told as vLLM tells it.

        Returns its name.
        """
        name = self._name()
        params = self._params(extra_args={ARGUMENT: {"name": name}}, **sampling)
        self._add(name, prompt, params, "write" if reuse else name)
        return name

    def step(self) -> list[Output]:
        """One step of all requests that are on their way: what it gave each, none where none is done.

        Raises EngineDiedError.
        """
        return [self._output(output) for output in self._alive(self._engine.step)]

    def take_thoughts(self, names: Sequence[str]) -> Tensor:
        """The thoughts [B, L, D] of requests that are done and have thought equally long, on the CPU."""
        return load(self._call("take_thoughts", list(names)))["thoughts"]

    def take_failures(self, names: Sequence[str]) -> list[bool]:
        """Whether requests that wrote, and do no longer, had no numbers to sample from at some step."""
        failed: list[bool] = self._call("take_failures", list(names)) if names else []
        return failed

    def abort(self, names: Sequence[str], *, forget: bool = True) -> None:
        """Break requests off; none is too many, and a dead engine has none.

        What they have thought, and whether they failed, is forgotten unless it is to be asked for.
        """
        if not names or self._death:
            return
        self._alive(self._engine.abort_request, list(names))
        for name in names:
            self._lengths.pop(name, None)
        if forget:
            self._call("forget", list(names))

    def _name(self) -> str:
        return f"row-{next(self._numbers)}"

    def _params(self, **options: Any) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        # Not the end of sequence of the model's own configuration: who writes says what ends a text.
        return SamplingParams(
            detokenize=False, ignore_eos=True, output_kind=RequestOutputKind.DELTA, **options
        )

    def _add(self, name: str, prompt: Tensor, params: Any, salt: str) -> None:
        """`salt` parts the prefix cache: vLLM knows a thought by the token that was sampled in its place."""
        from vllm.inputs.engine import embeds_input

        self._lengths[name] = len(prompt)
        self._alive(self._engine.add_request, name, embeds_input(prompt, cache_salt=salt), params)

    def _output(self, output: Any) -> Output:
        [sampled] = output.outputs
        length, cached = self._lengths[output.request_id], output.num_cached_tokens or 0
        if output.finished:
            del self._lengths[output.request_id]
        ended_by = sampled.finish_reason or ""
        if ended_by not in ("", "stop", "length"):
            raise EngineDiedError(f"vLLM has broken off a request of {self.model}: {ended_by}")
        return Output(
            output.request_id, tuple(sampled.token_ids), ended_by, Positions(length - cached, cached)
        )

    def _learn(self, link: InnerLink) -> str:
        """The name by which the workers know an inner link; they are told of it first where they do not."""
        versions = [parameter._version for parameter in link.parameters()]
        known = self._links.get(link)
        if known is not None and known[0] == versions:
            return known[1]
        state = save({name: value.detach().cpu().contiguous() for name, value in link.state_dict().items()})
        name = f"{link.variant}-{hashlib.sha256(state).hexdigest()}"
        self._call("learn_link", name, link.variant, link.hidden_size, state)
        self._links[link] = versions, name
        return name

    def _call(self, method: str, *arguments: Any) -> Any:
        """Call all workers; returns what the first one says."""
        return self._alive(self._engine.collective_rpc, method, None, arguments)[0]

    def _alive(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Raises EngineDiedError; once it did, without asking the engine again."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            if not self._death:
                with torch.no_grad():
                    return call(*arguments)
        except EngineDeadError:
            self._death = self._watch.describe()
        raise EngineDiedError(
            f"the vLLM engine of {self.model} has died: {self._death}. What was finished is kept: go on with "
            "--resume, perhaps with a lower --gpu_memory_utilization"
        )
