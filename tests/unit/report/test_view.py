"""The page of a run: what stands in it, and that nothing that was written for it can break out."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import os
import re

import pytest
import torch

from recursivemas.cli.main import main
from recursivemas.errors import UserError
from recursivemas.report.page.document import ASSETS
from recursivemas.report.view import view
from recursivemas.runs.files import read_samples
from recursivemas.runs.latents import save_latents
from tests.support.pages import HOSTILE, LINK, packed, write_hostile_run
from tests.support.run_folders import grade_of, write_run, write_samples


def contents_of(page: str):
    return dict(packed(page))["contents"]


def test_the_page_is_written_and_its_size_told(tmp_path, capsys):
    run = write_run(tmp_path / "run", [True, False])
    assert main(["view", str(run), "-o", str(tmp_path / "new" / "page.html")]) == 0
    assert re.fullmatch(r".*page\.html \(0\.\d MB\)\n", capsys.readouterr().out)
    page = (tmp_path / "new" / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert contents_of(page)["runs"][0]["facts"]["release"] == "toy-random"
    assert main(["view", str(run), "-o", str(tmp_path)]) == 2
    assert "is a folder; give the file to write" in capsys.readouterr().err
    samples = (run / "samples.jsonl").read_bytes()
    assert main(["view", str(run), "-o", str(run / "samples.jsonl")]) == 2
    assert f"is to be a .html file; give -o {run / 'samples.html'}" in capsys.readouterr().err
    assert (run / "samples.jsonl").read_bytes() == samples
    (tmp_path / "file").touch()
    for output, why in (
        ("/proc/page.html", "No such file or directory|Permission denied"),  # root, others
        (f"{tmp_path}/file/page.html", f"{tmp_path}/file is no folder"),
    ):
        assert main(["view", str(run), "-o", output]) == 2
        says = rf"error: {output} could not be written \(({why})\); give another -o\n"
        assert re.fullmatch(says, capsys.readouterr().err)


def test_a_folder_whose_name_is_no_text_has_a_page(tmp_path, capsys):
    run = write_run(tmp_path / os.fsdecode(b"run\xff"), [True, False])
    assert main(["view", str(run), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<title>run\\udcff" in page
    assert contents_of(page)["runs"][0]["facts"]["label"] == "run\udcff"


def test_a_run_makes_the_same_page_each_time(tmp_path):
    run = write_run(tmp_path / "run", [True, False])
    assert view(run) == view(run)


def test_states_are_those_that_filters_ask_for(tmp_path):
    run = write_run(
        tmp_path / "run",
        {"release": [[True, True], [True, False], [False, False]], "strict": [[True] * 2] * 3},
    )
    first, *others = read_samples(run)
    write_samples(
        run,
        [dataclasses.replace(first, verdicts={**first.verdicts, "release": grade_of(False, None)}), *others],
    )
    [page_run] = contents_of(view(run))["runs"]
    questions = page_run["questions"]
    assert [entry["share"] for entry in questions] == [0.5, 0.5, 0.0]
    assert [entry["disagree"] for entry in questions] == [True] * 3
    assert [entry["unread"] for entry in questions] == [True, False, False]
    assert [[answer["details"] for answer in entry["answers"]] for entry in questions] == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]
    assert page_run["facts"]["scores"][0]["text"].startswith("33.3 [")


def test_pass_at_k_counts_a_question_as_the_metric_does(tmp_path):
    run = write_run(tmp_path / "run", {"release": [[True, False]]}, metric="pass@2")
    assert contents_of(view(run))["runs"][0]["questions"][0]["share"] == 1.0


def test_another_run_says_what_has_changed(tmp_path):
    run = write_run(tmp_path / "run", [True, True, False, False])
    other = write_run(tmp_path / "other", [True, False, True], seed=7)
    contents = contents_of(view(run, other))
    changes = [entry.get("change") for entry in contents["runs"][0]["questions"]]
    assert changes == [None, "better", "worse", "new"]
    assert contents["against"]["shared"] == 3
    [difference] = contents["against"]["differences"]
    assert (difference["better"], difference["worse"], difference["points"]) == ("1", "1", "+0.0")
    assert contents["against"]["settings"] == "seed 42, not 7"
    with pytest.raises(UserError, match="no question in common"):
        view(run, write_run(tmp_path / "others", [True], first_question=9))
    with pytest.raises(UserError, match="is given 2 times; give each run once"):
        view(run, tmp_path / "other" / ".." / "run")


def test_runs_of_one_name_are_told_apart(tmp_path):
    paths = [write_run(tmp_path / place / "run", [True]) for place in "ab"]
    labels = [one["facts"]["label"] for one in contents_of(view(*paths))["runs"]]
    assert labels == ["run", str(paths[1])]


def test_an_unfinished_run_is_shown_as_far_as_it_is(tmp_path):
    run = write_run(tmp_path / "run", [True, False, True], finished=False)
    write_samples(run, read_samples(run)[:2])
    facts = contents_of(view(run))["runs"][0]["facts"]
    assert (facts["finished"], facts["answers"], facts["expected"]) == (False, 2, 3)
    assert facts["scores"][0]["text"].startswith("50.0")
    write_samples(run, [])
    with pytest.raises(UserError, match="holds no answers yet"):
        view(run)


def test_messages_that_were_kept_have_figures(tmp_path):
    run = write_hostile_run(tmp_path / "run", number=1)
    [sample] = read_samples(run)
    message = torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.bfloat16)
    save_latents(run, sample.id, {f"r1/{LINK}": message})
    figures = dict(packed(view(run)))["details-0-0"]["messages"][f"r1/{LINK}"]
    assert (figures["norms"], figures["before"], figures["similarity"]) == ([5.0, 2.0], None, [800])


def test_samples_that_lack_a_verdict_are_told(tmp_path):
    run = write_run(tmp_path / "run", [True, False])
    first, second = read_samples(run)
    write_samples(run, [first, dataclasses.replace(second, verdicts={"strict": grade_of(True)})])
    with pytest.raises(UserError, match=r"sample 2 in .* has verdicts of strict"):
        view(run)


def test_figures_that_are_no_numbers_leave_the_page_whole(tmp_path):
    run = write_run(tmp_path / "run", [True])
    [sample] = read_samples(run)
    verdicts = {"release": grade_of(True, score=float("nan"))}
    write_samples(run, [dataclasses.replace(sample, verdicts=verdicts, text="half \ud800")])
    details = dict(packed(view(run)))["details-0-0"]
    assert details["verdicts"][0]["score"] is None
    assert details["parts"] == [{"kind": "text", "text": "half \ud800"}]


# ---------------------------------------------------------------------------------------------------------
# What models have written


def test_nothing_hostile_stands_in_the_page_as_it_was_written(tmp_path):
    run = write_hostile_run(tmp_path / "<script>alert(1)<script>")
    page = view(run)
    assert dict(packed(page))["details-0-1"]["verdicts"][0]["why"] == HOSTILE
    assert "<img" not in page
    assert "<script>alert(1)" not in page
    assert html.escape("<script>alert(1)<script>") in page


def test_only_our_script_and_style_are_allowed_and_no_address(tmp_path):
    page = view(write_hostile_run(tmp_path / "run"))
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1])
    [script], [style] = (
        re.findall(r"<script>(.*?)</script>", page, re.S),
        re.findall("<style>(.*?)</style>", page, re.S),
    )
    hashes = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in (("script", script), ("style", style))
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{hashes['script']}'",
        f"style-src 'sha256-{hashes['style']}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_the_script_parses_no_html_and_fetches_nothing():
    for path in ASSETS.glob("*.js"):
        source = path.read_text(encoding="utf-8")
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "://",
            "</script",
        ):
            assert word not in source.replace("http://www.w3.org/2000/svg", ""), path


def test_the_template_takes_nothing_unescaped_but_our_own():
    template = (ASSETS / "page.html.jinja").read_text(encoding="utf-8")
    assert re.findall(r"\{\{ (\w+) \| safe \}\}", template) == ["style", "script"]
