"""E C_SGD against every subset of a batch's size, matrix exponentials, and finite differences."""

from itertools import combinations

import numpy as np
import pytest
import torch

from sgdlab.theory.expected_modified_loss import expected_modified_descent, expected_square_norm_gradient
from sgdlab.theory.flows import follow, modified_descent
from sgdlab.theory.problems import digits_mlp

BATCH_SIZES = (1, 2, 3, 4, 6)
LR = 0.05


def every_batch(batch_size):
    # Over shuffles of the examples a batch is any subset, each as often
    return [list(batch) for batch in combinations(range(6), batch_size)]


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_the_gradient_of_the_square_norm_is_the_mean_over_every_batch(quadratics, batch_size):
    """∇‖A ω − b‖² = 2 A (A ω − b)."""
    expected = [2 * quadratics.batch(one)[0] @ quadratics.gradient(one) for one in every_batch(batch_size)]
    found = expected_square_norm_gradient(quadratics.problem, batch_size, quadratics.problem.start)
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-12)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_the_flow_is_the_matrix_exponential(quadratics, batch_size):
    problem = quadratics.problem
    end = follow(expected_modified_descent(problem, batch_size, LR), problem.start, time=0.7)
    expected = quadratics.flow(every_batch(batch_size), LR / 4, 0.7)
    np.testing.assert_allclose(end, expected, rtol=1e-10)


def test_a_batch_of_all_examples_is_gradient_descent():
    problem = digits_mlp(6, (3,))
    found = expected_modified_descent(problem, 6, LR)(problem.start)
    torch.testing.assert_close(found, modified_descent(problem, problem.batches(1), LR / 4)(problem.start))


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_the_field_is_the_slope_of_equation_22(batch_size):
    """Central differences with h = 1e-5: h² and rounding/h are both below 1e-9 of the slope."""
    num_examples, step = 6, 1e-5
    problem = digits_mlp(num_examples, (3,))

    def loss(point) -> float:
        examples = torch.arange(num_examples)[:, None]
        gradients = problem.gradients(point.expand(num_examples, -1), examples).numpy()
        full = gradients.mean(axis=0)
        trace = ((gradients - full) ** 2).sum(axis=1).mean()
        share = (num_examples - batch_size) / (num_examples - 1) / batch_size
        cost = problem.costs(point[None], problem.batches(1)).mean().item()
        return cost + LR / 4 * (full @ full + share * trace)

    field = expected_modified_descent(problem, batch_size, LR)(problem.start)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        way = torch.randn(len(problem.start), generator=generator, dtype=torch.float64)
        slope = (loss(problem.start + step * way) - loss(problem.start - step * way)) / (2 * step)
        assert -(field @ way).item() == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("batch_size", [0, 7])
def test_a_batch_is_between_one_example_and_all(quadratics, batch_size):
    problem = quadratics.problem
    message = f"batch_size={batch_size} must be between 1 and the 6 examples"
    with pytest.raises(ValueError, match=message):
        expected_modified_descent(problem, batch_size, LR)
    with pytest.raises(ValueError, match=message):
        expected_square_norm_gradient(problem, batch_size, problem.start)
