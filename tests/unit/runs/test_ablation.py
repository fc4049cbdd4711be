"""The grid of an ablation: which cells it has, what they are called, and what its folder goes on with."""

from __future__ import annotations

import json

import pytest

from recursivemas.errors import UserError
from recursivemas.runs.ablation import (
    CELLS,
    RECORD,
    Cell,
    Grid,
    check_goes_on,
    first_cell,
    read_grid,
    write_grid,
)
from recursivemas.runs.files import CONFIG


def grid_of(**axes) -> Grid:
    usual = {
        "mode": ("latent",),
        "variants": {"loaded": ()},
        "links": ("trained", "zero"),
        "latent_length": (8,),
        "num_recursive_rounds": (2,),
    }
    axes = {**usual, **axes}
    return Grid(**{"full": first_cell(axes), **axes})


def test_every_combination_is_a_cell_and_what_is_the_same_is_one():
    grid = grid_of(
        mode=("latent", "text", "single"),
        variants={"loaded": (), "plain": ("outer=x",)},
        latent_length=(8, 0),
        num_recursive_rounds=(2, 1),
    )
    assert list(grid.cells) == [
        *("trained-length8-rounds2", "trained-length8-rounds1", "length0-rounds2", "length0-rounds1"),
        *("zero-length8-rounds2", "zero-length8-rounds1"),
        *("plain-trained-length8-rounds2", "plain-trained-length8-rounds1"),
        *("plain-zero-length8-rounds2", "plain-zero-length8-rounds1"),
        *("text-rounds2", "text-rounds1", "single"),
    ]
    assert grid.full == "trained-length8-rounds2"
    assert grid.cells["text-rounds1"] == Cell(mode="text", num_recursive_rounds=1)
    assert grid.cells["plain-zero-length8-rounds1"].variant == "plain"


def test_names_are_folders_names():
    names = grid_of(links=("noise:0.5", "noise:1e-3"), latent_length=(4,)).cells
    assert list(names) == ["noise0.5-length4-rounds2", "noise1e-3-length4-rounds2"]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"links": ("trained",)}, "two cells or more, and this grid has one"),
        ({"links": ("trained", "zero"), "latent_length": (0,)}, "two cells or more, and this grid has one"),
        ({"links": ("zero", "trained", "zero")}, "links names 'zero' twice"),
        ({"latent_length": (8, 0, 0)}, "latent_length names 0 twice"),
        ({"links": ("trained", "off")}, "links is 'off'; it has to be one of"),
        ({"mode": ("latent", "txt")}, "mode is 'txt'; it has to be one of latent, text, single"),
        ({"variants": {"one-layer": ("outer=x",)}}, "variant 'one-layer' cannot be a folder's name"),
        ({"variants": {"..": ("outer=x",)}}, r"variant '\.\.' cannot be a folder's name"),
        ({"full": "zero-length8-round2"}, r"\(did you mean 'zero-length8-rounds2'\?\); they are trained-"),
    ],
)
def test_grids_that_are_none(axes, message):
    with pytest.raises(UserError, match=message):
        grid_of(**axes)


def test_a_grid_is_read_as_it_was_written(tmp_path):
    grid = grid_of(variants={"loaded": (), "plain": ("outer=x", "planner=y")}, full="zero-length8-rounds2")
    write_grid(tmp_path, grid)
    assert read_grid(tmp_path) == grid


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: {**record, "links": "zero"}, "links is 'zero'; it has to be a list"),
        (lambda record: {**record, "mode": ["../../x"]}, "mode is '../../x'"),
        (lambda record: {**record, "latent_length": [-1]}, "latent_length"),
        (lambda record: {**record, "full": "x"}, "none of the grid's cells"),
        (lambda record: [], "it has to be a mapping"),
    ],
)
def test_a_damaged_record_is_refused_with_the_place(tmp_path, change, message):
    write_grid(tmp_path, grid_of())
    record = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps(change(record)))
    with pytest.raises(UserError, match=message) as error:
        read_grid(tmp_path)
    assert f"{tmp_path / RECORD} is damaged" in str(error.value)


def test_a_folder_without_a_record_holds_no_ablation(tmp_path):
    with pytest.raises(UserError, match=r"holds no ablation: there is no ablation\.json"):
        read_grid(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        read_grid(tmp_path / "nowhere")


def test_an_axis_may_grow_and_nothing_else(tmp_path):
    plain = {"loaded": (), "plain": ("outer=x",)}
    write_grid(tmp_path, grid_of(variants=plain))
    check_goes_on(tmp_path, grid_of(links=("zero", "trained")))  # nothing was run yet
    begun = tmp_path / CELLS / "trained-length8-rounds2"
    begun.mkdir(parents=True)
    (begun / CONFIG).touch()
    more = {**plain, "third": ("outer=z",)}
    check_goes_on(
        tmp_path, grid_of(variants=more, links=("trained", "zero", "shuffle"), mode=("latent", "text"))
    )
    for axes, message in (
        ({"links": ("zero", "trained")}, "links trained, zero, and here they are zero, trained"),
        ({"num_recursive_rounds": (3, 2)}, "num_recursive_rounds 2, and here they are 3, 2"),
        ({"variants": {"loaded": ()}}, "variants loaded, plain outer=x, and here they are loaded"),
        ({"variants": {"loaded": (), "plain": ("outer=y",)}}, "here they are loaded, plain outer=y"),
    ):
        with pytest.raises(UserError, match=message):
            check_goes_on(tmp_path, grid_of(**{"variants": more, **axes}))


def test_a_single_run_s_folder_is_no_place_for_a_grid(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds a single run; give another --output_dir"):
        check_goes_on(tmp_path, grid_of())
