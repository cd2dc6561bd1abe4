"""Sets that share draws, and updates on them, written out in numpy."""

from itertools import product

import numpy as np
import pytest
import torch

from sgdlab.theory.roberts2018.realisations import (
    change_of_loss,
    moments,
    overlapping_sets,
    sample_changes,
)


def test_moments_are_numpys(quadratics):
    gradients = np.array([quadratics.gradient([j]) for j in range(6)])
    found = moments(quadratics.problem, quadratics.problem.start)
    np.testing.assert_allclose(found.mean, gradients.mean(axis=0), atol=1e-13)
    assert found.trace == pytest.approx(gradients.var(axis=0).sum())
    assert found.mean_square == pytest.approx(gradients.mean(axis=0) @ gradients.mean(axis=0))


def test_overlapping_sets_have_the_joint_distribution_of_ordered_draws():
    """|A| = 2, |B| = 3, one in common: four draws in every order; a statistic of both has the same mean."""
    values = np.array([0.3, -1.0, 2.0])
    expected = np.mean(
        [
            np.exp(values[[a, c]].sum()) * values[[b, d, c]].sum() ** 2
            for a, b, c, d in product(range(3), repeat=4)
        ]
    )
    of, by = overlapping_sets(3, 2, 3, 1)
    table = torch.tensor(values)
    statistic = table[of.examples].sum(dim=1).exp() * table[by.examples].sum(dim=1) ** 2
    assert float(of.mean(statistic)) == pytest.approx(expected, rel=1e-12)


def test_equal_sets_share_every_draw():
    of, by = overlapping_sets(3, 2, 2, 2)
    assert torch.equal(of.examples, by.examples)


def test_the_change_of_a_loss_is_that_of_the_written_out_update(quadratics):
    def loss(examples, point):
        away = point - quadratics.minima[examples]
        return 0.5 * np.einsum("jp,jpq,jq->j", away, quadratics.hessians[examples], away).mean()

    of, by, lr = [0, 1], [1, 2, 5], 0.1
    start = quadratics.start
    expected = loss(of, start - lr * quadratics.gradient(by)) - loss(of, start)
    problem = quadratics.problem
    found = change_of_loss(problem, problem.start, torch.tensor([of]), torch.tensor([by]), lr)
    assert found.tolist() == pytest.approx([expected])


def test_samples_are_those_of_their_seed(quadratics):
    problem = quadratics.problem
    one, same, other = (
        sample_changes(problem, problem.start, 4, 0.1, num_realisations=7, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one.gap, same.gap)
    assert not torch.equal(one.gap, other.gap)
    assert torch.equal(one.gap, one.test - one.train)
    assert one.gap.shape == (7,)
