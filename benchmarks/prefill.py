"""Reading prompts of unequal lengths on a CPU: side by side with padding and a mask, or one after another.

    OMP_NUM_THREADS=1 python benchmarks/prefill.py

Both sides read the same prompts with one random Qwen3-shaped model, in turns, and end with one batch that
steps can go on from. Figures are the least CPU seconds of --repeats, which a busy machine changes little.
Prints the ratio first, then both sides, and a line of JSON last. `pairs` is a third way that did not help as
much: padded batches of two neighbours by length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from common import describe_machine, make_parser, print_figures, random_prompts, random_qwen3
from torch import Tensor

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.stream import PromptBatch, Stream


def read(backbone: Backbone, prompts: Sequence[Tensor], width: int) -> Tensor:
    """Hidden states [B, D] of prompts [T_i, D] that are read so many at a time, and joined."""
    streams = [
        Stream(backbone, PromptBatch.left_pad(prompts[first : first + width]))
        for first in range(0, len(prompts), width)
    ]
    for other in streams[1:]:
        streams[0].join(other)
    return streams[0].hidden


def cpu_seconds(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


@torch.no_grad()
def main() -> None:
    parser = make_parser(
        __doc__, layers=8, hidden_size=512, shortest=200, longest=800, batch_size=8, repeats=3
    )
    args = parser.parse_args()
    torch.manual_seed(0)
    engine = random_qwen3(
        layers=args.layers, hidden_size=args.hidden_size, dtype=args.dtype, device=args.device
    )
    backbone = Backbone(engine.model)
    lengths = (args.shortest, args.longest)
    prompts = [backbone.embed(ids) for ids in random_prompts(*lengths, args.batch_size)]
    widths = {"padded": args.batch_size, "apart": 1, "pairs": 2}
    seconds = dict.fromkeys(widths, float("inf"))
    hidden = {}
    for _ in range(args.repeats):
        for side, width in widths.items():
            taken, hidden[side] = cpu_seconds(lambda width=width: read(backbone, prompts, width))
            seconds[side] = min(seconds[side], taken)
    ratio = seconds["padded"] / seconds["apart"]
    apart = ((hidden["padded"] - hidden["apart"]).norm() / hidden["padded"].norm()).item()
    print(f"ratio      {ratio:8.2f} x")
    for side, taken in seconds.items():
        print(f"{side:<11}{taken:8.2f} CPU seconds")
    print(f"hidden states differ by {apart:.1e}, relative")
    print(describe_machine(args.device))
    print_figures({"ratio": ratio, "cpu_seconds": seconds})


if __name__ == "__main__":
    main()
