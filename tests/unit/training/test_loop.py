"""Steps: which rows, which rate, and that neither batches nor accumulation change what is learnt."""

from __future__ import annotations

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup

from recursivemas import load_mas_system
from recursivemas.errors import UserError
from recursivemas.training import InnerSettings, OuterSettings, as_training_rows, train_inner, train_outer
from recursivemas.training.loop import Order, rate_factor
from tests.support.pupils import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.process]  # loading a system tries out its chat templates


def test_the_rate_is_that_of_transformers_schedule():
    settings = OuterSettings(max_steps=40)
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=1.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, 10, 40)
    for step in range(40):
        assert rate_factor(step, 40, settings) == pytest.approx(schedule.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        schedule.step()
    constant = OuterSettings(lr_scheduler_type="constant")
    assert [rate_factor(step, 40, constant) for step in (0, 5, 10, 39)] == [0.0, 0.5, 1.0, 1.0]


def test_each_epoch_has_all_rows_but_those_that_fill_no_step_in_an_order_of_its_own():
    order = Order(11, 4, seed=7)
    epochs = [[row for step in (0, 1) for row in order.rows(2 * epoch + step)] for epoch in range(3)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert Order(11, 4, seed=7).rows(5) == order.rows(5)
    assert Order(11, 4, seed=8).rows(5) != order.rows(5)
    with pytest.raises(UserError, match="3 rows do not fill a step of 4"):
        Order(3, 4, seed=7)


@pytest.mark.parametrize("kind", ["inner", "outer"])
def test_accumulation_gives_what_one_batch_does(toy_release, kind):
    found = []
    for batch_size, accumulated in ((3, 1), (1, 3)):
        with load_mas_system("distillation", device="cpu", release=toy_release, dtype="float64") as system:
            rows = as_training_rows(system.graph, ROWS)
            size = {"batch_size": batch_size, "gradient_accumulation_steps": accumulated, "warmup_steps": 0}
            if kind == "inner":
                train_inner(system, "learner", rows, InnerSettings(max_steps=3, **size))
                found.append(system.agents["learner"].inner_link.state_dict())
            else:
                train_outer(system, rows, OuterSettings(max_steps=3, num_recursive_rounds=1, **size))
                found.append(system.outer_links["expert", "learner"].state_dict())
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-6, atol=1e-9)


def test_epochs_count_where_steps_do_not(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release) as system:
        rows = as_training_rows(system.graph, ROWS)
        trained = train_inner(
            system, "expert", rows, InnerSettings(max_steps=0, num_train_epochs=2, batch_size=1)
        )
        assert len(trained.losses) == 6
        none = train_inner(system, "expert", rows, InnerSettings(max_steps=0, num_train_epochs=0))
        assert none.losses == []
