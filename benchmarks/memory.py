"""Peak memory of loading and running whole styles: is any agent's weight held twice?

    python benchmarks/memory.py

The toy's agents are too small for a process's memory to show them, so each model is first made wider and
deeper with random weights (hidden sizes stay, so the links still fit). Each row is a process of its own that
loads the style and solves two questions; `all five` does so style after style. `peak / weights` near 1 means
that nothing is held twice; the rest is activations and files in flight. Weights are mapped from their files,
so `loaded` is small until a forward pass reads them. All figures count from before the first load.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from recursivemas import load_mas_system
from recursivemas.release.resolve import model_view
from recursivemas.styles import HUB_ORGANISATION, PUBLISHED_STYLES
from recursivemas.zoo import ensure

MIB = 2**20


def enlarge(release: Path, intermediate_size: int, repeats: int) -> None:
    """Give every model of a toy release wider and more layers of random bfloat16 weights, in place."""
    for style in PUBLISHED_STYLES.values():
        for agent in style.agents:
            folder = release / HUB_ORGANISATION / agent.repo
            with model_view(folder) as view:
                config = AutoConfig.from_pretrained(view)
            text = config.get_text_config()
            text.intermediate_size = intermediate_size
            text.num_hidden_layers *= repeats
            if getattr(text, "layer_types", None):
                text.layer_types = text.layer_types * repeats
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
            for old in (*folder.glob("*.safetensors"), *folder.glob("*.bin")):
                old.unlink()
            model.save_pretrained(folder)


def weights_of(system: object) -> int:
    """Bytes of the distinct tensors that a system's agents hold."""
    storages = {}
    for agent in system.agents.values():
        for tensor in (*agent.model.parameters(), *agent.model.buffers()):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return sum(storages.values())


def resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(release: str, styles: list[str]) -> None:
    """In a process of its own: the largest style's weights, then memory loaded, at the peak and closed."""
    before, weights, loaded = resident(), 0, 0
    for style in styles:
        with load_mas_system(style, device="cpu", release=release) as system:
            weights = max(weights, weights_of(system))
            loaded = max(loaded, resident() - before)
            system.solve(
                ["What is 1 + 1?", "What is 2 + 2?"], num_rounds=2, latent_length=4, max_new_tokens=4
            )
        del system
        gc.collect()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(weights, loaded, peak, resident() - before)


def main() -> None:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--intermediate-size", type=int, default=16384)
    parser.add_argument("--repeats", type=int, default=12, help="how many times the toy's layers stand")
    parser.add_argument("--measure", nargs="+", metavar=("RELEASE", "STYLE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure[0], args.measure[1:])
        return
    rows = {**{style: [style] for style in PUBLISHED_STYLES}, "all five": list(PUBLISHED_STYLES)}
    with tempfile.TemporaryDirectory() as parent:
        release = shutil.copytree(ensure(), Path(parent) / "release")
        enlarge(release, args.intermediate_size, args.repeats)
        print("peak / weights  style              weights   loaded     peak   closed  (MiB)")
        for name, styles in rows.items():
            command = [sys.executable, __file__, "--measure", str(release), *styles]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            weights, *others = (int(number) for number in result.stdout.split())
            shown = "".join(f"{number / MIB:9.0f}" for number in (weights, *others))
            print(f"{others[1] / weights:>14.2f}  {name:<17}{shown}", flush=True)
    print(f"CPU; torch {torch.__version__}, transformers {transformers.__version__}, {platform.platform()}")


if __name__ == "__main__":
    main()
