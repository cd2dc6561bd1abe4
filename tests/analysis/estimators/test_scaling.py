"""Optima that follow a power of the batch size, put in; the slope against numpy's own fit of them."""

import math

import numpy as np
import pytest

from sgdlab.analysis.estimators.estimate import student_quantile

LR, B, F = "optimizer.lr", "optimizer.batch_size", "schedule.final"
SIZES = (8, 16, 32, 64)
GRIDS = {"sgd": {B: list(SIZES), LR: [2.0**k for k in range(-10, 1)]}}
SHIFTS = np.random.default_rng(1).normal(0, 0.3, (len(SIZES), 5))  # of each seed's own optimum


def optimum(exponent, start=-7.3, cap=math.inf):
    return lambda size: min(start + exponent * math.log2(size / 8), cap)


def parabolas(best):
    """A mean of seeds peaks at the mean of their peaks."""

    def value(grid, point, seed):
        peak = best(point[B]) + SHIFTS[SIZES.index(point[B]), seed]
        return 0.9 - 0.01 * (math.log2(point[LR]) - peak) ** 2

    return value


def run(judge_one, value, expect, grids=GRIDS, where=None, optimum=LR, tuned=(LR,), **options):
    claim = {"kind": "scaling", "grid": "sgd", "along": B, "tuned": list(tuned), "optimum": optimum}
    return judge_one({**claim, "where": where or {}, "expect": expect}, grids, value, **options)


@pytest.mark.parametrize(
    ("exponent", "expect", "verdict"),
    [
        (1.0, {"within": (0.5, 1.5)}, "supported"),
        (0.0, {"within": (0.5, 1.5)}, "not supported"),
        (1.0, {"within": (0.98, 1.5)}, "inconclusive"),
        (-0.5, {"within": (-1, 0)}, "supported"),
    ],
)
def test_the_exponent_of_an_optimum_between_grid_points(judge_one, exponent, expect, verdict):
    best = optimum(exponent, start=-6.3 if exponent >= 0 else -3.3)
    result = run(judge_one, parabolas(best), expect)
    peaks = [best(size) + SHIFTS[i].mean() for i, size in enumerate(SIZES)]
    assert result.verdict == verdict
    assert result.estimate == pytest.approx(np.polyfit(np.log2(SIZES), peaks, 1)[0])
    # A seed's own slope is a linear function of its shifts: the bootstrap is that of a mean.
    slopes = [np.polyfit(np.log2(SIZES), SHIFTS[:, seed], 1)[0] for seed in range(5)]
    reach = student_quantile(5) * np.std(slopes, ddof=1) / math.sqrt(5)
    low, high = result.estimate - reach, result.estimate + reach
    assert result.interval == pytest.approx((low, high), abs=0.3 * reach)


def test_a_band_leaves_out_where_the_optimum_no_longer_grows(judge_one):
    value = parabolas(optimum(1.0, start=-6.3, cap=-4.3))
    whole = run(judge_one, value, {"within": (0.8, 1.5)})
    below = run(judge_one, value, {"within": (0.8, 1.5)}, where={B: {"at_most": 32}})
    assert (whole.verdict, below.verdict) == ("not supported", "supported")
    assert "optimizer.batch_size ≤ 32" in below.rule


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [({"above": 0.2}, "supported"), ({"within": (0.5, 1.5)}, "inconclusive")],
)
def test_an_optimum_at_the_edge_leaves_the_end_open_towards_which_it_would_move(judge_one, expect, verdict):
    """Of the largest batch it is at the high end: the slope may be larger, and no smaller."""
    result = run(judge_one, parabolas(optimum(1.0, start=-2.9)), expect, where={B: {"at_least": 8}})
    assert result.interval[0] > 0.2
    assert result.interval[1] == math.inf
    assert result.verdict == verdict
    assert "at optimizer.batch_size=64 is best at the high edge, optimizer.lr=1" in result.reason


def test_an_expression_scales_the_optimum_and_not_its_exponent(judge_one):
    value = parabolas(optimum(1.0, start=-6.3))
    plain = run(judge_one, value, {"above": 0})
    assert run(judge_one, value, {"above": 0}, optimum=f"{LR} / 0.1").estimate == pytest.approx(
        plain.estimate
    )
    temperature = run(judge_one, value, {"within": (-0.5, 0.5)}, optimum=f"{LR} / {B}")
    assert temperature.estimate == pytest.approx(plain.estimate - 1)


def test_axes_that_are_tuned_together_are_profiled(judge_one):
    """A ridge: the best final rate moves with the initial one, so a fixed one gives another optimum."""
    grids = {"sgd": {B: list(SIZES), LR: [2.0**k for k in range(-10, 1)], F: [2.0**k for k in range(-12, 3)]}}

    def value(grid, point, seed):
        x, y = math.log2(point[LR]), math.log2(point[F])
        best = -6.3 + math.log2(point[B] / 8)
        return 0.9 - 0.01 * (x - best) ** 2 - 0.02 * (y - round(x)) ** 2 + 1e-6 * seed

    both = run(judge_one, value, {"within": (0.9, 1.1)}, grids, tuned=(LR, F))
    assert (both.verdict, both.estimate) == ("supported", pytest.approx(1.0))
    final = run(judge_one, value, {"within": (0.8, 1.2)}, grids, tuned=(LR, F), optimum=F)
    assert final.verdict == "supported"


def test_another_tuned_axis_at_its_edge_opens_both_ends(judge_one):
    grids = {"sgd": {**GRIDS["sgd"], F: [0.25, 0.5, 1.0]}}

    def value(grid, point, seed):
        return parabolas(optimum(1.0, start=-6.3))(grid, point, seed) + 0.1 * point[F]

    result = run(judge_one, value, {"above": -100}, grids, tuned=(LR, F))
    assert result.verdict == "inconclusive"
    assert result.interval == (-math.inf, math.inf)
    assert "schedule.final=1, at an edge of the grid" in result.reason


def test_what_diverges_entirely_is_left_out_and_two_values_are_no_exponent(judge_one):
    def value(grid, point, seed, smallest=16):
        return None if point[B] < smallest else parabolas(optimum(1.0, start=-6.3))(grid, point, seed)

    result = run(judge_one, value, {"above": 0})
    assert result.verdict == "supported"
    assert (
        "optimizer.batch_size=8 is left out: no point of grid 'sgd' that has a log2 has a value"
        in result.reason
    )
    two = run(judge_one, lambda *place: value(*place, smallest=32), {"above": 0})
    assert (two.verdict, two.estimate) == ("inconclusive", None)
    assert two.reason.startswith("2 values of optimizer.batch_size have an optimum, 3 are needed")


def test_unfinished_and_too_few_seeds(judge_one):
    value = parabolas(optimum(1.0, start=-6.3))
    unfinished = run(judge_one, value, {"above": 0}, unseen=[("sgd", 16)])
    assert unfinished.verdict == "inconclusive"
    assert unfinished.reason.startswith("grid 'sgd' is unfinished at optimizer.batch_size=16, optimizer.lr")
    few = run(judge_one, value, {"above": 0}, num_seeds=2)
    assert (few.verdict, few.estimate) == ("inconclusive", None)
