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


def test_curves_without_a_common_axis_value_are_refused(judge_one):
    with pytest.raises(
        UsageError, match="a difference needs axis values in common, and 'a' and 'b' have none"
    ):
        run(judge_one, lambda grid, point, seed: 0.5, grids={"a": {LR: [0.3]}, "b": {LR: [0.5]}})


def test_a_grid_of_two_axes_is_refused(judge_one):
    grids = {"a": {LR: [0.25, 0.5], "optimizer.batch_size": [8, 16]}, "b": {LR: [0.25, 0.5]}}
    with pytest.raises(ValueError, match=r"claims\[0\].of needs one axis, and grid 'a' sweeps optimizer.lr"):
        run(judge_one, apart(0.0), grids=grids)
