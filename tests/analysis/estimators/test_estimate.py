"""Intervals over seeds: how often they hold the truth, with few seeds."""

import numpy as np
import pytest

from sgdlab.analysis.estimators.estimate import percentile_interval, resample, t_interval

NUM_TRIALS = 2000  # the standard error of a coverage of 0.95 is then 0.005


@pytest.mark.parametrize(("num_seeds", "least"), [(5, 0.90), (7, 0.93), (15, 0.93)])
def test_percentile_intervals_of_normal_seeds_cover_their_mean(num_seeds, least):
    samples = np.random.default_rng(num_seeds).normal(size=(NUM_TRIALS, num_seeds))
    weights = resample(num_seeds) / num_seeds
    intervals = [percentile_interval(means, means, num_seeds) for means in samples @ weights.T]
    assert least <= np.mean([low <= 0 <= high for low, high in intervals]) <= 0.97


def test_an_interval_of_many_seeds_is_the_plain_percentile_one():
    samples = np.arange(100_001.0)
    assert percentile_interval(samples, samples, 10**6) == pytest.approx((2_500, 97_500), abs=2)


def test_infinite_samples_make_an_end_infinite():
    low, high = percentile_interval(np.array([-np.inf, *np.arange(50.0)]), np.arange(51.0), 7)
    assert (low, high) == (-np.inf, 50.0)


def test_students_interval_covers_the_mean_of_normal_seeds():
    samples = np.random.default_rng(0).normal(size=(NUM_TRIALS, 5))
    intervals = [t_interval(row)[1] for row in samples]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.015)
