"""A run with its messages kept in both ways, as a page."""

from __future__ import annotations

import pytest

from recursivemas.cli.main import main, run_main
from recursivemas.runs.files import read_samples
from recursivemas.runs.lens import read_lenses
from tests.support.pages import packed

pytestmark = pytest.mark.process


def test_a_run_keeps_what_its_page_shows(toy_release, tmp_path):
    run, page = tmp_path / "run", tmp_path / "page.html"
    flags = ["--style", "distillation", "--device", "cpu", "--release", str(toy_release), "--dataset_path"]
    flags += ["dataset/demo_math500.jsonl", "--num_samples", "2", "--num_recursive_rounds", "2"]
    flags += ["--latent_length", "3", "--max_new_tokens", "2", "--save_latents", "--lens", "--output_dir"]
    assert run_main([*flags, str(run)]) == 0
    assert main(["view", str(run), "-o", str(page)]) == 0
    found = dict(packed(page.read_text(encoding="utf-8")))
    for number, sample in enumerate(read_samples(run)):
        messages = found[f"details-0-{number}"]["messages"]
        lenses = read_lenses(run, sample.id)
        assert messages.keys() == lenses.keys() == sample.messages.keys()
        for name, message in messages.items():
            assert len(message["lens"]["heard"]) == len(message["norms"]) == 3
            assert message["lens"]["said"][0][0][0] == lenses[name].said[0][0][0]
    assert found["contents"]["runs"][0]["facts"]["has_lens"]
