"""The hub, whether it can be reached, and on which devices the published styles' weights fit."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recursivemas.cli.diagnosis.finding import MISSING, NOTE, OK, Finding
from recursivemas.output.sizes import format_size
from recursivemas.styles import PUBLISHED_STYLES, Style

if TYPE_CHECKING:
    import torch

TOO_LARGE = "does not fit"
DEADLINE_S = 5.0
"""How long the hub is waited for, from when it was asked."""


@dataclass
class Answers:
    """What the hub says, as it comes in: threads write, and nobody waits for the late ones."""

    release: str
    asked_at: float = field(default_factory=time.monotonic)
    status: str | Exception | None = None
    """What the hub answered, why it did not, None as long as it has not."""
    weights: dict[str, int | Exception] = field(default_factory=dict)
    """Bytes of a repository's weights by its name, or why they could not be looked up."""
    threads: list[threading.Thread] = field(default_factory=list)

    def wait(self) -> None:
        for thread in self.threads:
            thread.join(max(0.0, self.asked_at + DEADLINE_S - time.monotonic()))


def ask(release: str) -> Answers:
    """Begin to ask the hub whether it is there, and a release for the sizes of the published styles' weights.

    Daemon threads, so that the command ends whether or not they do.
    """
    answers = Answers(release)
    names = dict.fromkeys(agent.repo for style in PUBLISHED_STYLES.values() for agent in style.agents)
    jobs: list[tuple[Any, ...]] = [(_ask_status, answers)]
    jobs += [(_ask_weights, answers, name) for name in names]
    for function, *given in jobs:
        thread = threading.Thread(target=function, args=given, daemon=True)
        answers.threads.append(thread)
        thread.start()
    return answers


def _ask_status(answers: Answers) -> None:
    try:
        from huggingface_hub import constants, get_session

        reply = get_session().head(constants.ENDPOINT, timeout=DEADLINE_S, follow_redirects=True)
        answers.status = f"HTTP {reply.status_code}"
    except Exception as error:  # a client's own kinds of errors
        answers.status = error


def _ask_weights(answers: Answers, name: str) -> None:
    try:
        from recursivemas.release.manifests import weight_files
        from recursivemas.release.names import full_name
        from recursivemas.release.repositories import open_release

        repo = open_release(answers.release).open(full_name(name))
        answers.weights[name] = sum(repo.sizes[file] for file in weight_files(repo))
    except Exception as error:
        answers.weights[name] = error


def examine_hub(answers: Answers) -> list[Finding]:
    """Whether the hub answers, and how the client is set."""
    from huggingface_hub import constants

    answers.wait()
    found = [Finding("endpoint", constants.ENDPOINT)]
    if constants.HF_HUB_OFFLINE:
        return [*found, Finding("HF_HUB_OFFLINE", "set: only what is in the cache is used", NOTE)]
    if isinstance(answers.status, str):
        return [*found, Finding("reachable", f"yes ({answers.status})")]
    why = f"no answer within {DEADLINE_S:g} s" if answers.status is None else _in_a_line(answers.status)
    advice = "Runs go on with what is in the cache; else see to the network, a proxy, or HF_ENDPOINT"
    return [*found, Finding("reachable", f"no: {why}", NOTE, advice)]


def examine_styles(answers: Answers) -> list[Finding]:
    """What each style's weights take, and on which device they fit, all or one at a time."""
    answers.wait()
    return [_examine_style(style, answers) for style in PUBLISHED_STYLES.values()]


def _examine_style(style: Style, answers: Answers) -> Finding:
    found = {agent.repo: answers.weights.get(agent.repo) for agent in style.agents}
    sizes = {repo: size for repo, size in found.items() if isinstance(size, int)}
    if len(sizes) < len(found):
        return Finding(style.name, f"not looked up: {_why_not(answers, list(found.values()))}", MISSING)
    places = _places(sizes)
    told = "; ".join(f"{device}: {how}" for device, how in places.items())
    state = NOTE if set(places.values()) == {TOO_LARGE} else OK
    return Finding(style.name, f"{format_size(sum(sizes.values()))} of weights as stored; {told}", state)


def _why_not(answers: Answers, found: Sequence[int | Exception | None]) -> str:
    if answers.release == "hub" and not isinstance(answers.status, str):
        return "the hub cannot be reached, and the cache does not have them"
    errors = [one for one in found if isinstance(one, Exception)]
    return _in_a_line(errors[0]) if errors else f"no answer within {DEADLINE_S:g} s"


def _places(sizes: Mapping[str, int]) -> dict[str, str]:
    """By device: whether the weights stay, take turns, or do not fit, as `--offload auto` would have it."""
    import torch

    cuda = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return {str(device): _place(device, sizes) for device in [*cuda, torch.device("cpu")]}


def _place(device: torch.device, sizes: Mapping[str, int]) -> str:
    from recursivemas.agents.memory import free_bytes
    from recursivemas.agents.offload import SHARE, Weights, choose_offload

    models = [Weights(device=device, name=repo, num_bytes=size, movable=True) for repo, size in sizes.items()]
    free, moving = free_bytes(device), choose_offload("auto", models).get(device)
    if free is None:
        return "what is free is not known"
    if max(sizes.values()) > SHARE * free or (moving is None and sum(sizes.values()) > SHARE * free):
        return TOO_LARGE
    if moving is None:
        return "fits"
    waiting = "main memory" if moving.place == "cpu" else "files"
    return f"{moving.num_seats} at a time, the others wait in {waiting}"


def _in_a_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."
