"""Flows on quadratics against the matrix exponential; modified losses against finite differences."""

import numpy as np
import pytest
import torch

from sgdlab.theory.flows import follow, mean_square_norm_gradient, modified_descent
from sgdlab.theory.problems import digits_mlp


@pytest.mark.parametrize("num_batches", [1, 2, 6])
@pytest.mark.parametrize("strength", [0.0, 0.05])
def test_a_flow_ends_where_the_matrix_exponential_says(quadratics, num_batches, strength):
    problem = quadratics.problem
    batches = problem.batches(num_batches)
    found = follow(modified_descent(problem, batches, strength), problem.start, 0.7)
    expected = quadratics.flow(batches.tolist(), strength, 0.7)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_a_short_flow_keeps_the_digits_of_its_displacement(quadratics):
    problem, time = quadratics.problem, 2.0**-20
    batches = problem.batches(2)
    found = follow(modified_descent(problem, batches, 0.0), problem.start, time) - problem.start
    # the displacement to second order; the third is of relative size 1e-11
    gradient, hessian = quadratics.gradient(range(6)), quadratics.hessians.mean(axis=0)
    np.testing.assert_allclose(found, -time * gradient + time**2 / 2 * hessian @ gradient, rtol=1e-9)


def test_the_modified_loss_descends_its_own_gradient_on_a_network():
    problem, strength = digits_mlp(num_examples=8, hidden_widths=(3,)), 0.3
    batches = problem.batches(4)

    def modified_loss(point):
        norms = problem.gradients(point.expand(4, -1), batches).square().sum(dim=1)
        cost = problem.costs(point[None], batches.view(1, -1)).mean()
        return cost + strength * norms.mean()

    found = modified_descent(problem, batches, strength)(problem.start)
    penalty = mean_square_norm_gradient(problem, batches, problem.start)
    plain = modified_descent(problem, batches, 0.0)(problem.start)
    torch.testing.assert_close(found, plain - strength * penalty)
    step = 6e-6  # machine_eps^(1/3)
    for parameter in (0, 100, 193, 230):
        shift = torch.zeros_like(problem.start)
        shift[parameter] = step
        slope = (modified_loss(problem.start + shift) - modified_loss(problem.start - shift)) / (2 * step)
        torch.testing.assert_close(found[parameter], -slope, rtol=1e-7, atol=1e-8)


def test_a_flow_that_ends_nowhere_is_an_error():
    with pytest.raises(ArithmeticError, match="could not be followed for 2"):
        follow(lambda point: point**2, torch.tensor([1.0], dtype=torch.float64), 2.0)  # infinite at time 1
