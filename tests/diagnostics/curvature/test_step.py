"""Losses and curvature along a step, against the loss itself and the dense Hessian there."""

from itertools import combinations

import pytest
import torch

from sgdlab.diagnostics.curvature.step import along_step, cosine, mean_loss_change
from sgdlab.errors import UserError


def test_loss_and_sharpness_along_the_way(small):
    risk, rate = small.risk(chunk_size=10), 0.4
    gradient = risk.gradient()
    found = along_step(risk, gradient, torch.tensor([rate]), [0, 0.5, 1.25])
    for place, fraction in enumerate(found.fractions):
        there = small.point - fraction * rate * gradient[0]
        assert found.loss[place].item() == pytest.approx(small.loss_at(there).item())
        hessian = torch.autograd.functional.hessian(small.loss_at, there)
        sharpness = gradient[0] @ hessian @ gradient[0] / gradient[0].square().sum()
        assert found.sharpness[place].item() == pytest.approx(sharpness.item())


def test_a_full_batch_has_one_change(small):
    risk = small.risk()
    found = mean_loss_change(risk, risk.gradient(), torch.tensor([0.2]), 23)
    moved = small.point - 0.2 * risk.gradient()[0]
    assert found.value.item() == pytest.approx((small.loss_at(moved) - small.loss_at(small.point)).item())
    assert found.standard_error.item() == 0


def test_the_mean_over_batches_is_that_of_all_batches(small):
    examples = torch.arange(8)
    gradients = small.example_gradients()[:8]
    changes = [
        small.loss_at(small.point - 0.3 * gradients[list(batch)].mean(dim=0), slice(0, 8))
        for batch in combinations(range(8), 2)
    ]
    expected = (torch.stack(changes).mean() - small.loss_at(small.point, slice(0, 8))).item()
    risk = small.risk().on(examples)
    found = mean_loss_change(risk, risk.gradient(), torch.tensor([0.3]), 2, num_batches=200)
    assert abs(found.value.item() - expected) < 3 * found.standard_error.item()
    spread = torch.stack(changes).std().item()
    assert found.standard_error.item() < 0.7 * spread / 200**0.5  # the first order is known, not averaged


def test_the_cosine_ignores_signs_and_lengths():
    left = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    assert cosine(left, torch.tensor([[-6.0, -8.0], [1.0, 1.0]])).tolist() == pytest.approx([1, 0.5**0.5])


def test_impossible_batches_are_refused(small):
    risk, rate = small.risk(), torch.tensor([0.1])
    with pytest.raises(UserError, match="batch_size=24 must be between 1 and the 23 examples"):
        mean_loss_change(risk, risk.gradient(), rate, 24)
    with pytest.raises(UserError, match="num_batches=1 must be at least 2"):
        mean_loss_change(risk, risk.gradient(), rate, 2, num_batches=1)
