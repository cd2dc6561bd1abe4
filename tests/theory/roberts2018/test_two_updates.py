"""Eq. 12 and 13 on quadratics, where they have no remainder and every term is a matrix product."""

from itertools import product

import numpy as np
import pytest
import torch

from sgdlab.theory.roberts2018 import two_updates
from sgdlab.theory.roberts2018.two_updates import (
    commutator,
    gap_gradient,
    gradient_difference,
    predicted_difference,
)

FIRST, SECOND = [0, 1], [2, 5]


def matrix_difference(quadratics, first, second, lr):
    """δg from δθ = −2ηg + η²hg of gradient descent and −η(g_B + g_C) + η²h_C g_B of SGD."""
    union = [*first, *second]
    of_gd = quadratics.batch(union)[0] @ quadratics.gradient(union)
    of_sgd = quadratics.batch(second)[0] @ quadratics.gradient(first)
    return -lr * (of_gd - of_sgd)


@pytest.mark.parametrize("difference", [gradient_difference, predicted_difference])
def test_on_quadratics_updates_and_eq_12_are_one_matrix_product(quadratics, difference):
    problem, lr = quadratics.problem, 0.1
    (found,) = difference(problem, problem.start, torch.tensor([FIRST]), torch.tensor([SECOND]), lr)
    np.testing.assert_allclose(found, matrix_difference(quadratics, FIRST, SECOND, lr), atol=1e-13)


def test_the_second_bracket_changes_sign_with_the_order(quadratics):
    problem, (first, second) = quadratics.problem, torch.tensor([[FIRST], [SECOND]])
    one, other = (
        commutator(problem, problem.start, first, second),
        commutator(problem, problem.start, second, first),
    )
    assert torch.equal(one, -other)
    assert float(one.norm()) > 0.1


def test_the_mean_over_ordered_draws_is_eq_13(quadratics):
    """N = 2: every ordered pair of examples; −½η ∂tr Σ/N by hand, ∂tr Σ = (2/6) Σ (A_j − A)(g_j − g)."""
    lr = 0.1
    mean = np.mean(
        [matrix_difference(quadratics, [j], [k], lr) for j, k in product(range(6), repeat=2)], axis=0
    )
    average = quadratics.hessians.mean(axis=0)
    slope = np.mean(
        [
            2
            * (quadratics.hessians[j] - average)
            @ (quadratics.gradient([j]) - quadratics.gradient(range(6)))
            for j in range(6)
        ],
        axis=0,
    )
    np.testing.assert_allclose(mean, -lr / 2 * slope / 2, atol=1e-12)
    np.testing.assert_allclose(gap_gradient(quadratics.problem, quadratics.problem.start, 2), slope / 2)


def test_all_findings_hold_and_the_controls_fall_by_one_order(monkeypatch):
    monkeypatch.setattr(two_updates, "NUM_REALISATIONS", 10_000)
    report = two_updates.run()
    assert {finding.verdict for finding in report.findings} == {"supported"}
    orders = [round(finding.value) for finding in report.findings]
    assert orders[:2] == [2, 1]
    assert orders[3:6] == [2, 1, 1]


def test_a_wrong_factor_in_eq_12_is_seen(monkeypatch):
    right = two_updates.predicted_difference
    monkeypatch.setattr(two_updates, "predicted_difference", lambda *args, lr: right(*args, lr=lr) * 1.01)
    monkeypatch.setattr(two_updates, "sample_coefficient", lambda: (-0.5, (-0.5, -0.5)))
    verdicts = [finding.verdict for finding in two_updates.run().findings]
    assert verdicts[0] != "supported"
    assert verdicts[2] == "not supported"
