"""A run's results in a dataset repository on the hub.

Only config, summary and samples are pushed, as copies without secrets; what is pushed lies in a folder of the
repository that is named like the run's, so that one repository takes many runs.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recursivemas.errors import UserError
from recursivemas.files.whole import write_whole
from recursivemas.output.redaction import REDACTED, keep_secret, redact_data
from recursivemas.runs.files import (
    CONFIG,
    SAMPLES,
    SUMMARY,
    count_missing,
    read_config,
    read_json,
    read_summary,
)

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"
TOKENS = re.compile(r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|tvly-[A-Za-z0-9-]{16,})")
"""What looks like a key of the services that a run may ask, whosever it is."""

FEATURES: Mapping[str, str] = {
    "id": "dtype: string",
    "rollout": "dtype: int64",
    "seed": "dtype: int64",
    "question": "dtype: string",
    "gold": "dtype: string",
    "text": "dtype: string",
    "extracted": "dtype: string",
    "verdicts": "dtype: json",
    "ended_by": "dtype: string",
    "retried": "dtype: bool",
    "past_context": "dtype: bool",
    "error": "dtype: string",
    "token_ids": "list: int64",
    "tool_calls": "dtype: json",
    "messages": "dtype: json",
    "passages": "dtype: json",
    "usage": "dtype: json",
    "recorded": "dtype: string",
}
"""What the fields of samples are to `datasets`. Left to itself it goes by the first ones that it reads, and
stops at an error where those had none, at another run's graders or rounds."""


class PushError(UserError):
    """Results cannot be pushed."""


def check_pushable(repo: str) -> None:
    """Raise PushError where nothing could be pushed there: no name of a repository, no token, offline."""
    _check_name(repo, "push_to_hub")
    _check_access(repo)


def _check_name(repo: str, what: str) -> None:
    """Raise PushError for what is no name of a repository; `what` is what it was given as."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    is_pair, why = repo.count("/") == 1, ""
    try:
        if is_pair:
            validate_repo_id(repo)
    except HFValidationError as error:
        why = f" ({error})"
    if why or not is_pair:
        raise PushError(
            f"{what} is {repo!r}, which is no name of a dataset repository{why}; give OWNER/NAME, such as "
            "me/my-results"
        )


def _check_access(repo: str) -> None:
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        raise PushError(f"pushing to {repo} needs the hub, and HF_HUB_OFFLINE is set; unset it to push")
    token = get_token()
    if token is None:
        raise PushError(
            f"pushing to {repo} needs a token that may write: set HF_TOKEN, or log in with `hf auth login`"
        )
    keep_secret(token)


def push_run(
    path: Path, repo: str, *, name: str | None = None, samples: bool = True, public: bool = False
) -> str:
    """Push a finished run's results into the dataset `repo`, under `name`; returns the address.

    A repository that is not there is made, private unless `public`. One that is public already takes nothing
    unless `public` says that it may. Raises PushError for a `repo` that is not OWNER/NAME, for a `name` that
    is no folder within the repository or holds another run there, for a run that has not finished, and where
    there is no token, or the hub refuses or cannot be reached; UserError for a folder that holds no run.
    """
    _check_name(repo, "repo")
    name = name or path.resolve().name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise PushError(
            f"name is {name!r}; it has to be a folder within the repository, such as first or a/b"
        )
    config, summary = read_config(path), read_summary(path)
    if summary is None or (samples and count_missing(path)):
        raise PushError(
            f"the run in {path} has not finished; go on with it with --output_dir {path} --resume"
        )
    _check_access(repo)
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repo, repo_type="dataset", private=not public, exist_ok=True)
        found = api.dataset_info(repo)
        if not (public or found.private):
            raise PushError(f"the dataset {repo} is public; push there with --public, or into another one")
        files = {file.rfilename for file in found.siblings or ()}
        if f"{name}/{CONFIG}" in files:
            _check_same(api, repo, name, config)
        with tempfile.TemporaryDirectory(prefix="recursivemas-push-") as folder:
            _copy_results(path, Path(folder) / name, samples=samples)
            if CARD not in files:
                card = _card(repo, name, config, summary, samples=samples)
                (Path(folder) / CARD).write_text(card, encoding="utf-8")
            api.upload_folder(
                repo_id=repo, repo_type="dataset", folder_path=folder, commit_message=f"Add the run {name}"
            )
    except PushError:
        raise
    except Exception as error:  # the client's own kinds of errors: refusals, networks, limits
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PushError(f"{path} could not be pushed to {repo}: {reason[:400]}") from error
    return f"{api.endpoint}/datasets/{repo}/tree/main/{name}"


def _check_same(api: HfApi, repo: str, name: str, config: Mapping[str, Any]) -> None:
    """Raise PushError where the repository has another run under that name: it would be written over."""
    file = api.hf_hub_download(repo, f"{name}/{CONFIG}", repo_type="dataset")
    there = read_json(Path(file), "give --name, the name of another folder")
    if not isinstance(there, dict) or there.get("started") != config.get("started"):
        raise PushError(
            f"the dataset {repo} holds another run under {name}; give --name, another folder's name"
        )


def _copy_results(path: Path, folder: Path, *, samples: bool) -> None:
    """The files that are pushed, their texts without secrets."""
    folder.mkdir(parents=True)
    for file in (CONFIG, SUMMARY):
        data = json.loads((path / file).read_bytes())
        text = json.dumps(without_keys(data), indent=2, ensure_ascii=False) + "\n"
        write_whole(folder / file, text.encode("utf-8", "backslashreplace"))
    if samples:
        with (path / SAMPLES).open("rb") as lines, (folder / SAMPLES).open("wb") as copy:
            for line in lines:
                text = json.dumps(without_keys(json.loads(line)), ensure_ascii=False) + "\n"
                copy.write(text.encode("utf-8", "backslashreplace"))


def without_keys(data: Any) -> Any:
    """Plain data without what is known to be secret, and without what looks like a key."""
    return _each_text(redact_data(data, urls=True))


def _each_text(data: Any) -> Any:
    if isinstance(data, str):
        return TOKENS.sub(REDACTED, data)
    if isinstance(data, dict):
        return {key: _each_text(value) for key, value in data.items()}
    return [_each_text(value) for value in data] if isinstance(data, list) else data


def _card(
    repo: str, name: str, config: Mapping[str, Any], summary: Mapping[str, Any], *, samples: bool
) -> str:
    """The page of a new repository; `datasets` reads the samples of all runs by what stands on top."""
    features = "".join(f"  - name: {field}\n    {kind}\n" for field, kind in FEATURES.items())
    data = (
        f'configs:\n- config_name: samples\n  data_files: "**/{SAMPLES}"\n'
        f"dataset_info:\n- config_name: samples\n  features:\n{features}"
        if samples
        else ""
    )
    headline, settings = summary["headline"], config["settings"]
    dataset = Path(settings["dataset"]["value"]).name
    value = f"{100 * headline['value']:.2f}%" if "value" in headline else "-"
    answers = f", `{SAMPLES}` every answer" if samples else ""
    return (
        f"---\ntags:\n- recursivemas\n{data}---\n\n# {repo.rpartition('/')[2]}\n\n"
        f"Results of runs of [RecursiveMAS](https://arxiv.org/abs/2604.25917), a folder each: `{CONFIG}` "
        f"says what ran, `{SUMMARY}` what came of it{answers}.\n\n"
        f"The first one, `{name}`: {config['style']['name']} on {dataset}, {headline['metric']} {value} by "
        f"the {headline['grader']} grader.\n"
    )
