"""What vLLM's tests put in place of kernels for GPUs, in every process.

Python imports this file by itself where its folder is on PYTHONPATH (`make test-vllm`).

torchvision from PyPI does not find its kernels beside PyTorch's build for CPUs, and cannot be imported before
something has their names; vLLM imports it for Qwen3.5 and computes nothing with it.

vLLM's build for CPUs takes its V2 model runner where Triton has a backend called `cpu`. PyPI has none; here
Triton's own interpreter runs the kernels, and a backend stands there that compiles nothing.
"""

from __future__ import annotations

import importlib.util
import os


class NoDriver:
    """Of a backend that is never selected."""

    @staticmethod
    def is_active() -> bool:
        return False


if importlib.util.find_spec("torchvision"):
    from torch.library import define

    for name in ("nms", "qnms"):
        define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

if os.environ.get("VLLM_USE_V2_MODEL_RUNNER") == "1":
    os.environ["TRITON_INTERPRET"] = "1"
    from triton.backends import Backend, backends

    backends["cpu"] = Backend(compiler=None, driver=NoDriver)
