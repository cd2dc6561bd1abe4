"""Eq. 18 on quadratics, where the mean epoch is a polynomial in ε: its coefficients by interpolation."""

from itertools import permutations

import numpy as np
import pytest
import torch

from sgdlab.theory.problems import digits_mlp
from sgdlab.theory.smith2021.mean_epoch import epoch_errors, mean_epoch, mean_epoch_by_eq18


def mean_over_orders(quadratics, batches, lr):
    ends = []
    for order in permutations(batches):
        point = quadratics.start
        for batch in order:
            point = point - lr * quadratics.gradient(batch, point)
        ends.append(point)
    return np.mean(ends, axis=0)


def test_eq18_has_the_first_three_coefficients(quadratics):
    batches, lr = quadratics.problem.batches(3), 0.25
    lrs = np.array([0.0, 0.25, 0.5, 0.75])  # four points determine the polynomial of degree m = 3
    ends = [mean_over_orders(quadratics, batches.tolist(), one) for one in lrs]
    coefficients = np.linalg.solve(np.vander(lrs, increasing=True), ends)
    expected = coefficients[0] + lr * coefficients[1] + lr**2 * coefficients[2]
    np.testing.assert_allclose(mean_epoch_by_eq18(quadratics.problem, batches, lr), expected, rtol=1e-10)


def test_errors_are_those_of_enumeration_and_matrix_exponential(quadratics):
    lr, batches = 2.0**-5, quadratics.problem.batches(3).tolist()
    mean = mean_over_orders(quadratics, batches, lr)
    _, from_flow = epoch_errors(quadratics.problem, 3, lr)
    assert from_flow == pytest.approx(
        np.linalg.norm(mean - quadratics.flow(batches, lr / 4, 3 * lr)), rel=1e-6
    )


def test_a_sample_of_orders_and_their_reverses_is_near_the_mean_over_all(monkeypatch):
    problem, lr = digits_mlp(num_examples=12, hidden_widths=(3,)), 2.0**-6
    batches = problem.batches(6)
    exact = mean_epoch(problem, batches, lr)
    monkeypatch.setattr("sgdlab.theory.smith2021.mean_epoch.MOST_ENUMERATED", 5)
    sampled = mean_epoch(problem, batches, lr)
    expanded = mean_epoch_by_eq18(problem, batches, lr)
    # what is left of the noise is of the size of the third order, over √1000
    assert 0 < torch.dist(sampled, exact) < 0.1 * torch.dist(expanded, exact)
