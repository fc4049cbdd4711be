"""Making the trained toy, in a few steps: a release that loads, and that goes on where it broke off."""

from __future__ import annotations

from pathlib import Path

import pytest

from recursivemas import load_mas_system
from recursivemas.errors import UserError
from recursivemas.files.toy_release import PROMPTS, SETTINGS
from recursivemas.prompts import load_prompts
from recursivemas.settings import resolve_settings
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.toy import train
from recursivemas.toy.__main__ import main
from recursivemas.toy.schooling import Schooling
from recursivemas.toy.train import LATENT_LENGTH, Recipe, train_release
from recursivemas.training import read_training_rows
from recursivemas.training.rows import usable_rows

pytestmark = pytest.mark.process  # rendering tries templates out in one

HASTY = Recipe(
    schooling=Schooling(num_steps=6, turns_per_step=2, drills_per_step=1, warmup_steps=2),
    enough=0.0,
    inner_steps=2,
)


@pytest.fixture(scope="module")
def hasty_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deliberation, trained by next to nothing."""
    folder = tmp_path_factory.mktemp("hasty") / "release"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "NUM_TRIED_TURNS", 2)
        patch.setattr(train, "NUM_TEXT_ROWS", 16)
        said: list[str] = []
        train_release(folder, HASTY, styles=["deliberation"], num_workers=0, report=said.append)
        again: list[str] = []
        train_release(folder, HASTY, styles=["deliberation"], num_workers=0, report=again.append)
    assert [line.split(":")[0] for line in said] == [
        "deliberation reflector",
        "deliberation toolcaller",
        "deliberation links",
    ]
    assert again[:2] == ["deliberation reflector: taught before", "deliberation toolcaller: taught before"]
    return folder


def test_the_folder_is_a_release_with_words_and_settings_of_its_own(hasty_release: Path):
    with load_mas_system("deliberation", device="cpu", release=hasty_release) as system:
        (solution,) = system.solve(["You are on D4."], max_new_tokens=4, num_rounds=1)
    assert solution.text is not None
    assert system.prompts.describe()["name"] == "toy"
    settings, origins = resolve_settings({"style": "deliberation", "release": str(hasty_release)})
    assert settings.solve.latent_length == LATENT_LENGTH
    assert settings.tools.search_folder == str(hasty_release / "tolls")
    assert origins["latent_length"] == origins["search_folder"] == "release"


def test_what_is_asked_for_goes_before_what_a_release_brings(hasty_release: Path):
    flags = {
        "release": str(hasty_release),
        "latent_length": 3,
        "search_offline": True,
        "search_cache": "kept",
    }
    settings, origins = resolve_settings({"style": "deliberation", **flags})
    assert settings.solve.latent_length == 3
    assert settings.tools.search_folder is None
    assert origins["latent_length"] == "explicit"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("latent_length: many", "latent_length"),
        ("latents: 3", "latents"),
        ("- 3", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_a_release_with_settings_that_are_none_is_refused(tmp_path: Path, text, says):
    (tmp_path / SETTINGS).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        resolve_settings({"release": str(tmp_path)})


def test_prompts_of_a_release_that_brings_none_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=f"brings no {PROMPTS}"):
        load_prompts("release", release=tmp_path)
    assert load_prompts("auto", release=tmp_path).describe()["name"] == "default"


def test_another_folder_is_left_alone(tmp_path: Path, capsys):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["train", str(tmp_path)])
    assert "is no trained toy" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_writes_rows_that_links_can_be_trained_on(tmp_path: Path, capsys):
    assert main(["rows", str(tmp_path), "--style", "mixture"]) == 0
    style = PUBLISHED_STYLES["mixture"]
    for name, count in (("texts.jsonl", 1000), ("answers.jsonl", 83 * 30)):
        rows = read_training_rows(style, str(tmp_path / name))
        kept, skipped = usable_rows(rows, style, style.roles)
        assert (len(kept), len(skipped)) == (count, 0)


def test_the_command_writes_questions_and_tolls(tmp_path: Path, capsys):
    assert main(["questions", str(tmp_path / "new")]) == 0
    assert len((tmp_path / "new" / "toy_heldout.jsonl").read_text(encoding="utf-8").splitlines()) == 1020
    assert len(list((tmp_path / "new" / "toy_tolls").glob("*.txt"))) == 100
