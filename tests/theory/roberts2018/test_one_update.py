"""Eq. 7: first order to rounding, second order left out; and a wrong overlap is seen."""

from dataclasses import replace

import pytest
import torch

from sgdlab.theory.order_fit import fit_order
from sgdlab.theory.roberts2018 import one_update
from sgdlab.theory.roberts2018.one_update import LRS, OVERLAPS, enumerate_overlap, predicted_change
from sgdlab.theory.roberts2018.realisations import Distribution, trained_digits


def test_the_prediction_by_hand():
    distribution = Distribution(mean=torch.tensor([3.0, 4.0]), trace=12.0)
    assert predicted_change(distribution, 2, 3, 1, lr=0.1) == pytest.approx(-0.1 * (25 + 2))


@pytest.mark.parametrize("sizes", OVERLAPS)
def test_every_realisation_gives_eq_7_to_first_order(sizes):
    overlap = enumerate_overlap(*trained_digits(3), sizes)
    assert overlap.product == pytest.approx(overlap.predicted_product, rel=1e-12)
    assert fit_order(LRS, overlap.remainders).order == pytest.approx(2, abs=0.02)


def test_on_quadratics_the_remainder_is_the_second_order_term(quadratics):
    """η²/2 ⟨g_Bᵀ H_A g_B⟩ and nothing else: its ratio to η² is one number."""
    problem = quadratics.problem
    small = replace(problem, num_examples=3)
    remainders = enumerate_overlap(small, problem.start, (2, 2, 1)).remainders
    ratios = [remainder / lr**2 for remainder, lr in zip(remainders, LRS, strict=True)]
    assert ratios == pytest.approx([ratios[-1]] * len(LRS), rel=1e-6)


def test_without_the_shared_draws_the_order_falls(monkeypatch):
    monkeypatch.setattr(
        one_update, "predicted_change", lambda distribution, a, b, common, lr: -lr * distribution.mean_square
    )
    overlap = enumerate_overlap(*trained_digits(3), (2, 2, 2))
    assert fit_order(LRS, overlap.remainders).order == pytest.approx(1, abs=0.1)


def test_real_digits_support_both_changes(monkeypatch):
    monkeypatch.setattr(one_update, "OVERLAPS", OVERLAPS[:1])
    monkeypatch.setattr(one_update, "NUM_TRAIN", (8, 64))
    monkeypatch.setattr(one_update, "NUM_REALISATIONS", 4000)
    report = one_update.run()
    assert [finding.verdict for finding in report.findings] == ["supported"] * 4
