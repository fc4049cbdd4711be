"""What an ablation shows: the figures of a plain twin, which rows there are, and what a plot joins."""

from __future__ import annotations

import csv
import io
import json
from math import comb, sqrt
from pathlib import Path

import pytest

from recursivemas.errors import UserError
from recursivemas.report.ablation import read_results, write_results
from recursivemas.report.ablation_plot import plot_accuracy
from recursivemas.runs.ablation import CELLS, Grid, first_cell, write_grid
from tests.support.run_folders import write_run

RIGHT = {"trained": "1110110101", "zero": "0100010101", "shuffle": "1100010001", None: "0110010100"}
AXES = {
    "mode": ("latent",),
    "variants": {"loaded": ()},
    "links": ("trained",),
    "latent_length": (8,),
    "num_recursive_rounds": (2,),
}


def write_ablation(folder: Path, *, unfinished: tuple[str, ...] = (), **axes) -> Path:
    """An ablation whose cells were right as RIGHT says of their links, turned by their rounds."""
    axes = {**AXES, **axes}
    grid = Grid(**axes, full=first_cell(axes))
    write_grid(folder, grid)
    for number, (name, cell) in enumerate(grid.cells.items()):
        turn = (cell.num_recursive_rounds or 0) % 10
        right = [sign == "1" for sign in RIGHT[cell.links][turn:] + RIGHT[cell.links][:turn]]
        settings = {
            axis: getattr(cell, axis)
            for axis in ("mode", "links", "latent_length", "num_recursive_rounds")
            if getattr(cell, axis) is not None
        }
        write_run(
            folder / CELLS / name,
            {"release": [[one] for one in right], "strict": [[not one] for one in right]},
            tokens=10 + number,
            seconds=0.5 + number,
            finished=name not in unfinished,
            **settings,
        )
    return folder


# ---------------------------------------------------------------------------------------------------------
# The plain twin: everything anew from the lines of samples, in textbook formulas


def wilson(hits: int, number: int) -> tuple[float, float]:
    z = 1.959963984540054
    share = hits / number
    centre = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * sqrt(share * (1 - share) / number + z * z / (4 * number**2))
    return centre - half, centre + half


def mcnemar(lost: int, won: int) -> float:
    number = lost + won
    tail = sum(comb(number, k) for k in range(min(lost, won) + 1)) / 2**number
    return min(1.0, 2 * tail)


def newcombe(first: list[bool], second: list[bool]) -> tuple[float, float]:
    """Method 10 of Newcombe 1998: the second's share less the first's."""
    number = len(first)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    neither = sum(not a and not b for a, b in zip(first, second, strict=True))
    lost, won = sum(first) - both, sum(second) - both
    p, q = sum(second) / number, sum(first) / number
    (low_p, high_p), (low_q, high_q) = wilson(sum(second), number), wilson(sum(first), number)
    cross = both * neither - lost * won
    cross = max(cross - number / 2, 0) if cross > 0 else cross
    product = sum(first) * (number - sum(first)) * sum(second) * (number - sum(second))
    phi = cross / sqrt(product) if product else 0.0
    down = (p - low_p) ** 2 - 2 * phi * (p - low_p) * (high_q - q) + (high_q - q) ** 2
    up = (high_p - p) ** 2 - 2 * phi * (high_p - p) * (q - low_q) + (q - low_q) ** 2
    return p - q - sqrt(down), p - q + sqrt(up)


def lines_of(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / CELLS / name / "samples.jsonl").read_text().splitlines()]


def twin_row(folder: Path, name: str, full: str, grader: str) -> list[str]:
    """The figures of a row, from accuracy on."""
    lines = lines_of(folder, name)
    right, base = (
        [one["verdicts"][grader]["correct"] for one in lines_of(folder, who)] for who in (name, full)
    )
    low, high = wilson(sum(right), len(right))
    row = [f"{100 * sum(right) / len(right):.1f} [{100 * low:.1f}, {100 * high:.1f}]"]
    if name == full:
        row += ["–", "–", "–"]
    else:
        lost = sum(a and not b for a, b in zip(base, right, strict=True))
        won = sum(b and not a for a, b in zip(base, right, strict=True))
        low, high = newcombe(base, right)
        row += [
            f"{100 * (won - lost) / len(right):+.1f}",
            f"[{100 * low:+.1f}, {100 * high:+.1f}]",
            f"{mcnemar(lost, won):.3f}",
        ]
    usage = [entry for one in lines for entry in one["usage"]]

    def a_question(*costs: str) -> float:
        return sum(entry[cost] for entry in usage for cost in costs) / len(lines)

    row += [f"{a_question('generated_tokens'):.1f}"]
    row += [f"{a_question('prompt_tokens', 'generated_tokens', 'result_tokens'):.1f}"]
    return [*row, f"{a_question('latent_steps'):.1f}", f"{a_question('seconds'):.3f}"]


@pytest.mark.parametrize("grader", ["release", "strict"])
@pytest.mark.parametrize("full", ["trained-length8-rounds2", "zero-length4-rounds1"])
def test_the_table_has_the_figures_of_a_plain_twin(tmp_path, grader, full):
    folder = write_ablation(
        tmp_path,
        links=("trained", "zero", "shuffle"),
        latent_length=(8, 0, 4),
        num_recursive_rounds=(2, 1, 3),
        mode=("latent", "text", "single"),
    )
    results = read_results(folder, full=full, grader=grader)
    table = results.table()
    names = list(results.runs)
    assert names[0] == full
    assert names[1:] == [name for name in results.grid.cells if name != full]
    assert len(names) == 3 * 2 * 3 + 3 + 3 + 1
    for name, row in zip(names, table.rows, strict=True):
        assert list(row[4:]) == twin_row(folder, name, full, grader), name
    assert table.header[:4] == ["mode", "links", "latent length", "rounds"]
    cells = {name: list(row[:4]) for name, row in zip(names, table.rows, strict=True)}
    assert cells["shuffle-length4-rounds3"] == ["latent", "shuffle", "4", "3"]
    assert cells["length0-rounds1"] == ["latent", "–", "0", "1"]
    assert cells["text-rounds1"] == ["text", "–", "–", "1"]
    assert cells["single"] == ["single", "–", "–", "–"]


def test_records_hold_every_grader_and_what_a_cell_is(tmp_path):
    folder = write_ablation(
        tmp_path, links=("trained", "zero"), variants={"loaded": (), "plain": ("outer=x",)}
    )
    results = read_results(folder)
    records = json.loads(results.render("json"))
    assert [(one["cell"], one["grader"]) for one in records[:3]] == [
        ("trained-length8-rounds2", "release"),
        ("trained-length8-rounds2", "strict"),
        ("zero-length8-rounds2", "release"),
    ]
    assert [one["full_system"] for one in records] == [True, True, *[False] * 6]
    assert [one["variant"] for one in records[::2]] == ["loaded", "loaded", "plain", "plain"]
    assert records[2]["difference"] == pytest.approx(-0.3)
    assert [row["cell"] for row in csv.DictReader(io.StringIO(results.render("csv")))] == [
        one["cell"] for one in records
    ]


def test_what_is_not_finished_is_left_out_and_named(tmp_path):
    cells = ("zero-length8-rounds2", "shuffle-length8-rounds2")
    folder = write_ablation(tmp_path / "a", links=("trained", "zero", "shuffle"), unfinished=cells[:1])
    text = read_results(folder).render("text")
    assert "Not finished, and left out: zero-length8-rounds2." in text
    (folder / CELLS / cells[1] / "config.json").unlink()
    with pytest.raises(UserError, match="has 1 of 3 cells finished"):
        read_results(folder)
    without_full = write_ablation(
        tmp_path / "b", links=("trained", "zero", "shuffle"), unfinished=("trained-length8-rounds2",)
    )
    with pytest.raises(UserError, match=r"2 of 3 cells finished, and needs the full system trained-"):
        read_results(without_full)
    assert read_results(without_full, full=cells[0]).comparison.first.run.label == cells[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"full": "zero"}, "the full system 'zero' is none of the grid's cells"),
        ({"grader": "judge"}, "was not graded by 'judge'"),
    ],
)
def test_cells_and_graders_that_there_are_not(tmp_path, given, message):
    folder = write_ablation(tmp_path, links=("trained", "zero"))
    with pytest.raises(UserError, match=message):
        read_results(folder, **given)


def test_all_files_are_written(tmp_path):
    folder = write_ablation(tmp_path, links=("trained", "zero"), num_recursive_rounds=(1, 2))
    files = write_results(folder, read_results(folder))
    assert [path.name for path in files] == [
        *("ablation.md", "table.tex", "figures.csv", "figures.json", "accuracy.png", "accuracy.svg")
    ]
    page = files[0].read_text()
    assert "| zero" in page
    assert "![accuracy](accuracy.png)" in page
    assert "The full system is trained-length8-rounds1." in page
    assert [path.suffix for path in write_results(folder, read_results(folder), with_plot=False)] == [
        *(".md", ".tex", ".csv", ".json")
    ]


# ---------------------------------------------------------------------------------------------------------
# The plot


def drawn(folder: Path, **axes):
    results = read_results(write_ablation(folder, **axes))
    plot = plot_accuracy(results.cells, results.runs, "release")
    [body] = plot.figure.subfigs
    legend = [text.get_text() for text in body.legends[0].get_texts()]
    return plot.figure.axes, legend


def line_of(panel, label):
    [line] = [one for one in panel.containers if one.get_label() == label]
    return line.lines[0]


def test_rounds_run_along_the_axis_with_a_panel_a_length(tmp_path):
    panels, legend = drawn(
        tmp_path,
        mode=("latent", "text", "single"),
        links=("trained", "zero"),
        latent_length=(8, 0, 16),
        num_recursive_rounds=(3, 1, 2),
    )
    assert legend == ["trained", "zero", "no latents", "text", "solver alone"]
    assert [panel.get_title(loc="left") for panel in panels] == ["latent length 8", "latent length 16"]
    assert {panel.get_xlabel() for panel in panels} == {"rounds"}
    lines = [line_of(panel, "trained") for panel in panels]
    assert lines[0].get_color() == lines[1].get_color()
    expected = [100 * RIGHT["trained"].count("1") / 10] * 3
    assert list(lines[0].get_ydata()) == expected
    assert panels[0].get_ylim() == panels[1].get_ylim()


def test_lengths_run_along_the_axis_from_none_at_all(tmp_path):
    [panel], legend = drawn(
        tmp_path, links=("trained", "zero"), latent_length=(8, 0, 16), mode=("latent", "text")
    )
    assert legend == ["trained", "zero", "text"]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0", "8", "16"]
    shares = {links: 10 * signs.count("1") for links, signs in RIGHT.items()}
    assert list(line_of(panel, "zero").get_ydata()) == [shares[None], shares["zero"], shares["zero"]]


def test_rounds_trained_by_rounds_run_are_a_line_a_variant(tmp_path):
    variants = {f"r{number}": (f"outer=trained/{number}",) for number in (1, 2, 3)}
    [panel], legend = drawn(tmp_path, variants=variants, num_recursive_rounds=(1, 2, 3))
    assert legend == ["r1", "r2", "r3"]
    assert len({line_of(panel, name).get_color() for name in variants}) == 3


def test_links_alone_have_a_place_each(tmp_path):
    [panel], _ = drawn(tmp_path, links=("trained", "zero", "shuffle"))
    assert [tick.get_text() for tick in panel.get_xticklabels()] == [
        *("trained-length8-rounds2", "zero-length8-rounds2", "shuffle-length8-rounds2")
    ]
