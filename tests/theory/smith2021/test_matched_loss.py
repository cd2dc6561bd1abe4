"""C_reg at one loss, from made-up runs; and one real pack."""

import numpy as np
import pytest

from sgdlab.theory.smith2021 import matched_loss
from sgdlab.theory.smith2021.matched_loss import LRS, Trajectory, interpolate, slopes


def test_a_power_of_the_loss_is_interpolated_exactly():
    losses = np.array([2.0, 1.1, 0.7, 0.3, 0.05])
    assert interpolate(Trajectory(losses, 3 * losses**1.5), 0.5) == pytest.approx(3 * 0.5**1.5)


def test_the_first_crossing_counts():
    losses = np.array([2.0, 0.4, 0.6, 0.3])
    found = interpolate(Trajectory(losses, np.array([8.0, 8.0, 1.0, 1.0])), 0.5)
    assert found == pytest.approx(8.0)


@pytest.mark.parametrize("loss", [0.01, 3.0])
def test_a_loss_that_a_run_never_has_is_refused(loss):
    with pytest.raises(ArithmeticError, match=r"isn't between those of the run, 0.1 and 2"):
        interpolate(Trajectory(np.array([2.0, 0.1]), np.ones(2)), loss)


def test_slopes_are_of_each_seed():
    regularizers = np.array([[lr**0.3 for lr in LRS], [5 * lr**-0.1 for lr in LRS]])
    assert slopes(regularizers) == pytest.approx([0.3, -0.1])


def test_runs_of_one_seed_are_trained_as_one_pack(monkeypatch):
    monkeypatch.setattr(matched_loss, "LRS", (2.0**-5, 2.0**-4))
    monkeypatch.setattr(matched_loss, "SEEDS", range(2))
    monkeypatch.setattr(matched_loss, "TIME", 4.0)
    monkeypatch.setattr(matched_loss, "NUM_EVALUATIONS", 4)
    found = matched_loss.train()
    assert found.keys() == {(lr, seed) for lr in (2.0**-5, 2.0**-4) for seed in (0, 1)}
    for trajectory in found.values():
        assert len(trajectory.train_loss) == len(trajectory.c_reg) >= 4
        assert trajectory.train_loss[-1] < trajectory.train_loss[0]
        assert (trajectory.c_reg > 0).all()
