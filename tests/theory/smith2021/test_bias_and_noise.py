"""Leading terms on quadratics against sums over orders in plain numpy."""

from itertools import permutations

import numpy as np
import pytest

from sgdlab.theory.smith2021.bias_and_noise import (
    SCHEMES,
    leading_bias,
    leading_noise_of_independent,
    leading_noise_of_shuffled,
    measure,
)

SHUFFLED, FORWARD_REVERSE, INDEPENDENT = SCHEMES


def test_the_noise_of_shuffled_runs_is_that_of_the_sum_over_pairs(quadratics):
    batches = quadratics.problem.batches(3).tolist()
    xi = [
        sum(quadratics.batch(order[k])[0] @ quadratics.gradient(order[j]) for k in range(3) for j in range(k))
        for order in permutations(batches)
    ]
    variance = np.mean(np.sum((np.array(xi) - np.mean(xi, axis=0)) ** 2, axis=1))
    expected = 0.1**2 * np.sqrt(2 * variance)  # two epochs
    assert leading_noise_of_shuffled(quadratics.problem, 0.1) == pytest.approx(expected)


def test_the_noise_of_independent_runs_is_that_of_a_sum_of_draws(quadratics):
    gradients = np.array([quadratics.gradient(batch) for batch in quadratics.problem.batches(3).tolist()])
    variance_of_one = np.mean(np.sum((gradients - gradients.mean(axis=0)) ** 2, axis=1))
    expected = 0.1 * np.sqrt(6 * variance_of_one)  # six independent updates
    assert leading_noise_of_independent(quadratics.problem, 0.1) == pytest.approx(expected)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.label)
def test_what_is_measured_meets_the_leading_terms(quadratics, scheme):
    lr = 2.0**-13
    ends, expected = measure(quadratics.problem, scheme, lr), leading_bias(quadratics.problem, scheme, lr)
    # next to the leading terms are those of relative size ε times a Hessian, times 6 updates: 1e-2
    assert (ends.bias - expected).norm() < 2e-2 * expected.norm()
    if scheme is SHUFFLED:
        assert ends.noise == pytest.approx(leading_noise_of_shuffled(quadratics.problem, lr), rel=2e-2)
    elif scheme is INDEPENDENT:
        assert ends.noise == pytest.approx(leading_noise_of_independent(quadratics.problem, lr), rel=2e-2)
    else:
        assert ends.noise < 2e-2 * leading_noise_of_shuffled(quadratics.problem, lr)


def test_independent_runs_are_biased_as_gradient_descent_is(quadratics):
    lr, whole = 2.0**-9, range(6)
    flow, plain = (quadratics.flow([whole], share * lr, 6 * lr) for share in (0.25, 0.0))
    ends = measure(quadratics.problem, INDEPENDENT, lr)
    mean = quadratics.start  # draws are independent: the mean of a product of updates is the product of means
    for _ in range(6):
        mean = mean - lr * quadratics.gradient(whole, mean)
    np.testing.assert_allclose(ends.bias, mean - plain, rtol=1e-6)
    assert ends.bias_left == pytest.approx(np.linalg.norm(mean - flow), rel=1e-5)
