"""Error bars of optima, simulated: how often they hold the true optimum, and what a sweep says of its own."""

import re
from pathlib import Path

import numpy as np
import pytest

from sgdlab.analysis.coverage import bar_coverage
from sgdlab.analysis.optimum import find_optimum
from sgdlab.analysis.points import arrange
from sgdlab.analysis.protocol import summarize_curve

LR, ACCURACY = "optimizer.lr", "test_accuracy.best"
POWERS = range(7)
TRUTH = 3


def simulated(make_sweep, make_runs, curvature, seed, num_seeds=7, keep=5):
    """Return the summaries of a parabola with its top at TRUTH, in units of the noise between seeds."""
    noise = np.random.default_rng(seed).normal(size=(len(POWERS), num_seeds))
    sweep = make_sweep({"sgd": {LR: [2.0**k for k in POWERS]}}, num_seeds, keep)

    def value(grid, point, run):
        place = int(np.log2(point[LR]))
        return -curvature * (place - TRUTH) ** 2 + noise[place, run]

    (grid_runs,) = arrange(sweep, make_runs(sweep, value)).values()
    return summarize_curve(grid_runs, sweep.protocol, ACCURACY), sweep.protocol


def true_coverage(make_sweep, make_runs, curvature):
    """Count over fresh sweeps, by the protocol's own code."""
    held = 0
    for seed in range(150):
        points, _ = simulated(make_sweep, make_runs, curvature, seed)
        held += points[TRUTH] in find_optimum(points).bar
    return held / 150


@pytest.mark.parametrize(("curvature", "low", "high"), [(0.0, 0.6, 0.8), (0.1, 0.8, 1.0), (1.0, 0.97, 1.0)])
def test_the_bar_holds_the_true_optimum(make_sweep, make_runs, curvature, low, high):
    assert low <= true_coverage(make_sweep, make_runs, curvature) <= high


@pytest.mark.parametrize("curvature", [0.1, 1.0])
def test_what_a_sweep_says_of_itself_is_near_the_truth(make_sweep, make_runs, curvature):
    said = [bar_coverage(*simulated(make_sweep, make_runs, curvature, seed)) for seed in range(10)]
    assert np.mean(said) == pytest.approx(true_coverage(make_sweep, make_runs, curvature), abs=0.12)


HEIGHTS = {
    "flat": lambda d: 0.0,
    "parabola": lambda d: -(d**2),
    "tent": lambda d: -abs(d),
    "plateau": lambda d: -max(0, abs(d) - 1),
}
PROTOCOLS = ((7, 5), (7, 7), (15, 12))
NUM_SWEEPS = 4000


def rows_of_the_page():
    """Return the rows of the table in docs/protocol.md: curve, points, cost, and per cent by protocol."""
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| (flat|parabola|tent|plateau) \| (.*) \|$", text, re.MULTILINE)
    return [(name, *map(float, cells.split(" | "))) for name, cells in rows]


def bars(values, keep):
    """Return which points each bar holds, (R, P), of values (R, P, S): with sorted arrays."""
    kept = np.sort(values, axis=2)[:, :, -keep:]
    means, deviations = kept.mean(axis=2), kept.std(axis=2, ddof=1)
    rows, best = np.arange(len(values)), means.argmax(axis=1)
    return means >= (means[rows, best] - deviations[rows, best])[:, None]


@pytest.mark.parametrize(("name", "num_points", "cost", "first", "second", "third"), rows_of_the_page())
def test_the_page_says_how_often_a_bar_holds_the_best_point(name, num_points, cost, first, second, third):
    heights = np.array([cost * HEIGHTS[name](place - num_points // 2) for place in range(int(num_points))])
    for (num_seeds, keep), said in zip(PROTOCOLS, (first, second, third), strict=True):
        noise = np.random.default_rng(num_seeds + keep).normal(size=(NUM_SWEEPS, len(heights), num_seeds))
        held = bars(heights[:, None] + noise, keep)[:, heights == heights.max()].mean()
        share = min(said / 100, 0.995)  # 100 is anything above
        error = np.sqrt(share * (1 - share) / NUM_SWEEPS)  # at most: each sweep has several best points
        assert held == pytest.approx(share, abs=3 * error + 0.005)  # the page has whole per cents


@pytest.mark.parametrize(("num_seeds", "keep"), PROTOCOLS)
def test_the_protocols_own_bars_are_those_of_sorted_arrays(make_sweep, make_runs, num_seeds, keep):
    noise = np.random.default_rng(0).normal(size=(20, 5, num_seeds))
    sweep = make_sweep({"sgd": {LR: [2.0**place for place in range(5)]}}, num_seeds, keep)
    for values, expected in zip(noise, bars(noise, keep), strict=True):
        runs = make_runs(sweep, lambda grid, at, seed, of=values: of[int(np.log2(at[LR])), seed])
        (grid_runs,) = arrange(sweep, runs).values()
        points = summarize_curve(grid_runs, sweep.protocol, ACCURACY)
        bar = find_optimum(points).bar
        assert [point in bar for point in points] == expected.tolist()


def test_without_noise_it_is_certain(make_sweep, make_runs):
    sweep = make_sweep({"sgd": {LR: [1, 2, 4]}}, 5, 3)
    runs = make_runs(sweep, lambda grid, point, seed: -((point[LR] - 2) ** 2))
    (grid_runs,) = arrange(sweep, runs).values()
    assert bar_coverage(summarize_curve(grid_runs, sweep.protocol, ACCURACY), sweep.protocol) == 1.0


def test_it_is_nothing_where_it_is_not_defined(make_sweep, make_runs):
    for axis, num_seeds, keep in (([1], 5, 3), ([1, 2], 2, 2), ([1, 2], 5, 1)):
        sweep = make_sweep({"sgd": {LR: axis}}, num_seeds, keep)
        (grid_runs,) = arrange(sweep, make_runs(sweep, lambda grid, point, seed: 0.5)).values()
        assert bar_coverage(summarize_curve(grid_runs, sweep.protocol, ACCURACY), sweep.protocol) is None
