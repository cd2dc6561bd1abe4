"""Curves a known distance apart."""

import numpy as np
import pytest

from sgdlab.errors import UsageError

LR = "optimizer.lr"
POWERS = [2.0**k for k in range(-6, 0)]
GRIDS = {"a": {LR: POWERS[1:]}, "b": {LR: POWERS}}
JITTER = np.random.default_rng(2).normal(0, 0.01, (2, 6, 5))


def apart(gap, noise=0.0):
    """`b` spans 0.5; `a` lies `gap` above it."""

    def value(grid, point, seed):
        index = POWERS.index(point[LR])
        return 0.1 * index + gap * (grid == "a") + noise * JITTER[int(grid == "a"), index, seed]

    return value


def run(judge_one, value, grids=GRIDS, expect=None, **options):
    claim = {"kind": "difference", "of": "a", "to": "b", "expect": expect or {"below": 0.2}}
    return judge_one(claim, grids, value, **options)


def test_the_difference_is_relative_to_the_range(judge_one):
    result = run(judge_one, apart(0.05))
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(0.1)
    assert result.interval == pytest.approx((0.1, 0.1))
    assert result.num_seeds == 5


@pytest.mark.parametrize(
    ("gap", "verdict"), [(0.05, "supported"), (0.15, "not supported"), (0.1, "inconclusive")]
)
def test_verdicts_with_noise(judge_one, gap, verdict):
    result = run(judge_one, apart(gap, noise=1.0))
    assert result.verdict == verdict
    both = np.array([[[apart(gap, 1.0)(g, {LR: x}, s) for s in range(5)] for x in POWERS[1:]] for g in "ab"])
    whole = [np.mean([apart(gap, 1.0)("b", {LR: x}, s) for s in range(5)]) for x in POWERS]
    expected = np.abs(both.mean(axis=2)[0] - both.mean(axis=2)[1]).mean() / (max(whole) - min(whole))
    assert result.estimate == pytest.approx(expected)


def test_values_that_diverge_on_one_curve_are_counted(judge_one):
    gap = apart(0.05)
    result = run(
        judge_one,
        lambda grid, point, seed: None if grid == "a" and point[LR] == 0.5 else gap(grid, point, seed),
    )
    assert result.estimate == pytest.approx(0.1)
    assert "1 of 5 axis values lack a value on one curve" in result.reason


def test_a_flat_reference_spans_no_range(judge_one):
    result = run(judge_one, lambda grid, point, seed: 0.5)
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("'b' spans no range")


def test_unfinished(judge_one):
    result = run(judge_one, apart(0.0), unseen=[("b", 0.5)])
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("grid 'b' is unfinished at optimizer.lr=2**-1")


THREE = GRIDS | {"c": {LR: POWERS[:-1]}}  # a and c have four values in common


def beside_a_rival(judge_one, value, expect=None, **options):
    claim = {"kind": "difference", "of": "a", "to": "b", "rival": "c", "expect": expect or {"below": 1}}
    return judge_one(claim, THREE, value, **options)


def two_apart(near, far, noise=0.0):
    """`a` lies `near` above `b`, which isn't flat, and `c` `far` below."""
    jitter = np.random.default_rng(3).normal(0, noise, (3, 6, 5))

    def value(grid, point, seed):
        index = POWERS.index(point[LR])
        shift = {"a": near, "b": 0.0, "c": -far}[grid]
        return 0.1 * index**2 + shift + jitter["abc".index(grid), index, seed]

    return value


@pytest.mark.parametrize(
    ("near", "far", "verdict"),
    [(0.02, 0.05, "supported"), (0.05, 0.02, "not supported"), (0.05, 0.05, "inconclusive")],
)
def test_beside_a_rival_it_is_relative_to_the_rival_s_distance(judge_one, near, far, verdict):
    assert beside_a_rival(judge_one, two_apart(near, far)).estimate == pytest.approx(near / far)
    noisy = two_apart(near, far, noise=0.003)
    result = beside_a_rival(judge_one, noisy)
    assert result.verdict == verdict
    a, b, c = (
        np.array([[noisy(grid, {LR: x}, seed) for seed in range(5)] for x in POWERS[1:-1]]).mean(axis=1)
        for grid in "abc"
    )
    assert result.estimate == pytest.approx(np.abs(a - b).mean() / np.abs(c - b).mean())


def test_a_value_that_the_rival_lacks_is_left_out_and_counted(judge_one):
    apart = two_apart(0.02, 0.05)
    result = beside_a_rival(
        judge_one,
        lambda grid, point, seed: None if grid == "c" and point[LR] == 0.25 else apart(grid, point, seed),
    )
    assert result.estimate == pytest.approx(0.4)
    assert "1 of 4 axis values lack a value on a curve" in result.reason


def test_a_rival_that_is_the_curve_itself_decides_nothing(judge_one):
    result = beside_a_rival(judge_one, two_apart(0.02, 0.0))
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("'c' is 'b'")


def test_curves_without_a_common_axis_value_are_refused(judge_one):
    with pytest.raises(
        UsageError, match="a difference needs axis values in common, and 'a' and 'b' have none"
    ):
        run(judge_one, lambda grid, point, seed: 0.5, grids={"a": {LR: [0.3]}, "b": {LR: [0.5]}})


def test_a_grid_of_two_axes_is_refused(judge_one):
    grids = {"a": {LR: [0.25, 0.5], "optimizer.batch_size": [8, 16]}, "b": {LR: [0.25, 0.5]}}
    with pytest.raises(ValueError, match=r"claims\[0\].of needs one axis, and grid 'a' sweeps optimizer.lr"):
        run(judge_one, apart(0.0), grids=grids)
