"""Eq. 1 and 12 by hand: numbers that were worked out on paper, and a second, plain enumeration in numpy."""

from itertools import combinations, product

import numpy as np
import pytest
import torch

from sgdlab.theory.lssr2022.batch_moments import (
    concentration,
    enumerate_moments,
    predict_moments,
    run,
)

GRADIENTS = np.random.default_rng(0).standard_normal((4, 3))
HESSIAN = np.diag([3.0, 1.0, -0.5]) + 0.2


def brute_force(batch_size: int, sampling: str) -> np.ndarray:
    """Every batch as an ordered list of indices, all equally likely; returns S_b."""
    indices = range(len(GRADIENTS))
    replaced = sampling == "with"
    batches = product(indices, repeat=batch_size) if replaced else combinations(indices, batch_size)
    means = [GRADIENTS[list(batch)].mean(axis=0) for batch in batches]
    return np.mean([np.outer(mean, mean) for mean in means], axis=0)


@pytest.mark.parametrize("sampling", ["without", "with"])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
@pytest.mark.parametrize("moments", [enumerate_moments, predict_moments])
def test_both_sides_equal_a_plain_sum_over_ordered_batches(moments, batch_size, sampling):
    second = brute_force(batch_size, sampling)
    mean = GRADIENTS.mean(axis=0)
    result = moments(torch.tensor(GRADIENTS), torch.tensor(HESSIAN), batch_size, sampling)
    np.testing.assert_allclose(result.covariance, second - np.outer(mean, mean), atol=1e-14)
    assert result.curvature == pytest.approx(np.trace(HESSIAN @ second), rel=1e-12)
    assert result.concentration == pytest.approx(mean @ mean / np.trace(second), rel=1e-12)


def test_concentration_is_that_of_one_example_at_full_noise_and_one_without():
    assert concentration(2**-7, share=1.0) == 2**-7
    assert concentration(2**-7, share=0.0) == 1
    assert concentration(0.25, share=0.5) == pytest.approx(1 / 2.5)


def test_a_wrong_correction_is_seen(monkeypatch):
    """γ ≈ 1, which much of the literature takes, is off by (b − 1)/(n − 1) of the noise."""
    monkeypatch.setattr("sgdlab.theory.lssr2022.batch_moments.noise_share", lambda b, n, sampling: 1 / b)
    assert [finding.verdict for finding in run().findings] == ["not supported"] * 3


def test_every_equation_holds_on_digits():
    report = run()
    assert [finding.verdict for finding in report.findings] == ["supported"] * 3
    assert all(len(panel.series) == 4 for panel in report.figure.panels)
