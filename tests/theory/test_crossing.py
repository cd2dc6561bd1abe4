"""Where a curve first rises above a level."""

import math

import pytest

from sgdlab.theory.crossing import first_crossing

X = (1.0, 2.0, 4.0, 8.0)


def test_a_power_of_x_is_interpolated_exactly():
    assert first_crossing(X, [0.1 * x**1.5 for x in X], 0.7) == pytest.approx(7 ** (2 / 3))


def test_the_first_crossing_counts():
    assert first_crossing(X, [0.1, 0.4, 0.1, 0.9], 0.2) == pytest.approx(math.sqrt(2))


def test_a_curve_that_stays_below_never_crosses():
    assert first_crossing(X, [0.1, 0.2, 0.3, 0.5], 0.5) == math.inf


@pytest.mark.parametrize("y", [[0.6, 0.7, 0.8, 0.9], [0.0, 0.6, 0.7, 0.8]])
def test_what_starts_above_crosses_at_the_first_x_that_is_known(y):
    assert first_crossing(X, y, 0.5) == X[y.index(next(value for value in y if value > 0.5))]
