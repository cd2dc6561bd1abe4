"""Eq. 9: every realisation in closed form on quadratics, and a power law that is known."""

from itertools import product

import numpy as np
import pytest
import torch

from sgdlab.theory.order_fit import fit_order
from sgdlab.theory.roberts2018 import generalization_gap
from sgdlab.theory.roberts2018.generalization_gap import LRS, enumerated_remainder, expected_gap, fit_power
from sgdlab.theory.roberts2018.realisations import trained_digits


def test_the_expected_gap_is_that_of_every_ordered_draw(quadratics):
    def loss(examples, point):
        away = point - quadratics.minima[examples]
        return 0.5 * np.einsum("jp,jpq,jq->j", away, quadratics.hessians[examples], away).mean()

    lr, start, gaps = 0.05, quadratics.start, []
    for train in map(list, product(range(6), repeat=2)):
        end = start - lr * quadratics.gradient(train)
        everyone = list(range(6))
        gaps.append(loss(everyone, end) - loss(everyone, start) - loss(train, end) + loss(train, start))
    found = expected_gap(quadratics.problem, quadratics.problem.start, 2, lr)
    assert found == pytest.approx(np.mean(gaps), rel=1e-10)


@pytest.mark.parametrize("num_train", [1, 3])
def test_eq_9_leaves_out_the_second_order(num_train):
    assert enumerated_remainder(*trained_digits(3), num_train).finding.verdict == "supported"


def test_another_power_of_n_is_seen(monkeypatch):
    monkeypatch.setattr(generalization_gap, "predicted_gap", lambda trace, n, lr: lr * trace / n**2)
    errors = enumerated_remainder(*trained_digits(3), 3).errors
    assert fit_order(LRS, errors).order == pytest.approx(1, abs=0.1)


def test_a_known_power_lies_in_its_interval_and_the_interval_is_honest():
    """Means 8/x, each of 400 samples with deviation 1: of 200 fits about 95 % hold −1."""
    generator = torch.Generator().manual_seed(0)
    xs = (1.0, 2.0, 4.0, 8.0)
    held = 0
    for _ in range(200):
        samples = [8 / x + torch.randn(400, dtype=torch.float64, generator=generator) for x in xs]
        _, (low, high) = fit_power(xs, samples)
        held += low <= -1 <= high
    assert 180 <= held <= 199  # binomial(200, 0.95): 190 ± 3.1, three standard deviations and more


def test_real_digits(monkeypatch):
    monkeypatch.setattr(generalization_gap, "ENUMERATED_TRAIN", (1,))
    monkeypatch.setattr(generalization_gap, "NUM_TRAIN", (8, 16, 32))
    monkeypatch.setattr(generalization_gap, "NUM_REALISATIONS", 4000)
    assert {finding.verdict for finding in generalization_gap.run().findings} == {"supported"}
