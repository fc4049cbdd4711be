"""What there is to choose from: the published styles and the known datasets, as tables."""

from __future__ import annotations

from recursivemas.benchmarks import BENCHMARKS, Benchmark
from recursivemas.output.tables import format_table
from recursivemas.settings.recommended import TABLES
from recursivemas.styles import PUBLISHED_STYLES, Style


def list_styles() -> str:
    """A line an agent: its style, role, repository and tools; then what each style has settings for."""
    agents = [
        [style.name, agent.role, agent.repo, " ".join(agent.tools)]
        for style in PUBLISHED_STYLES.values()
        for agent in style.agents
    ]
    return "\n\n".join(
        [
            format_table(["style", "agent, in order", "repository", "tools"], agents),
            "\n".join(_recommended_for(style) for style in PUBLISHED_STYLES.values()),
            "A style of your own is a YAML file: docs/styles.md.",
        ]
    )


def _recommended_for(style: Style) -> str:
    names = [benchmark for name, benchmark in TABLES["june"] if name == style.name]
    return f"{style.name} has published settings for {', '.join(names)}"


def list_datasets() -> str:
    """A line a dataset: where it comes from, how it is scored, which styles can run it."""
    rows = [
        [
            benchmark.name,
            _source(benchmark),
            benchmark.split or "-",
            benchmark.metric,
            f"with the tool {benchmark.needs_tool}" if benchmark.needs_tool else "all",
        ]
        for benchmark in BENCHMARKS.values()
    ]
    table = format_table(["dataset", "source", "split", "metric", "styles"], rows)
    return f"{table}\n\nA file of your own is a dataset, too: --dataset FILE (see docs/own_benchmark.md)."


def _source(benchmark: Benchmark) -> str:
    if benchmark.hub_id is None:
        return f"the file {benchmark.local_path}"
    config = f", {benchmark.config}" if benchmark.config else ""
    return f"{benchmark.hub_id}{config}{' (gated)' if benchmark.gated else ''}"
