"""Derivatives against closed forms on quadratics, and central differences on a network."""

import numpy as np
import pytest
import torch

from sgdlab.theory.derivatives import example_gradients, full_hessian, losses, trace_of_covariance
from sgdlab.theory.problems import digits_mlp


def test_quadratics_have_the_gradients_and_the_hessian_that_they_were_made_of(quadratics):
    problem = quadratics.problem
    expected = [quadratics.gradient([j]) for j in range(6)]
    np.testing.assert_allclose(example_gradients(problem, problem.start), expected, atol=1e-13)
    np.testing.assert_allclose(
        full_hessian(problem, problem.start), quadratics.hessians.mean(axis=0), atol=1e-13
    )


def test_the_hessian_of_a_network_is_that_of_central_differences():
    problem = digits_mlp(3)
    direction = torch.randn(
        len(problem.start), dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    direction /= direction.norm()
    step = 1e-5  # cube root of 1e-16: rounding 1e-11 against a third derivative times 1e-10

    def gradient(by: float) -> torch.Tensor:
        return example_gradients(problem, problem.start + by * direction).mean(dim=0)

    difference = (gradient(step) - gradient(-step)) / (2 * step)
    product = full_hessian(problem, problem.start) @ direction
    np.testing.assert_allclose(product, difference, atol=1e-7)


def test_losses_are_means_over_sets_at_points_of_their_own(quadratics):
    problem = quadratics.problem
    points = torch.stack([problem.start, 2 * problem.start])
    sets = torch.tensor([[0, 1], [2, 2]])

    def cost(j: int, point: np.ndarray) -> float:
        away = point - quadratics.minima[j]
        return 0.5 * away @ quadratics.hessians[j] @ away

    start = quadratics.start
    expected = [(cost(0, start) + cost(1, start)) / 2, cost(2, 2 * start)]
    assert losses(problem, points, sets).tolist() == pytest.approx(expected)


def test_the_trace_of_the_covariance_is_over_n():
    gradients = np.random.default_rng(0).normal(size=(5, 3))
    expected = np.trace(np.cov(gradients.T, ddof=0))
    assert float(trace_of_covariance(torch.tensor(gradients))) == pytest.approx(expected)
