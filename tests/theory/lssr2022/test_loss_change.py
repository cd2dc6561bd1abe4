"""Eq. 6 and 7: on two quadratics in one dimension everything can be written down."""

import pytest
import torch

from sgdlab.theory.lssr2022 import loss_change
from sgdlab.theory.problems import quadratic

# ½(θ − 1)² and ½·3·(θ + 1)²: at θ = 0 gradients −1 and 3, mean 1; Hessian 2; L = 1
TWO = quadratic(
    torch.tensor([[[1.0]], [[3.0]]], dtype=torch.float64),
    torch.tensor([[1.0], [-1.0]], dtype=torch.float64),
    torch.zeros(1, dtype=torch.float64),
)


def test_interaction_by_hand():
    assert loss_change.interaction(TWO, TWO.start, 1) == pytest.approx((2 * (1 + 9) / 2, 1.0))
    assert loss_change.interaction(TWO, TWO.start, 2) == pytest.approx((2.0, 1.0))


@pytest.mark.parametrize("lr", [0.1, 0.5])
def test_expected_change_by_hand(lr):
    """L(θ) = ¼(θ − 1)² + ¾(θ + 1)²; from 0, b = 1 goes to η or to −3η."""

    def loss(x: float) -> float:
        return 0.25 * (x - 1) ** 2 + 0.75 * (x + 1) ** 2

    measured = loss_change.expected_change(TWO, TWO.start, 1, lr)
    assert measured == pytest.approx((loss(lr) + loss(-3 * lr)) / 2 - 1, rel=1e-12)
    assert measured == pytest.approx(loss_change.predicted_change(10.0, 1.0, lr), rel=1e-12)


def test_the_loss_stands_still_at_the_threshold():
    """tr(H S_1)/tr S_n = 10, so η = 1/5."""
    assert loss_change.expected_change(TWO, TWO.start, 1, 0.2) == pytest.approx(0, abs=1e-15)


def test_line_condition_and_orders():
    report = loss_change.run()
    assert [finding.verdict for finding in report.findings] == ["supported"] * 5
    labels = {series.label: len(series.x) for series in report.figure.panels[0].series}
    assert min(labels.values()) > 5  # the condition is tested from both sides


def test_half_the_curvature_is_seen(monkeypatch):
    """With tr(H S_b)/2 in place of tr(H S_b) the line is missed and the remainder is of second order."""
    right = loss_change.interaction
    monkeypatch.setattr(loss_change, "interaction", lambda *args: (right(*args)[0] / 2, right(*args)[1]))
    verdicts = [finding.verdict for finding in loss_change.run().findings]
    assert verdicts[:4] == ["not supported"] * 4
