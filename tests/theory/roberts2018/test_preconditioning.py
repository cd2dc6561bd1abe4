"""Σ⁻¹ from its eigenpairs against a dense inverse; tuning on seeds of its own."""

import numpy as np
import pytest
import torch

from sgdlab.theory.problems import digits_mlp
from sgdlab.theory.roberts2018 import preconditioning
from sgdlab.theory.roberts2018.preconditioning import Tuned, leading_eigenpairs, train


def test_the_preconditioner_is_the_inverse_of_sigma_with_a_flat_rest():
    generator = np.random.default_rng(0)
    gradients = generator.normal(size=(2, 6, 9)) * np.linspace(3, 0.1, 9)
    vectors = generator.normal(size=(2, 9))
    pairs = leading_eigenpairs(torch.tensor(gradients), num_pairs=2)
    found = pairs.precondition(torch.tensor(vectors))
    for run in range(2):
        values, columns = np.linalg.eigh(np.cov(gradients[run].T, ddof=0))
        flat = values.copy()
        flat[:-2] = values[-3]  # all but the two largest
        inverse = values[-3] * columns @ np.diag(1 / flat) @ columns.T
        np.testing.assert_allclose(found[run], inverse @ vectors[run], atol=1e-10)


def test_it_never_lengthens_a_gradient():
    gradients = torch.randn(3, 8, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pairs = leading_eigenpairs(gradients, num_pairs=4)
    vectors = gradients.mean(dim=1)
    assert (pairs.precondition(vectors).norm(dim=1) <= vectors.norm(dim=1)).all()


def test_plain_training_is_the_written_out_loop(monkeypatch):
    monkeypatch.setattr(preconditioning, "NUM_UPDATES", 16)
    courses = train("SGD", (0.25, 0.5), range(3, 5))
    problem = digits_mlp(preconditioning.NUM_TRAIN, (8,), seed=4)
    order = torch.randperm(preconditioning.NUM_TRAIN, generator=torch.Generator().manual_seed(4))
    point = problem.start[None]
    for batch in order.view(16, 1, -1):
        point = point - 0.5 * problem.gradients(point, batch)
    everyone = torch.arange(preconditioning.NUM_TRAIN)[None]
    assert courses.train.shape == (2, 2, 2)
    assert courses.train[1, 1, -1] == pytest.approx(float(problem.costs(point, everyone).mean()), rel=1e-10)


def test_both_methods_start_from_the_same_networks(monkeypatch):
    monkeypatch.setattr(preconditioning, "NUM_UPDATES", 16)
    plain, other = (train(method, (0.25,), range(2)) for method in ("SGD", "preconditioned"))
    np.testing.assert_array_equal(plain.test[:, :, 0], other.test[:, :, 0])
    assert (plain.test[:, :, -1] != other.test[:, :, -1]).all()


def test_a_difference_is_to_sgds_end_and_paired_by_seed():
    """Differences −1 and −3 at the second measurement: mean −2, half of the interval 12.706·√2/√2."""
    plain = Tuned(0.1, False, np.array([[9.0, 9.0, 5.0], [9.0, 9.0, 7.0]]))
    other = Tuned(0.1, False, np.array([[9.0, 4.0, 0.0], [9.0, 4.0, 0.0]]))
    finding = preconditioning._difference("Lower.", {"SGD": plain, "preconditioned": other}, at=1)
    assert finding.value == -2
    assert finding.interval == pytest.approx((-2 - 12.706, -2 + 12.706), rel=1e-4)


def test_a_rate_is_chosen_on_the_first_seeds_and_judged_on_the_others(monkeypatch):
    monkeypatch.setattr(preconditioning, "NUM_TUNING", 2)
    final = np.array([[1.0, 1.0, 0.0], [0.5, 0.5, 9.0], [np.nan, 0.1, 0.0]])  # (rates, seeds)
    tuned = preconditioning._tune((0.1, 0.2, 0.4), final[:, :, None])
    assert tuned.lr == 0.2
    assert not tuned.at_edge
    assert tuned.losses.tolist() == [[9.0]]
