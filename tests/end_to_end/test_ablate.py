"""`recursivemas ablate` on the toy release: a grid run once, broken off, gone on with, and shown again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from recursivemas import system
from recursivemas.agents import load_agents
from recursivemas.cli.main import main, run_main
from recursivemas.links import OuterLink, save_link
from recursivemas.runs.folder import RunFolder
from recursivemas.styles import DISTILLATION

pytestmark = [pytest.mark.process, pytest.mark.slow]

CELLS = [
    *("trained-length2-rounds1", "length0-rounds1", "zero-length2-rounds1"),
    *("other-trained-length2-rounds1", "other-zero-length2-rounds1"),
    *("text-rounds1", "single"),
]
BATCHES = 2


@pytest.fixture(scope="module")
def flags(tmp_path_factory, toy_release) -> list[str]:
    """A grid of seven cells with two batches each."""
    home = tmp_path_factory.mktemp("ablation")
    rows = [
        {"problem": f"What is {n} + {n}?", "answer": str(2 * n), "unique_id": f"sum/{n}"} for n in range(4)
    ]
    (home / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = {}
    with system.load_mas_system("distillation", device="cpu", release=toy_release) as mas:
        sizes = {role: agent.hidden_size for role, agent in mas.agents.items()}
    (home / "other").mkdir()
    torch.manual_seed(3)
    for key, source, target in (("outer_el", "expert", "learner"), ("outer_le", "learner", "expert")):
        save_link(OuterLink(sizes[source], sizes[target]), home / "other" / f"{key}.pt")
    return [
        *("ablate", "--style", "distillation", "--device", "cpu", "--release", str(toy_release)),
        *("--dataset_path", str(home / "questions.jsonl"), "--batch_size", "2", "--max_new_tokens", "4"),
        *("--dtype", "float64", "--links", "trained,zero", "--latent_length", "2,0"),
        *("--num_recursive_rounds", "1", "--mode", "latent,text,single"),
        *("--answer_window", "1"),  # a batch that is broken off is solved again, and no other
        *("--variant", "loaded", "--variant", f"other:outer={home / 'other'}"),
    ]


@pytest.fixture
def counted(monkeypatch) -> Counter:
    """Counts the models that are loaded, and the batches that are kept by cell.

    Set `counted["break"]` to break the run off at that batch, before anything of it is kept.
    """
    counts: Counter = Counter()
    load_engine, put = load_agents.load_engine, RunFolder.put

    def load(*args, **kwargs):
        counts["models"] += 1
        return load_engine(*args, **kwargs)

    def keep(folder, samples, latents, lenses):
        counts["batches"] += 1
        if counts["batches"] == counts["break"]:
            raise KeyboardInterrupt
        counts[folder.path.name] += 1
        put(folder, samples, latents, lenses)

    monkeypatch.setattr(load_agents, "load_engine", load)
    monkeypatch.setattr(RunFolder, "put", keep)
    return counts


def texts(folder: Path) -> dict[str, list[str]]:
    """The answers by cell."""
    return {
        path.parent.name: [json.loads(line)["text"] for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("cells/*/samples.jsonl"))
    }


def links_of(folder: Path) -> dict:
    """The outer links that ran, by the digests of their files."""
    return json.loads((folder / "config.json").read_text())["outer_links"]


def figures(folder: Path) -> list[dict]:
    """All figures but those of time."""
    records = json.loads((folder / "figures.json").read_text())
    return [
        {name: value for name, value in one.items() if name not in ("seconds_a_question", "speed_up")}
        for one in records
    ]


@pytest.fixture(scope="module")
def whole(flags, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "ablation"
    assert main([*flags, "--output_dir", str(folder), "--no_plots"]) == 0
    return folder


def test_a_grid_is_run_with_models_that_are_loaded_once(flags, whole, counted, tmp_path, capsys):
    folder = tmp_path / "ablation"
    assert main([*flags, "--output_dir", str(folder)]) == 0
    printed = capsys.readouterr()
    assert counted["models"] == len(DISTILLATION.agents)
    assert {name: counted[name] for name in CELLS} == dict.fromkeys(CELLS, BATCHES)
    assert counted["batches"] == BATCHES * len(CELLS)
    assert sorted(path.name for path in (folder / "cells").iterdir()) == sorted(CELLS)
    assert "math500, 4 questions, release grader" in printed.out
    assert (folder / "accuracy.png").is_file()
    assert texts(folder) == texts(whole), "the same again"
    assert main([*flags, "--output_dir", str(folder)]) == 0
    assert counted["batches"] == BATCHES * len(CELLS), "nothing was left to run"
    assert capsys.readouterr().out == printed.out


def test_each_cell_is_the_run_that_run_makes(flags, whole, tmp_path):
    """A variant, a control, no latents, text, and an agent alone: as each by itself, on the same links."""
    run = [word for word in flags[1:] if word not in ("--variant", "loaded")]
    other = run.pop().partition(":")[2]
    for name in ("--links", "--latent_length", "--num_recursive_rounds", "--mode"):
        place = run.index(name)
        del run[place : place + 2]
    kinds = {
        "other-trained-length2-rounds1": [
            *("--ckpt_override", other, "--latent_length", "2", "--num_recursive_rounds", "1"),
        ],
        "zero-length2-rounds1": [
            *("--links", "zero", "--latent_length", "2", "--num_recursive_rounds", "1"),
        ],
        "length0-rounds1": ["--latent_length", "0", "--num_recursive_rounds", "1", "--links", "zero"],
        "text-rounds1": ["--mode", "text", "--num_recursive_rounds", "1"],
        "single": ["--mode", "single"],
    }
    found = texts(whole)
    for name, more in kinds.items():
        assert run_main([*run, *more, "--output_dir", str(tmp_path / name)]) == 0
        lines = (tmp_path / name / "samples.jsonl").read_text().splitlines()
        assert [json.loads(line)["text"] for line in lines] == found[name], name
        if name != "single":
            assert links_of(tmp_path / name) == links_of(whole / "cells" / name), name
    assert len({str(found[name]) for name in CELLS}) > len(CELLS) / 2, "the cells are told apart"


@pytest.mark.long
@pytest.mark.parametrize("at", [1, 4, 14])
def test_a_grid_that_is_broken_off_goes_on_and_runs_no_cell_twice(
    at, flags, whole, counted, tmp_path, capsys
):
    folder = tmp_path / "ablation"
    command = [*flags, "--output_dir", str(folder), "--no_plots"]
    counted["break"] = at
    assert main(command) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert main(command) == 0
    assert f"7 cells, {(at - 1) // BATCHES} of them finished before" in capsys.readouterr().err
    assert {name: counted[name] for name in CELLS} == dict.fromkeys(CELLS, BATCHES), (
        "each batch was kept once"
    )
    assert counted["batches"] == BATCHES * len(CELLS) + 1, "and the one that was broken off solved again"
    assert texts(folder) == texts(whole)
    assert figures(folder) == figures(whole)


def test_it_is_shown_again_without_running(whole, counted, capsys):
    before = figures(whole)
    (whole / "figures.json").unlink()
    assert main(["ablate", str(whole), "--format", "csv", "--full", "text-rounds1", "--no_plots"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("text-rounds1,True,,,distillation,text,1")
    assert main(["ablate", str(whole), "--no_plots"]) == 0
    assert figures(whole) == before
    assert counted == Counter()
    cell = str(whole / "cells" / "single")
    assert main(["show", cell]) == 0
    assert main(["compare", str(whole / "cells" / "text-rounds1"), cell]) == 0
    assert main(["report", *map(str, (whole / "cells").iterdir()), "-o", str(whole / "r"), "--no_plots"]) == 0


def test_an_axis_grows_and_other_settings_are_refused(flags, counted, tmp_path, capsys):
    small = [*flags[: flags.index("--links")], "--latent_length", "2", "--num_recursive_rounds", "1"]
    folder = ["--output_dir", str(tmp_path / "a"), "--no_plots"]
    assert main([*small, *folder, "--links", "trained,zero"]) == 0
    assert main([*small, *folder, "--links", "trained,zero,identity"]) == 0
    assert (counted["trained-length2-rounds1"], counted["identity-length2-rounds1"]) == (BATCHES, BATCHES)
    capsys.readouterr()
    for more, message in (
        (["--links", "trained,identity"], "holds an ablation with links trained, zero, identity, and here"),
        (["--links", "trained,zero,identity", "--seed", "43"], "seed: 42 before, 43 now"),
    ):
        assert main([*small, *folder, *more]) == 2
        assert message in capsys.readouterr().err
    assert run_main([*small[1:], *folder[:2]]) == 2
    assert "holds an ablation; give another --output_dir" in capsys.readouterr().err


def test_a_dry_run_says_which_cells_would_run(flags, whole, counted, tmp_path, capsys):
    assert main([*flags, "--output_dir", str(whole), "--dry_run", "--links", "trained,zero,random"]) == 0
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line for line in printed.splitlines() if "-rounds" in line}
    assert rows["trained-length2-rounds1"].split()[1:] == ["loaded", "full", "system", "finished"]
    assert rows["other-random-length2-rounds1"].split()[1:] == ["other", "to", "run"]
    assert "No weights were loaded." in printed
    assert counted == Counter()
    assert main([*flags, "--output_dir", str(tmp_path / "new"), "--dry_run", "--full", "single"]) == 0
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--links", "trained,off"], "links is 'off'; it has to be one of trained, zero"),
        (["--links", "trained,"], "links is 'trained,'; it has to be values divided by commas"),
        (["--links", "trained,trained"], "links names 'trained' twice"),
        (["--latent_length", "8,x"], "latent_length holds 'x'; in a grid its values are whole numbers"),
        (["--latent_length", "-1"], "latent_length holds '-1'; in a grid its values are whole numbers"),
        (["--num_recursive_rounds", "2,0"], "num_recursive_rounds is 0; it has to be 1 or more"),
        (["--mode", "latent,txt"], "mode is 'txt'; it has to be one of latent, text, single"),
        (["--variant", "other"], "variant 'other' is not of the form NAME:ROLE=DIR"),
        (["--variant", "loaded:outer=x"], "variant 'loaded:outer=x' is not of the form"),
        (["--variant", "a:outer"], "variant a: ckpt_override 'outer' is not of the form ROLE=DIR"),
        (["--variant", "a:outer=nowhere"], "override outer=nowhere: there is no such folder"),
        (["--variant", "a:expert=MODEL"], "variant a has another model for expert than loaded"),
        (["--full", "zero"], "the full system 'zero' is none of the grid's cells"),
        (["--grader", "judge"], "no cell is graded by 'judge'; the graders are release, strict, math_verify"),
        (["--role", "expert"], "give --mode latent,single"),
        (["--batch_size", "3", "--links", "trained,shuffle"], "of 4 questions in batches of 3 one is alone"),
        (["--batch_size", "auto", "--links", "trained,shuffle"], "batch_size auto has batches as the memory"),
    ],
)
def test_what_cannot_be_run_is_refused_before_models_are_loaded(
    more, message, flags, toy_release, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(load_agents, "load_engine", lambda *_, **__: pytest.fail("a model was loaded"))
    model = next((toy_release / "RecursiveMAS").glob("Distillation-Learner-*"))
    more = [word.replace("MODEL", str(model)) for word in more]
    usual = [*flags[: flags.index("--links")], "--variant", "loaded", "--links", "trained,zero"]
    usual = [word for word in usual if "--variant" in more or word not in ("--variant", "loaded")]
    assert main([*usual, *more, "--output_dir", str(tmp_path / "a"), "--no_plots"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list((tmp_path).glob("a/cells/*/config.json"))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give --output_dir FOLDER to run one, or the folder of one alone"),
        (["nowhere"], "there is no folder nowhere"),
        (["nowhere", "--seed", "1"], "nowhere alone shows an ablation again and runs nothing, and --seed"),
    ],
)
def test_a_folder_alone_is_shown_and_flags_need_one(argv, message, capsys):
    assert main(["ablate", *argv, "--no_plots"]) == 2
    assert message in capsys.readouterr().err


def test_it_always_goes_on_and_has_no_flag_for_it(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["ablate", "--links", "trained,zero", "--resume"])
    assert "there is no flag --resume" in capsys.readouterr().err
