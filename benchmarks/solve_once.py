"""One side of `system.py --against`: solves a job with whatever checkout of the library is imported.

It uses nothing that older commits lack, and prints the seconds and the token ids as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from clocks import Stopwatch

from recursivemas import Question, load_mas_system


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    questions = [Question(**question) for question in job["questions"]]
    loading = {name: job[name] for name in ("release", "device", "dtype")}
    with load_mas_system(job["style"], prompts="default", **loading) as system:
        settings = job["settings"]
        warming = {**settings, "num_rounds": 2, "latent_length": 2, "max_new_tokens": 4}
        system.solve(questions[:2], **warming)
        watch = Stopwatch(job["device"])
        solutions = system.solve(questions, **settings)
        seconds = watch.read()
    token_ids = [solution.token_ids for solution in solutions]
    print(json.dumps({"wall": seconds.wall, "cpu": seconds.cpu, "token_ids": token_ids}))


if __name__ == "__main__":
    main()
