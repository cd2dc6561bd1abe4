"""Parabolas in log2 with known vertices: the fit through three points finds them exactly."""

import math

import numpy as np
import pytest

from sgdlab.analysis.estimators.estimate import student_quantile

LR, STRENGTH = "optimizer.lr", "regularizer.strength"
POWERS = range(-9, 1)
GRIDS = {"plain": {LR: [2.0**k for k in POWERS]}, "reg": {STRENGTH: [2.0**k for k in POWERS]}}
SHIFTS = {"plain": np.array([-0.3, -0.1, 0.0, 0.1, 0.3]), "reg": np.array([0.2, -0.2, 0.1, 0.0, -0.1])}


def parabolas(plain, reg):
    """Peaks at log2 = plain and reg; a seed shifts its own, so a mean of seeds peaks at the mean of peaks."""

    def value(grid, point, seed):
        (x,) = point.values()
        peak = {"plain": plain, "reg": reg}[grid] + SHIFTS[grid][seed]
        return 0.9 - 0.01 * (math.log2(x) - peak) ** 2 if x > 0 else 0.1

    return value


def run(judge_one, value, grids=GRIDS, **expect):
    curves = {
        name: {"grid": grid, "metric": "test_accuracy.best"}
        for name, grid in (("of", "reg"), ("over", "plain"))
    }
    return judge_one({"kind": "optimum_ratio", **curves, "expect": expect}, grids, value)


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ({"within": (1.0, 3.0)}, "supported"),
        ({"above": 3.0}, "not supported"),
        ({"above": 2.2}, "inconclusive"),
    ],
)
def test_ratio_of_two_vertices_between_grid_points(judge_one, expect, verdict):
    result = run(judge_one, parabolas(-4.33, -2.13), **expect)
    assert result.verdict == verdict
    assert result.estimate == pytest.approx(2.2)
    # The joint bootstrap of a difference of means: as wide as Student's interval, as far as 5 seeds can tell.
    reach = student_quantile(5) * np.std(SHIFTS["reg"] - SHIFTS["plain"], ddof=1) / math.sqrt(5)
    assert result.interval == pytest.approx((2.2 - reach, 2.2 + reach), abs=0.2 * reach)
    assert result.num_seeds == 5


def test_the_bootstrap_is_seeded(judge_one):
    assert run(judge_one, parabolas(-4.3, -2.1), above=0) == run(judge_one, parabolas(-4.3, -2.1), above=0)


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [({"above": 2.0}, "supported"), ({"below": 2.0}, "not supported"), ({"within": (2, 6)}, "inconclusive")],
)
def test_an_optimum_at_the_high_edge_bounds_the_ratio_from_below_only(judge_one, expect, verdict):
    result = run(judge_one, parabolas(-4.0, 3.0), **expect)
    assert result.verdict == verdict
    assert result.interval[0] == pytest.approx(4, abs=0.5)
    assert result.interval[1] == math.inf
    assert (
        "test_accuracy.best of grid 'reg' is best at the high edge, regularizer.strength=1" in result.reason
    )


def test_an_optimum_at_the_low_edge_bounds_the_ratio_from_above_only(judge_one):
    result = run(judge_one, parabolas(-4.0, -12.0), below=-2.0)
    assert result.verdict == "supported"
    assert result.interval[0] == -math.inf
    assert "is best at the low edge, regularizer.strength=2**-9" in result.reason


def test_both_at_edges_decide_nothing(judge_one):
    result = run(judge_one, parabolas(3.0, 3.0), above=-100)
    assert result.verdict == "inconclusive"
    assert result.interval == (-math.inf, math.inf)


def test_beyond_divergence_lies_no_edge(judge_one):
    rising = parabolas(-4.0, 3.0)

    def value(grid, point, seed):
        (x,) = point.values()
        return None if grid == "reg" and x > 0.25 else rising(grid, point, seed)

    result = run(judge_one, value, within=(1, 3))
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(2.0)  # the last stable point itself, 2**-2 over 2**-4


def test_a_tie_widens_the_interval(judge_one):
    def value(grid, point, seed):
        (x,) = point.values()
        if grid == "reg":
            return 1.0 if 2.0**-7 <= x <= 2.0**-3 else 0.9
        return parabolas(-5.0, 0.0)(grid, point, seed)

    result = run(judge_one, value, above=0)
    assert result.verdict == "inconclusive"
    assert result.estimate == pytest.approx(0.0)
    assert result.interval == pytest.approx((-2.0, 2.0), abs=0.4)
    assert "test_accuracy.best of grid 'reg' ties at 5 points" in result.reason


def test_zero_is_below_every_positive_value(judge_one):
    with_zero = {"plain": GRIDS["plain"], "reg": {STRENGTH: [0, *GRIDS["reg"][STRENGTH]]}}
    assert run(judge_one, parabolas(-4.3, -2.1), with_zero, above=1).estimate == pytest.approx(2.2)
    best_at_zero = run(
        judge_one,
        lambda grid, point, seed: 0.95 if 0 in point.values() else parabolas(-4.3, -2.1)(grid, point, seed),
        with_zero,
        below=-1,
    )
    assert best_at_zero.verdict == "supported"  # λ_opt ≤ 2**-9 against ε_opt = 2**-4.3
    assert best_at_zero.interval[0] == -math.inf


def test_nothing_but_divergence(judge_one):
    result = run(judge_one, lambda grid, point, seed: None if grid == "reg" else 0.5, above=0)
    assert (result.verdict, result.estimate, result.interval) == ("inconclusive", None, None)
    assert result.reason.startswith("no point of grid 'reg' that has a log2 has a value")


B, FINAL = "optimizer.batch_size", "schedule.final"


def test_two_optima_at_one_batch_size(judge_one):
    """Momentum against plain SGD at the largest batch, as effective learning rates."""
    axes = {B: [16, 64], LR: [2.0**k for k in range(-9, 3)]}
    peaks = {("sgd", 16): -5, ("sgd", 64): -3, ("momentum", 16): -5, ("momentum", 64): -1.4}

    def value(grid, point, seed):
        effective = math.log2(point[LR])
        return 0.9 - 0.01 * (effective - peaks[grid, point[B]] - SHIFTS["reg"][seed]) ** 2

    def ratio(of_scale, where, **expect):
        of = {"grid": "momentum", "metric": "test_accuracy.best", "where": {B: where}}
        over = {"grid": "sgd", "metric": "test_accuracy.best", "where": {B: where}, "optimum": LR}
        claim = {"of": {**of, "optimum": f"{LR} * {of_scale}"}, "over": over, "expect": expect}
        return judge_one({"kind": "optimum_ratio", **claim}, {"sgd": axes, "momentum": axes}, value)

    largest = ratio(1, "last", above=1)
    assert (largest.verdict, largest.estimate) == ("supported", pytest.approx(1.6))
    assert ratio(1, "first", above=1).verdict == "not supported"
    assert ratio(4, "last", above=1).estimate == pytest.approx(3.6)


def test_one_of_two_axes_that_are_tuned_together(judge_one):
    """The initial rate that is best for test accuracy over the one for training accuracy."""
    axes = {LR: [2.0**k for k in range(-9, 1)], FINAL: [2.0**k for k in range(-14, -6)]}

    def value(grid, point, seed):
        initial, final = math.log2(point[LR]), math.log2(point[FINAL])
        peak = {"test": -3, "train": -6}[grid] + SHIFTS["plain"][seed]
        return 0.9 - 0.01 * (initial - peak) ** 2 - 0.001 * (final + 10) ** 2

    def ratio(optimum, **expect):
        curves = {
            name: {"grid": grid, "metric": "test_accuracy.best", "optimum": optimum}
            for name, grid in (("of", "test"), ("over", "train"))
        }
        claim = {"kind": "optimum_ratio", **curves, "expect": expect}
        return judge_one(claim, {"test": axes, "train": axes}, value)

    assert ratio(LR, above=1).estimate == pytest.approx(3)
    assert ratio(LR, above=1).verdict == "supported"
    assert ratio(FINAL, above=1).verdict == "not supported"
