"""Training against a plain twin, batched and padded against one row at a time, and finite differences."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.training import InnerSettings, OuterSettings, as_training_rows
from recursivemas.training.learners import InnerLearner, OuterLearner
from recursivemas.training.train import learning
from tests.support.pupils import ROWS, TWINS, Pupil, StoppedPupil, inner_loss_slowly
from tests.support.toy_agents import ROLE_IDS, ROLES

pytestmark = [pytest.mark.slow, pytest.mark.process]  # loading a system tries out its chat templates

TWO_CRITICS = Path(__file__).parents[2] / "docs" / "two_critics.yaml"
CLOSE = 1e-6


def load(name, toy_release):
    style = TWO_CRITICS if name == "two_critics" else name
    return load_mas_system(style, device="cpu", release=toy_release, dtype="float64")


def rows_for(system):
    data = [{**row, "numbers": row["math_expert"]} for row in ROWS]
    return as_training_rows(system.graph, data)


def gradients(links, loss):
    """Of all parameters, as one vector."""
    for link in links.values():
        link.zero_grad(set_to_none=True)
    loss.backward()
    found = [
        one.grad if one.grad is not None else torch.zeros_like(one)
        for link in links.values()
        for one in link.parameters()
    ]
    return torch.cat([one.flatten() for one in found]).clone()


def assert_close(fast, slow):
    assert (fast - slow).norm() <= CLOSE * slow.norm()


@pytest.fixture(scope="module")
def systems(toy_release):
    loaded = {}

    def get(name):
        if name not in loaded:
            for other in loaded.values():
                other.close()
            loaded.clear()
            loaded[name] = load(name, toy_release)
        return loaded[name]

    return get


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_inner_loss_and_gradients_are_the_twins(systems, style, role):
    system = systems(style.name)
    rows = rows_for(system)
    learner = InnerLearner(system, role, InnerSettings(adapter_mse_weight=0.1))
    with learning(learner.links.values()):
        outcome = learner.read(rows, watched=False)
        fast = gradients(learner.links, outcome.total / outcome.count)
        loss = inner_loss_slowly(system, role, rows, (1.0, 0.1))
        slow = gradients(learner.links, loss)
    assert (outcome.total / outcome.count).item() == pytest.approx(loss.item(), rel=CLOSE)
    assert_close(fast, slow)


@pytest.mark.parametrize("name", [name for name in TWINS if name != "sequential_scaled"])
def test_outer_losses_and_gradients_are_the_twins(systems, name):
    system = systems(name)
    rows = rows_for(system)
    settings = OuterSettings(num_recursive_rounds=2, supervise_final_only=False, max_latent_tokens=7)
    learner = OuterLearner(system, settings)
    with learning(learner.links.values()):
        outcome = learner.read(rows, watched=False)
        fast = gradients(learner.links, outcome.total / outcome.count)
        losses = []
        for row in rows:
            pupil = Pupil(system, row, most=7)
            TWINS[name](pupil, 2)
            losses.append(pupil.losses[1] + 0.1 * pupil.losses[0])
        loss = torch.stack(losses).mean()
        slow = gradients(learner.links, loss)
    assert outcome.count == len(rows)
    assert (outcome.total / outcome.count).item() == pytest.approx(loss.item(), rel=CLOSE)
    assert_close(fast, slow)
    assert (slow != 0).all(dim=0).item() or (slow != 0).float().mean() > 0.9


@pytest.mark.parametrize("through_rollout", [False, True])
@pytest.mark.parametrize("name", ["sequential_scaled", "mixture", "deliberation"])
def test_gradients_of_rollouts_are_the_twins(systems, name, through_rollout):
    system = systems(name)
    rows = rows_for(system)[:2]
    settings = OuterSettings(
        num_recursive_rounds=2, messages="rollout", latent_length=3, through_rollout=through_rollout
    )
    learner = OuterLearner(system, settings)
    twin = Pupil if through_rollout else StoppedPupil
    with learning(learner.links.values()):
        outcome = learner.read(rows, watched=False)
        fast = gradients(learner.links, outcome.total / outcome.count)
        losses = []
        for row in rows:
            pupil = twin(system, row, latent_length=3)
            TWINS[name](pupil, 2)
            losses.append(pupil.losses[1])
        loss = torch.stack(losses).mean()
        slow = gradients(learner.links, loss)
    assert (outcome.total / outcome.count).item() == pytest.approx(loss.item(), rel=CLOSE)
    assert_close(fast, slow)


@pytest.mark.parametrize("messages", ["teacher", "rollout"])
def test_gradients_are_what_finite_differences_give(systems, messages):
    system = systems("sequential_light")
    rows = rows_for(system)[:2]
    settings = OuterSettings(
        num_recursive_rounds=3, messages=messages, latent_length=2, through_rollout=messages == "rollout"
    )
    learner = OuterLearner(system, settings)
    parameters = [one for link in learner.links.values() for one in link.parameters()]
    with learning(learner.links.values()):
        outcome = learner.read(rows, watched=False)
        gradient = gradients(learner.links, outcome.total)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)
    direction *= gradient.abs() / direction.norm()
    step = 1e-4
    values = []
    for sign in (1, -1):
        with torch.no_grad(), shifted(parameters, sign * step * direction):
            values.append(learner.read(rows, watched=False).total.item())
    measured = (values[0] - values[1]) / (2 * step)
    assert measured == pytest.approx((gradient @ direction).item(), rel=1e-4)


class shifted:  # noqa: N801
    """Parameters are that much off inside."""

    def __init__(self, parameters, shift):
        self.parameters = parameters
        self.shifts = shift.split([one.numel() for one in parameters])
        self.kept = [one.detach().clone() for one in parameters]

    def __enter__(self):
        for one, shift in zip(self.parameters, self.shifts, strict=True):
            one.add_(shift.view_as(one))

    def __exit__(self, *_):
        for one, kept in zip(self.parameters, self.kept, strict=True):
            one.copy_(kept)


def test_every_published_style_has_a_twin():
    assert set(PUBLISHED_STYLES) < set(TWINS)
