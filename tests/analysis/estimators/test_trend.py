"""Power laws with known exponents; slopes against scipy's own regression."""

import numpy as np
import pytest
from scipy import stats

STRENGTH = "regularizer.strength"
VALUES = [2.0**k for k in range(-6, 0)]
JITTER = np.random.default_rng(1).normal(0, 0.1, (6, 5))


def power_law(grid, point, seed):
    if point[STRENGTH] == 0:
        return 5.0
    return point[STRENGTH] ** -0.5 * 2 ** JITTER[VALUES.index(point[STRENGTH]), seed]


def run(judge_one, expect, value=power_law, values=VALUES, **options):
    claim = {"kind": "trend", "grid": "reg", "expect": expect}
    return judge_one(claim, {"reg": {STRENGTH: values}}, value, metric="c_reg.final", **options)


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [({"below": 0}, "supported"), ({"above": 0}, "not supported"), ({"below": -0.5}, "inconclusive")],
)
def test_slope_of_a_power_law(judge_one, expect, verdict):
    result = run(judge_one, expect)
    slopes = [stats.linregress(range(6), -0.5 * np.arange(6) + JITTER[:, seed]).slope for seed in range(5)]
    interval = stats.ttest_1samp(slopes, 0).confidence_interval(0.95)
    assert result.verdict == verdict
    assert result.estimate == pytest.approx(np.mean(slopes))
    assert result.interval == pytest.approx((interval.low, interval.high))


def test_zero_on_the_axis_is_left_out_and_said(judge_one):
    result = run(judge_one, {"below": 0}, values=[0, *VALUES])
    assert result.estimate == pytest.approx(run(judge_one, {"below": 0}).estimate)
    assert "axis values without a log2, left out: 1" in result.reason


def test_a_metric_that_is_not_positive_is_left_out_and_said(judge_one):
    def value(grid, point, seed):
        return 0.0 if (point[STRENGTH], seed) == (0.5, 0) else point[STRENGTH] ** -0.5

    result = run(judge_one, {"below": 0}, value)
    assert result.estimate == pytest.approx(-0.5)
    assert "values of c_reg.final without a log2, left out: 1" in result.reason


def test_diverged_points_are_left_out_and_counted(judge_one):
    result = run(
        judge_one,
        {"below": 0},
        lambda grid, point, seed: None if point[STRENGTH] == 0.5 else 1 / point[STRENGTH],
    )
    assert result.verdict == "supported"
    assert result.interval == pytest.approx((-1, -1))
    assert "grid 'reg': 5 × diverged, at regularizer.strength=2**-1" in result.reason


def test_unfinished_or_too_short_decides_nothing(judge_one):
    unfinished = run(judge_one, {"below": 0}, unseen=[("reg", 0.5)])
    assert unfinished.verdict == "inconclusive"
    assert unfinished.reason.startswith("grid 'reg' is unfinished at regularizer.strength=2**-1")
    short = run(judge_one, {"below": 0}, values=VALUES[:2])
    assert short.verdict == "inconclusive"
    assert short.reason.startswith("0 seeds have 3 points with a logarithm, 3 seeds are needed")
