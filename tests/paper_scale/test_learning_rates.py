"""The learning rate of every point of every sweep, over its whole length at the papers' scale.

What the papers say is written down here, and held against the rates themselves: where they change, by what
factor, and what they come to. Nothing here knows how a schedule is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

from sgdlab.config.components import EpochBudget, HoldThenDecayToSchedule
from sgdlab.config.schema import Run
from sgdlab.training.schedules import relative_learning_rates, relative_to

MOST_UPDATES = 100_000  # that are looked at, evenly spread; beside them, all near a drop


@dataclass(frozen=True)
class Stated:
    """Half of training at ε₀, then `num_drops` divisions by γ at equal distances; or no change at all."""

    num_drops: int = 0
    factor: float = 1.0  # γ

    def is_due(self, drop: int, num_updates: int) -> float:
        """Return after how many updates a drop is to come, were updates divisible."""
        return num_updates * (1 + (drop - 1) / self.num_drops) / 2


def stated(sweep_name: str, run: Run) -> Stated:
    """Say what the paper says of a run's learning rate."""
    paper, _, figure = sweep_name.partition("/")
    if paper == "smith2020" and figure.startswith("fig3"):  # §7.1: γ is tuned, by the final rate
        final_lr = getattr(
            run.schedule, "final_lr", run.optimizer.lr
        )  # the same as the first: it never changes
        return Stated(10, (run.optimizer.lr / final_lr) ** 0.1)
    if paper == "smith2020":  # §4
        return Stated(10, 2.0)
    if paper == "smith2021" and figure.startswith("fig4"):  # §4: at every remaining tenth of training
        return Stated(5, 2.0)
    return Stated()


def rates_of(run: Run, updates: np.ndarray) -> np.ndarray:
    """Return the learning rates with which these updates are made."""
    lr, schedule = run.optimizer.lr, relative_to(run.optimizer.lr, run.schedule)
    relative = relative_learning_rates(
        schedule, torch.from_numpy(updates), run.num_updates, run.updates_per_epoch
    )
    return lr * relative.numpy()


@cache
def looked_at(num_updates: int, num_drops: int) -> np.ndarray:
    """Return numbers of updates in order, the first and the last among them."""
    every = [np.linspace(0, num_updates - 1, min(num_updates, MOST_UPDATES)).astype(np.int64)]
    for drop in range(1, num_drops + 1):
        due = round(Stated(num_drops).is_due(drop, num_updates))
        every.append(np.arange(due - 2 * num_drops, due + 2 * num_drops))
    return np.unique(np.concatenate(every).clip(0, num_updates - 1))


def test_the_learning_rate_is_what_the_paper_says(sweep_name, points):
    for run in dict.fromkeys(points):
        lr, said = run.optimizer.lr, stated(sweep_name, run)
        updates = looked_at(run.num_updates, said.num_drops)
        rates = rates_of(run, updates)
        changes = np.flatnonzero(np.diff(rates)) + 1
        drops = updates[changes]
        if said.factor != 1:
            assert len(drops) == said.num_drops
            assert (updates[changes - 1] == drops - 1).all()  # so it is known to the update where they are
            assert len(set(np.diff(drops))) == 1
        # a whole number of updates lies before the first drop, and between any two: each rounded down
        for drop, update in enumerate(drops, 1):
            assert said.is_due(drop, run.num_updates) - drop < update <= said.is_due(drop, run.num_updates)
        levels = [rates[0], *rates[changes]]
        assert levels[0] == lr
        np.testing.assert_allclose(
            levels, [lr / said.factor**drop for drop in range(len(levels))], rtol=1e-12
        )
        if isinstance(run.schedule, HoldThenDecayToSchedule):
            assert rates[-1] == pytest.approx(run.schedule.final_lr, rel=1e-12)


def test_a_budget_in_epochs_is_so_many_passes_over_the_data(points):
    for run in dict.fromkeys(points):
        if isinstance(run.budget, EpochBudget):
            optimizer, num_train = run.optimizer, run.data.num_train
            passes = run.num_updates / optimizer.inner_steps * optimizer.batch_size / num_train
            short_of = optimizer.batch_size / num_train  # less than a minibatch is left over
            if optimizer.order == "sequential":  # or, where each pass begins anew, that much of each
                short_of *= 1 + run.budget.num_epochs
            assert run.budget.num_epochs - short_of < passes <= run.budget.num_epochs + 1e-9
