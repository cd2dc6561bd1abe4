"""Findings from iterates whose errors and noise are made up."""

import numpy as np
import pytest

from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.smith2021.real_network.estimated import crossing, estimate, order_in_lr, value_at
from sgdlab.theory.smith2021.real_network.mean_iterate import MeanIterate

LRS = (0.01, 0.02, 0.04, 0.08)


def test_an_exact_order_has_no_interval(iterate):
    cubic = [iterate(lr, 5 * lr**3, lr**2, noise=0.0) for lr in LRS]
    finding = order_in_lr("It is O(ε³).", cubic, MeanIterate.error, 3, "Made up.")
    assert finding.value == pytest.approx(3)
    assert finding.interval == pytest.approx((3, 3))
    assert (finding.verdict, finding.remark) == ("supported", "Made up.")


def test_the_interval_of_an_order_holds_the_noise(iterate):
    """Groups' noise of c·ε³ in common moves all errors alike; of one iterate alone, it moves the slope."""
    common = [iterate(lr, 5 * lr**3, lr**2, noise=lr**3) for lr in LRS]
    apart = [iterate(lr, 5 * lr**3, lr**2, noise=lr**3, seed=seed) for seed, lr in enumerate(LRS)]
    low, high = order_in_lr("", common, MeanIterate.error, 3).interval
    assert high - low < 1e-6
    low, high = order_in_lr("", apart, MeanIterate.error, 3).interval
    # Each log error has a deviation of 1/(5√10) = 0.063, the slope one of 0.063/√Σ(ln ε − mean)² = 0.041
    assert 0.1 < high - low < 0.8
    assert low < 3 < high


def test_the_interval_of_an_order_holds_the_curvature(iterate):
    bent = [iterate(lr, lr**3 + 4 * lr**4, lr**2, noise=0.0) for lr in LRS]
    finding = order_in_lr("", bent, MeanIterate.error, 3)
    low, high = finding.interval
    assert 3 < finding.value < 3.2
    assert high - low > 0.05


def test_a_value_has_students_interval(iterate):
    one = iterate(0.1, 2.0, 4.0, noise=0.1)
    finding = value_at("Below.", one, MeanIterate.unexplained, Expectation(below=0.6))
    low, high = finding.interval
    assert low < 0.5 < high
    # The ratio's deviation is about √(1 + ¼)·0.1/√10/4 = 0.009; the t-quantile with 9 dof is 2.26
    assert high - low == pytest.approx(2 * 2.26 * 0.009, rel=0.6)
    assert finding.verdict == "supported"


def test_a_crossing_is_between_its_neighbours(iterate):
    shares = {1.0: 0.1, 2.0: 0.2, 4.0: 0.4}
    iterates = {x: iterate(x, share, 1.0, noise=0.0) for x, share in shares.items()}
    finding = crossing("Above.", iterates, MeanIterate.unexplained, 0.25, Expectation(above=1))
    assert finding.value == pytest.approx(2.5)
    assert finding.interval == pytest.approx((2.5, 2.5))


def test_an_estimate_has_a_standard_error_for_each_learning_rate(iterate):
    found = estimate([iterate(lr, lr, 1.0, noise=0.1 * lr) for lr in LRS], MeanIterate.error)
    np.testing.assert_allclose(found.values, LRS, rtol=0.2)
    np.testing.assert_allclose(
        found.standard_errors / found.standard_errors[0], np.divide(LRS, LRS[0]), rtol=1e-9
    )
