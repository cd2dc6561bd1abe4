"""The linear model in one dimension by hand, and its pieces against samples and second ways."""

import numpy as np
import pytest

from sgdlab.theory.roberts2018 import linear_model
from sgdlab.theory.roberts2018.linear_model import (
    Examples,
    LinearModel,
    integrate_covariance,
    pair_up,
    paired_covariance,
)


def test_one_dimension_by_hand():
    """Gradient x(xu − ν), x ~ N(0, 1): variance E x⁴u² + E x²ν² − u² = 2u² + σ²."""
    model, offset = LinearModel(np.eye(1), 0.5), np.array([3.0])
    assert model.gradient_covariance(offset) == pytest.approx(np.array([[2 * 9 + 0.5]]))
    assert model.gap_gradient(offset, num_train=8, lr=0.1) == pytest.approx([0.1 / 8 * 4 * 3])


def test_the_gradient_of_the_gap_is_that_of_the_trace():
    """Central differences of a quadratic are exact."""
    model = LinearModel(np.array([[2.0, 0.3], [0.3, 1.0]]), 0.7)
    offset, step = np.array([0.4, -1.2]), 0.1
    slope = [
        (
            np.trace(model.gradient_covariance(offset + step * axis))
            - np.trace(model.gradient_covariance(offset - step * axis))
        )
        / (2 * step)
        for axis in np.eye(2)
    ]
    np.testing.assert_allclose(model.gap_gradient(offset, 8, 0.1), 0.1 / 8 * np.array(slope), rtol=1e-12)


def test_pairings_give_the_moments_of_a_gaussian():
    """E x⁴ = 3, E x⁶ = 15, E x²y² = 1 + 2ρ²; an odd moment has no pairing."""
    covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert pair_up(covariance, (0,) * 4) == 3
    assert pair_up(covariance, (0,) * 6) == 15
    assert pair_up(covariance, (0, 0, 1, 1)) == 1.5
    assert pair_up(covariance, (0, 0, 1)) == 0


@pytest.mark.parametrize("second_way", [integrate_covariance, paired_covariance])
def test_a_wrong_closed_form_is_told_from_the_second_ways(second_way):
    model, offset = LinearModel(np.array([[2.0, 0.3], [0.3, 1.0]]), 0.7), np.array([0.4, -1.2])
    np.testing.assert_allclose(second_way(model, offset), model.gradient_covariance(offset), rtol=1e-12)
    without_outer = (offset @ model.covariance @ offset + 0.7) * model.covariance
    assert np.linalg.norm(second_way(model, offset) - without_outer) > 0.1


def test_drawn_examples_have_the_model_s_moments():
    model = LinearModel(np.array([[2.0, 0.3], [0.3, 1.0]]), 0.7)
    examples = model.examples((200_000,), np.random.default_rng(0))
    np.testing.assert_allclose(np.cov(examples.inputs.T), model.covariance, atol=0.03)  # four standard errors
    assert examples.noise.var() == pytest.approx(0.7, abs=0.01)


def test_gradients_are_those_of_half_the_square():
    examples = Examples(np.array([[1.0, 2.0]]), np.array([0.5]))
    assert examples.gradients(np.array([3.0, -1.0])).tolist() == [[0.5, 1.0]]


def test_the_report_is_supported_and_a_wrong_drift_is_not(monkeypatch):
    monkeypatch.setattr(linear_model, "NUM_REALISATIONS", 20_000)
    assert {finding.verdict for finding in linear_model.run().findings} == {"supported"}
    right = LinearModel.gap_gradient
    monkeypatch.setattr(LinearModel, "gap_gradient", lambda self, *args: 1.5 * right(self, *args))
    assert [finding.verdict for finding in linear_model.run().findings][3:] == ["not supported"] * 2
