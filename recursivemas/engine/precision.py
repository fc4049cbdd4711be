"""True double precision.

Model code casts to float32 in places (norms, rotary tables, the gated delta rule), also in a float64 model. A
float64 run is there to show that two computations are equal, and those casts would hide the difference behind
float32 rounding. Inside `keep_double`, a float64 tensor stays float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class _KeepDouble(TorchFunctionMode):
    """Turns a request to bring a float64 tensor down to float32 into no change of precision."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if args and isinstance(args[0], Tensor) and args[0].dtype == torch.float64:
            if func is Tensor.float:
                return args[0]
            args = (args[0], *(_widened(value) for value in args[1:]))
            kwargs = {name: _widened(value) for name, value in kwargs.items()}
        return func(*args, **kwargs)


def _widened(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def keep_double(dtype: torch.dtype) -> AbstractContextManager[Any]:
    """A context in which a model of that dtype computes without losing precision on the way.

    Only float64 needs one: it costs a Python call per operation, which a verification run can afford.
    """
    return _KeepDouble() if dtype == torch.float64 else nullcontext()
