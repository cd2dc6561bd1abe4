"""The gap during training: the corrected form follows it, and to which order; the printed one does not."""

import numpy as np
import pytest
import torch

from sgdlab.theory.derivatives import losses
from sgdlab.theory.roberts2018 import divergence


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(divergence, "SEEDS", (0, 1, 2))
    monkeypatch.setattr(divergence, "NUM_UPDATES", 100)


def test_the_course_adds_up_to_the_gap(short):
    course = divergence.train_and_track(0)
    steps = np.diff(course.gap)
    np.testing.assert_allclose(steps, divergence.LR * course.measured, atol=1e-13)
    np.testing.assert_allclose(course.printed + course.twice, 2 * (course.twice - course.corrected))


def test_the_first_change_is_that_of_losses_taken_apart(short):
    """The corrected form, by central differences of both losses along the update."""
    problem, train, test = divergence._sets(0)
    point = problem.start
    (direction,) = problem.gradients(point[None], train[None])
    step = 1e-6

    def loss(examples, by):
        return float(losses(problem, (point - by * direction)[None], examples[None]))

    slope = sum(
        sign * (loss(examples, step) - loss(examples, -step)) / (2 * step)
        for sign, examples in ((1, test), (-1, train))
    )
    assert divergence.train_and_track(0).corrected[0] == pytest.approx(slope, rel=1e-6)


def test_what_the_corrected_form_leaves_out_is_of_second_order(monkeypatch):
    """Over η it is the first update's error: half the rate, half the error."""
    monkeypatch.setattr(divergence, "NUM_UPDATES", 1)
    errors = []
    for lr in (2.0**-k for k in range(8, 12)):
        monkeypatch.setattr(divergence, "LR", lr)
        course = divergence.train_and_track(0)
        errors.append(abs(course.measured[0] - course.corrected[0]))
    assert np.log2(np.divide(errors[:-1], errors[1:])) == pytest.approx([1, 1, 1], abs=0.1)


def test_training_sets_are_disjoint_and_none_shares_the_test_set():
    sets = [divergence._sets(seed) for seed in divergence.SEEDS]
    every = torch.cat([train for _, train, _ in sets] + [sets[0][2]])
    assert len(every.unique()) == len(every)


def test_the_corrected_form_is_supported_and_the_others_are_not(short):
    verdicts = [finding.verdict for finding in divergence.run().findings]
    assert verdicts[:3] == ["supported"] * 3
    assert "supported" not in verdicts[3:]
