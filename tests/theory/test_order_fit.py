"""Orders of errors that are known exactly, and of noisy ones against numpy's own least squares."""

import math

import numpy as np
import pytest

from sgdlab.theory.order_fit import fit_order, order_finding

STEPS = [2.0**-k for k in range(5)]


@pytest.mark.parametrize("order", [-1, 1, 2, 3])
def test_a_pure_power_has_its_order_exactly(order):
    fit = fit_order(STEPS, [0.7 * step**order for step in STEPS])
    assert fit.order == pytest.approx(order, abs=1e-12)
    assert fit.interval == pytest.approx((order, order), abs=1e-6)
    assert fit.num_points == 5


def test_the_interval_is_students_at_95_per_cent():
    errors = np.exp([0.1, -1.3, -2.9, -4.0, -5.8])
    x, y = np.log(STEPS), np.log(errors)
    slope, intercept = np.polyfit(x, y, 1)
    residual = np.sum((y - slope * x - intercept) ** 2) / 3
    half = 3.182446305284263 * math.sqrt(residual / np.sum((x - x.mean()) ** 2))  # t of 3 degrees, tabulated
    fit = fit_order(STEPS, errors)
    assert fit.order == pytest.approx(slope)
    assert fit.interval == pytest.approx((slope - half, slope + half))


@pytest.mark.parametrize(
    ("steps", "errors", "message"),
    [
        (STEPS[:3], [1.0, 1.0, 1.0], "at least 4 step sizes; there are 3"),
        (STEPS, [1.0, 1.0], "5 step sizes don't go with 2 errors"),
        (STEPS, [1.0, 0.5, 0.0, 0.1, 0.1], "error 0.0 .* must be positive and finite"),
        (STEPS, [1.0, 0.5, math.nan, 0.1, 0.1], "error nan"),
        (STEPS, [1.0, 0.5, math.inf, 0.1, 0.1], "error inf"),
        ([1.0, 0.5, -0.25, 0.1], [1.0] * 4, "step size -0.25"),
        ([0.5] * 4, [1.0] * 4, "every step size is 0.5"),
    ],
)
def test_what_has_no_order_is_refused_by_name(steps, errors, message):
    with pytest.raises(ValueError, match=message):
        fit_order(steps, errors)


@pytest.mark.parametrize(("true", "verdict"), [(3, "supported"), (2, "not supported"), (4, "not supported")])
def test_the_band_tells_an_order_from_its_neighbours(true, verdict):
    fit = fit_order(STEPS, [step**true * (1 + 0.1 * step) for step in STEPS])
    assert order_finding("The error is O(ε³).", fit, 3).verdict == verdict
