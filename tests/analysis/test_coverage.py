"""Error bars of optima, simulated: how often they hold the true optimum, and what a sweep says of its own."""

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
