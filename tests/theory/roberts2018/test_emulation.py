"""Emulation on quadratics: the ε² terms as matrix products; enumerations; and wrong penalties."""

from itertools import permutations

import numpy as np
import pytest
import torch

from sgdlab.theory.order_fit import fit_order
from sgdlab.theory.roberts2018 import emulation
from sgdlab.theory.roberts2018.emulation import (
    LRS,
    every_split,
    fixed_split_errors,
    mean_split_errors,
    penalised_displacement,
    realisation_errors,
    scaled,
)
from sgdlab.theory.roberts2018.half_batches import noise_trace, spread


@pytest.mark.parametrize(("num_batches", "num_splits"), [(2, 20), (3, 90), (6, 720)])
def test_every_split_in_every_order_comes_once(num_batches, num_splits):
    splits = every_split(6, num_batches)
    assert splits.shape == (num_splits, num_batches, 6 // num_batches)
    assert len({str(split) for split in splits.tolist()}) == num_splits
    assert torch.equal(splits.flatten(1).sort(dim=1).values, torch.arange(6).expand(num_splits, 6))


def test_a_penalised_update_adds_the_gradient_of_the_penalty(quadratics):
    """On quadratics: g + strength·∂tr Σ, ∂tr Σ = (2/6) Σ (A_j − A)(g_j − g)."""
    problem, lr = quadratics.problem, 0.1
    trace = noise_trace(problem, torch.arange(6))
    everyone = torch.arange(6)[None]
    (found,) = penalised_displacement(problem, problem.start, everyone, scaled(trace, 0.7), lr, num_updates=1)
    mean, average = quadratics.gradient(range(6)), quadratics.hessians.mean(axis=0)
    slope = np.mean(
        [2 * (quadratics.hessians[j] - average) @ (quadratics.gradient([j]) - mean) for j in range(6)], axis=0
    )
    np.testing.assert_allclose(found, -lr * (mean + 0.7 * slope), atol=1e-13)


@pytest.mark.parametrize("num_batches", [2, 3])
def test_the_second_order_of_an_epoch_is_that_of_the_penalty(quadratics, num_batches):
    """η² coefficients by matrices: SGD's mean of Σ_{j before k} h_k g_j against full batch and penalty."""
    batches = np.arange(6).reshape(num_batches, -1).tolist()
    gradients = [quadratics.gradient(batch) for batch in batches]
    hessians = [quadratics.batch(batch)[0] for batch in batches]
    of_sgd = np.mean(
        [
            sum(hessians[order[k]] @ gradients[order[j]] for k in range(num_batches) for j in range(k))
            for order in permutations(range(num_batches))
        ],
        axis=0,
    )
    of_gd = num_batches * (num_batches - 1) / 2 * np.mean(hessians, axis=0) @ np.mean(gradients, axis=0)
    penalty = torch.func.grad(spread(quadratics.problem, torch.tensor(batches)))(quadratics.problem.start)
    of_penalty = -num_batches * penalty.numpy() / (4 * num_batches)  # m updates, each −η·(η/4m)∂spread
    np.testing.assert_allclose(of_sgd, of_gd + of_penalty, atol=1e-12)


@pytest.mark.parametrize("num_batches", [2, 3])
@pytest.mark.parametrize("errors", [fixed_split_errors, mean_split_errors])
def test_the_penalty_gives_the_third_order_and_a_wrong_one_the_second(errors, num_batches):
    right, wrong = errors(num_batches)
    assert fit_order(LRS, right.errors).order == pytest.approx(3, abs=0.05)
    assert fit_order(LRS, wrong.errors).order == pytest.approx(2, abs=0.05)


def test_over_realisations_too():
    right, without = realisation_errors()
    assert fit_order(LRS, right.errors).order == pytest.approx(3, abs=0.05)
    assert fit_order(LRS, without.errors).order == pytest.approx(2, abs=0.05)


def test_the_report_holds_all_of_them():
    assert [finding.verdict for finding in emulation.run().findings] == ["supported"] * 10
