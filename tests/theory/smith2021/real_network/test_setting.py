"""The start of all runs: a plain loop of gradient descent, and the Hessian by differences of gradients."""

import numpy as np
import pytest
import torch

from sgdlab.theory.order_population import Shuffles
from sgdlab.theory.problems import digits_mlp
from sgdlab.theory.smith2021.real_network import setting


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(setting, "NUM_EXAMPLES", 12)
    monkeypatch.setattr(setting, "HIDDEN_WIDTHS", (2,))
    monkeypatch.setattr(setting, "NUM_WARM_UP_UPDATES", 7)
    return setting.begin()


def test_it_starts_where_gradient_descent_leads(small):
    problem = digits_mlp(12, (2,))
    point = problem.start[None]
    for _ in range(7):
        point = point - 0.1 * problem.gradients(point, problem.batches(1))
    torch.testing.assert_close(small.problem.start, point[0])
    assert small.cost == pytest.approx(problem.costs(point, problem.batches(1)).mean().item())


def test_the_top_eigenvalue_is_that_of_the_hessian(small):
    """Central differences with h = 1e-5 are right to about h² and 1e-16/h."""
    start, step = small.problem.start, 1e-5
    ways = step * torch.eye(len(start), dtype=torch.float64)
    everything = small.problem.batches(1).expand(len(start), -1)
    up, down = (small.problem.gradients(start + sign * ways, everything) for sign in (1, -1))
    hessian = ((up - down) / (2 * step)).numpy()
    top = np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]
    assert small.top_eigenvalue == pytest.approx(top, rel=1e-7)


def test_learning_rates_come_from_the_time_of_an_epoch(small):
    shuffles = Shuffles(batch_size=3, num_epochs=1, num_groups=2, group_size=1)
    assert small.num_batches(shuffles) == 4
    assert 4 * small.lr(0.2, shuffles) * small.top_eigenvalue == pytest.approx(0.2)
