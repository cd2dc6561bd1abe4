"""Intervals of several looks: their levels add up, and together they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from sgdlab.analysis.estimators.estimate import Estimate, t_interval
from sgdlab.analysis.looks import at_level, level_of_look


@pytest.mark.parametrize("num_looks", [1, 2, 3, 8])
def test_the_errors_of_all_looks_add_up_to_five_per_cent(num_looks):
    errors = [1 - level_of_look(look, num_looks) for look in range(num_looks)]
    assert sum(errors) == pytest.approx(0.05)
    assert errors[-1] == max(errors)


def test_of_a_mean_it_is_the_interval_that_scipy_has():
    samples = np.random.default_rng(0).normal(size=6)
    mean, interval = t_interval(samples)
    low, high = at_level(Estimate(mean, interval, 6, "mean"), 0.99).interval
    assert (low, high) == pytest.approx(stats.t.interval(0.99, 5, mean, stats.sem(samples)))


def test_an_open_end_stays_open_and_nothing_gets_narrower():
    above_its_value = Estimate(1.0, (1.2, float("inf")), 5, "a bootstrap of something biased")
    assert at_level(above_its_value, 0.99).interval == (1.2, float("inf"))
    nothing = Estimate(None, None, 0, "nothing")
    assert at_level(nothing, 0.99) == nothing


def test_all_looks_together_hold_the_mean_where_those_of_95_per_cent_do_not():
    """1,000 series of 12 normal values, looked at from the 5th on; the standard error of a share is 0.7 %."""
    series = np.random.default_rng(1).normal(size=(1000, 12))
    looks = range(5, 13)

    def share_missing(level_of):
        missed = 0
        for values in series:
            for look, num in enumerate(looks):
                mean, interval = t_interval(values[:num])
                low, high = at_level(Estimate(mean, interval, num, "mean"), level_of(look)).interval
                if not low <= 0 <= high:
                    missed += 1
                    break
        return missed / len(series)

    assert share_missing(lambda look: 0.95) > 0.10
    assert share_missing(lambda look: level_of_look(look, len(looks))) < 0.05
