"""lm-eval's files: the fields that its schema has, and figures that are the run's."""

from __future__ import annotations

import json
import re

import pytest

from recursivemas.report.exports.lm_eval import write_lm_eval
from recursivemas.report.exports.source import Source
from recursivemas.runs.files import read_samples
from tests.support.run_folders import add_votes, grade_of, sample_of, write_run, write_samples

SAMPLE_FIELDS = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash"),
}
"""`SampleResult` of lm_eval/result_schema.py (0.4.13); beside them the metrics."""
RESULT_FIELDS = {
    *(
        "results",
        "groups",
        "group_subtasks",
        "configs",
        "versions",
        "n-shot",
        "higher_is_better",
        "n-samples",
    ),
    *("config", "git_hash", "date", "pretty_env_info", "transformers_version", "lm_eval_version"),
    *("upper_git_hash", "tokenizer_pad_token", "tokenizer_eos_token", "tokenizer_bos_token", "eot_token_id"),
    *("max_length", "model_source", "model_name", "model_name_sanitized", "system_instruction"),
    *("system_instruction_sha", "fewshot_as_multiturn", "chat_template", "chat_template_sha", "task_hashes"),
    "total_evaluation_time_seconds",
}
"""`EvalResults` there, without the samples, which have a file of their own."""
UNKNOWN = {
    *("groups", "pretty_env_info", "lm_eval_version", "tokenizer_pad_token", "tokenizer_eos_token"),
    *("tokenizer_bos_token", "eot_token_id", "max_length"),
}
"""What a run of several agents, which lm-eval did not run, has none of; all are optional there."""


def written(run, folder):
    write_lm_eval(Source.open(run), folder)
    [results], [samples] = folder.glob("*/results_*.json"), folder.glob("*/samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    return results, samples, json.loads(results.read_text(encoding="utf-8")), lines


def test_names_and_fields_are_lm_evals(tmp_path):
    run = write_run(tmp_path / "run", {"release": [[True], [False]], "strict": [[False], [False]]})
    config = json.loads((run / "config.json").read_text())
    config["launches"] = [{"started": "2026-11-27T01:00:00+00:00", "processes": 1, "seconds": 90.5}]
    (run / "config.json").write_text(json.dumps(config))
    results, samples, facts, lines = written(run, tmp_path / "out")
    assert results.relative_to(tmp_path / "out").as_posix() == (
        "recursivemas__sequential_light/results_2026-11-27T01-01-30.500000.json"
    )
    assert samples.name == "samples_math500_2026-11-27T01-01-30.500000.jsonl"
    assert set(facts) == RESULT_FIELDS - UNKNOWN
    assert all(set(line) == {*SAMPLE_FIELDS, "acc"} for line in lines)
    assert facts["total_evaluation_time_seconds"] == "90.5"
    assert facts["date"] == 1795741200.0
    assert facts["n-samples"] == {"math500": {"original": 2, "effective": 2}}
    assert facts["results"]["math500"] == {
        **{"name": "math500", "alias": "math500", "sample_len": 2},
        **{"acc,release": 0.5, "acc_stderr,release": pytest.approx(0.5)},
        **{"acc,strict": 0.0, "acc_stderr,strict": 0.0},
    }
    assert [(line["doc_id"], line["filter"], line["acc"]) for line in lines] == [
        *((0, "release", 1.0), (0, "strict", 0.0), (1, "release", 0.0), (1, "strict", 0.0))
    ]


def test_answers_to_a_question_are_its_repeats_in_whatever_order_they_came(tmp_path):
    run = write_run(tmp_path / "run", {"release": [[False, True], [False, False]]}, metric="pass@2")
    one, two, three, four = read_samples(run)
    unread = {"release": grade_of(False, None)}
    three = sample_of("q1", 0, text="say = 1\n", verdicts=unread, extracted=None)
    write_samples(run, [four, two, three, one])
    _, _, facts, lines = written(run, tmp_path / "out")
    assert facts["results"]["math500"]["pass@2,release"] == 0.5
    assert [(line["doc"]["id"], line["pass@2"]) for line in lines] == [("q1", 0.0), ("q0", 1.0)]
    assert lines[0]["resps"] == [["say = 1\n", "1"]]
    assert lines[0]["filtered_resps"] == [["[invalid]", "1"]]
    assert re.fullmatch("[0-9a-f]{64}", lines[0]["prompt_hash"])
    assert facts["configs"]["math500"]["repeats"] == 2


def test_what_the_majority_of_all_answers_is_worth_stands_beside_the_score(tmp_path):
    run = write_run(tmp_path / "run", {"release": [[False, True]], "strict": [[False, False]]})
    add_votes(run, {"release": [0.25, 0.75]})
    _, _, facts, _ = written(run, tmp_path / "out")
    figures = facts["results"]["math500"]
    assert {name: value for name, value in figures.items() if name.startswith("maj")} == {
        "maj@2,release": 0.75,
        "maj@2_stderr,release": "N/A",
    }
    assert facts["higher_is_better"]["math500"] == {"acc": True, "maj@2": True}


def test_a_run_that_is_broken_off_says_how_much_there_is(tmp_path):
    run = write_run(tmp_path / "run", [True, True, False], finished=False)
    write_samples(run, read_samples(run)[:1])
    _, _, facts, lines = written(run, tmp_path / "out")
    assert (len(lines), facts["config"]["state"]) == (1, "broken off")
    assert facts["n-samples"]["math500"] == {"original": 3, "effective": 1}
    assert facts["results"]["math500"]["acc_stderr,release"] == "N/A"
