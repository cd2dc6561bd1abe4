"""Proposition 4.1 in one and two dimensions, where everything can be written down."""

import numpy as np
import pytest

from sgdlab.theory.lssr2022.unstable_descent import iterate_descent, run, solve_descent


def test_two_dimensions_by_hand():
    """H = diag(3, 1), η = 1: factors −2 and 0, so that one update leaves only the first component."""
    descent = iterate_descent(np.diag([1.0, 3.0]), np.array([1.0, 1.0]), lr=1.0, num_updates=2)
    np.testing.assert_allclose(np.abs(descent.projection), [3, 6, 12])
    np.testing.assert_allclose(np.abs(descent.cosine), [3 / np.sqrt(10), 1, 1])
    np.testing.assert_allclose(descent.sharpness, [(27 + 1) / 10, 3, 3])


def test_the_sign_turns_at_every_update():
    descent = solve_descent(np.array([2.5, 0.5]), np.array([1.0, 1.0]), lr=1.0, num_updates=6)
    assert (np.sign(descent.cosine[1:]) == -np.sign(descent.cosine[:-1])).all()


def test_sharpness_may_fall_first():
    """‖H‖_{S_n} = Σλg²/Σg²: with g = (ε, 1, 1) and factors −1.2, 0, ½ it goes from ¾ to ½."""
    descent = solve_descent(np.array([2.2, 1.0, 0.5]), np.array([1e-6, 1.0, 1.0]), lr=1.0, num_updates=80)
    assert descent.sharpness[:2] == pytest.approx([0.75, 0.5], abs=1e-9)
    assert descent.sharpness[-1] == pytest.approx(2.2)


def test_below_the_threshold_nothing_aligns():
    descent = solve_descent(np.array([1.9, 0.05]), np.array([1.0, 1.0]), lr=1.0, num_updates=200)
    assert abs(descent.cosine[-1]) < 0.01
    assert abs(descent.projection[-1]) < 1e-8


def test_limits_are_supported_and_two_readings_of_the_print_are_not():
    verdicts = [finding.verdict for finding in run().findings]
    assert verdicts == [
        "supported",
        "supported",
        "not supported",
        "supported",
        "supported",
        "supported",
        "not supported",
    ]
