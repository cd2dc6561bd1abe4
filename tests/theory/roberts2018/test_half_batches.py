"""What the expansions are made of, on quadratics, whose gradients A ω − b and Hessians A are matrices."""

import numpy as np
import pytest
import torch
from torch.func import grad

from sgdlab.theory.roberts2018.half_batches import displacement, hessian_products, noise_trace, spread

BATCHES = [[0, 1], [2, 5], [3, 4]]


def test_hessian_products_are_those_of_matrices(quadratics):
    vectors = np.random.default_rng(0).normal(size=(3, 3))
    found = hessian_products(
        quadratics.problem, quadratics.problem.start, torch.tensor(BATCHES), torch.tensor(vectors)
    )
    expected = [quadratics.batch(batch)[0] @ vector for batch, vector in zip(BATCHES, vectors, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_the_spread_and_its_gradient_are_those_of_a_quadratic_form(quadratics):
    """Σ‖g_k − g‖² with g_k − g = D_k ω − e_k has the gradient 2Σ D_kᵀ(g_k − g)."""
    pairs = [quadratics.batch(batch) for batch in BATCHES]
    mean = quadratics.gradient(range(6))
    away = [quadratics.gradient(batch) - mean for batch in BATCHES]
    differences = [a - quadratics.hessians.mean(axis=0) for a, _ in pairs]
    of_batches, start = spread(quadratics.problem, torch.tensor(BATCHES)), quadratics.problem.start
    assert float(of_batches(start)) == pytest.approx(sum(one @ one for one in away))
    expected = 2 * sum(d.T @ one for d, one in zip(differences, away, strict=True))
    np.testing.assert_allclose(grad(of_batches)(start), expected, atol=1e-12)


def test_the_trace_of_noise_is_over_n(quadratics):
    gradients = np.array([quadratics.gradient([j]) for j in (0, 3, 4)])
    found = noise_trace(quadratics.problem, torch.tensor([0, 3, 4]))(quadratics.problem.start)
    assert float(found) == pytest.approx(gradients.var(axis=0).sum())


def test_a_displacement_is_the_sum_of_written_out_updates(quadratics):
    lr, point = 0.1, quadratics.start
    for batch in BATCHES:
        point = point - lr * quadratics.gradient(batch, point)
    sequence = torch.tensor(BATCHES)[:, None]
    (found,) = displacement(quadratics.problem, quadratics.problem.start, sequence, lr)
    np.testing.assert_allclose(found, point - quadratics.start, atol=1e-14)
