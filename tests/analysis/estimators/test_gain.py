"""Gains whose truth is put in; the interval against scipy's own t-test."""

import numpy as np
import pytest
from scipy import stats

from sgdlab.analysis.claims import judge

BEST = "test_accuracy.best"
LR = "optimizer.lr"
GRIDS = {"plain": {LR: [2.0**k for k in range(-6, 0)]}, "reg": {LR: [2.0**-6]}}
HEIGHTS = (0.50, 0.55, 0.60, 0.70, 0.60, 0.55)
JITTER = np.random.default_rng(0).normal(0, 0.01, (6, 7))  # (P, S)


def claim(start, to, **expect):
    (start_grid, start_at), (to_grid, to_at) = start, to
    points = {"start": {"grid": start_grid, "at": start_at}, "to": {"grid": to_grid, "at": to_at}}
    return {"kind": "gain", **points, "expect": expect}


def bump(grid, point, seed):
    index = GRIDS["plain"][LR].index(point[LR])
    return HEIGHTS[index] + JITTER[index, seed]


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ({"above": 0}, "supported"),
        ({"below": 0.1}, "not supported"),
        ({"above": 0.2}, "inconclusive"),
        ({"within": (0.1, 0.3)}, "supported"),
    ],
)
def test_gain_from_the_first_point_to_the_optimum(judge_one, expect, verdict):
    result = judge_one(claim(("plain", "first"), ("plain", "optimum"), **expect), GRIDS, bump)
    gains = 0.2 + JITTER[3, :5] - JITTER[0, :5]  # the optimum is far enough above the noise to be found
    interval = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    assert result.verdict == verdict
    assert result.estimate == pytest.approx(gains.mean())
    assert result.interval == pytest.approx((interval.low, interval.high))
    assert result.num_seeds == 5


def test_seeds_are_paired(judge_one):
    """Seeds differ by 0.2 and gain 0.01 each: unpaired, nothing could be said."""

    def value(grid, point, seed):
        return 0.2 * seed + 0.01 * (point[LR] > 2.0**-6) + 1e-4 * seed * (point[LR] == 0.5)

    result = judge_one(claim(("plain", "first"), ("plain", "last"), above=0), GRIDS, value)
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(0.0102)


def test_a_flat_curve_has_no_gain_though_its_best_point_looks_like_one(judge_one):
    """Best minus first over the same seeds is positive in every data set; on other seeds it is not."""
    estimates, naive = [], []
    for trial in range(60):
        noise = np.random.default_rng(trial).normal(0, 0.01, (6, 5))

        def value(grid, point, seed, noise=noise):
            return 0.6 + noise[GRIDS["plain"][LR].index(point[LR]), seed]

        result = judge_one(claim(("plain", "first"), ("plain", "optimum"), above=0), GRIDS, value)
        estimates.append(result.estimate)
        naive.append(noise.mean(axis=1).max() - noise[0].mean())
    # Standard error over 60 trials is about 0.0008; the bias of the naive number is about 0.0057.
    assert abs(np.mean(estimates)) < 0.0025
    assert np.mean(naive) > 0.004


def test_last_is_the_last_point_that_has_a_value(judge_one):
    def value(grid, point, seed):
        diverged = point[LR] == 0.5 or (point[LR] == 0.25 and seed == 0)
        return None if diverged else bump(grid, point, seed)

    fall = claim(("plain", "optimum"), ("plain", "last"), below=0)
    result = judge_one(fall, GRIDS, value, num_seeds=5, keep=4)
    assert result.verdict == "supported"
    assert result.num_seeds == 4
    assert result.estimate == pytest.approx(np.mean(-0.1 + JITTER[4, 1:5] - JITTER[3, 1:5]))
    assert "runs of grid 'plain' diverge beyond optimizer.lr=2**-2, read as its last" in result.reason
    assert "grid 'plain': 6 × diverged, at optimizer.lr=2**-2 and optimizer.lr=2**-1" in result.reason


@pytest.mark.parametrize(
    ("start", "to", "unseen", "reason"),
    [
        ("first", "last", [("plain", 0.5)], r"grid 'plain' is unfinished at optimizer.lr=2**-1"),
        ("first", "optimum", [("plain", 0.25)], r"grid 'plain' is unfinished at optimizer.lr=2**-2"),
        ("first", "last", [("plain", 2.0**-6)], r"grid 'plain' is unfinished at optimizer.lr=2**-6"),
    ],
)
def test_a_needed_point_that_is_missing_decides_nothing(judge_one, start, to, unseen, reason):
    result = judge_one(claim(("plain", start), ("plain", to), above=-1), GRIDS, bump, unseen=unseen)
    assert result.verdict == "inconclusive"
    assert result.reason.startswith(reason)


def test_a_missing_point_that_is_not_needed_changes_nothing(judge_one):
    result = judge_one(
        claim(("plain", "first"), ("plain", "last"), above=-1), GRIDS, bump, unseen=[("plain", 2.0**-4)]
    )
    assert result.verdict == "supported"


def test_a_diverged_start(judge_one):
    def value(grid, point, seed):
        return None if grid == "reg" else bump(grid, point, seed)

    result = judge_one(claim(("reg", "first"), ("plain", "last"), above=0), GRIDS, value)
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("too many runs of grid 'reg' diverged at optimizer.lr=2**-6")


def test_two_seeds_are_too_few(judge_one):
    result = judge_one(claim(("plain", "first"), ("plain", "last"), above=0), GRIDS, bump, num_seeds=2)
    assert (result.verdict, result.estimate) == ("inconclusive", None)


def test_the_optimum_of_a_loss_is_its_smallest_value(judge_one):
    result = judge_one(
        claim(("plain", "optimum"), ("plain", "first"), above=0),
        GRIDS,
        lambda grid, point, seed: 1 - bump(grid, point, seed),
        metric="train_loss.final",
    )
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(0.2, abs=0.02)


B = "optimizer.batch_size"
TUNED = {"sgd": {B: [16, 64, 256], LR: [2.0**k for k in range(-6, 0)]}}
FLAT_THEN_FALLING = {16: 0.70, 64: 0.70, 256: 0.60}


def tuned(start, to, **expect):
    points = {"start": {"grid": "sgd", "at": "optimum", "where": {B: start}}}
    points["to"] = {"grid": "sgd", "at": "optimum", "where": {B: to}}
    return {"kind": "gain", **points, "expect": expect}


def falling(grid, point, seed, edge=None):
    if point[B] == edge:
        return point[LR] + 0.01 * seed
    index = TUNED["sgd"][LR].index(point[LR])
    return FLAT_THEN_FALLING[point[B]] + HEIGHTS[index] - 0.7 + JITTER[index, seed] / 4


@pytest.mark.parametrize(
    ("start", "to", "expect", "verdict"),
    [
        ("first", 64, {"within": (-0.02, 0.02)}, "supported"),
        ("first", "last", {"below": -0.05}, "supported"),
        ("first", "last", {"within": (-0.02, 0.02)}, "not supported"),
    ],
)
def test_flat_then_falling_at_the_tuned_learning_rate(judge_one, start, to, expect, verdict):
    result = judge_one(tuned(start, to, **expect), TUNED, falling)
    assert result.verdict == verdict
    assert "the optimum point of 'sgd' at optimizer.batch_size=first" in result.rule


@pytest.mark.parametrize(
    ("edge", "interval", "verdicts"),
    [
        (256, (True, False), ("supported", "inconclusive")),  # it may be better beyond: the gain larger
        (16, (False, True), ("inconclusive", "inconclusive")),
    ],
)
def test_an_optimum_at_the_edge_opens_one_end(judge_one, edge, interval, verdicts):
    def value(grid, point, seed):
        return falling(grid, point, seed, edge)

    for expect, verdict in zip(({"above": -0.3}, {"within": (-0.3, 0.3)}), verdicts, strict=True):
        result = judge_one(tuned("first", "last", **expect), TUNED, value)
        assert result.verdict == verdict
        assert tuple(np.isfinite(result.interval)) == interval
        assert f"is best at optimizer.batch_size={edge}, optimizer.lr=2**-1, the high end" in result.reason


def test_a_loss_at_the_edge_may_be_lower_beyond(judge_one):
    def value(grid, point, seed):
        return 1 - falling(grid, point, seed, edge=256)

    result = judge_one(tuned("first", "last", below=0.3), TUNED, value, metric="train_loss.final")
    assert result.verdict == "supported"
    assert result.interval[0] == -np.inf


def test_an_axis_without_the_value_any_more_decides_nothing(judge_one, make_sweep, make_runs):
    sweep = make_sweep(TUNED, num_seeds=5, claims=[{**tuned(64, 256, below=0), "metric": BEST, "says": "x"}])
    grid = sweep.panels["main"].grids["sgd"]
    narrower = grid.model_copy(update={"axes": {**grid.axes, B: [16, 256]}})
    panel = sweep.panels["main"].model_copy(update={"grids": {"sgd": narrower}})
    overridden = sweep.model_copy(update={"panels": {"main": panel}})
    (verdict,) = judge(overridden, make_runs(overridden, falling))
    assert (verdict.verdict, verdict.estimate) == ("inconclusive", None)
    assert verdict.reason == "grid 'sgd' has no point with optimizer.batch_size=64"
