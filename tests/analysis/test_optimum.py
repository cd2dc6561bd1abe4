"""Optima, error bars and edges of small grids, found by eye."""

import pytest

from sgdlab.analysis.optimum import Edge, find_optimum
from sgdlab.analysis.points import arrange
from sgdlab.analysis.protocol import summarize_curve

LR = "optimizer.lr"
SPREAD = (-0.01, 0.0, 0.01)  # standard deviation 0.01 over three seeds


@pytest.fixture
def optimum_of(make_sweep, make_runs):
    def find(heights, metric="test_accuracy.best", axes=None):
        """`heights` maps the values of a point, in the order of its axes, to a mean; None is diverged."""
        axes = axes or {LR: [key[0] for key in heights]}
        sweep = make_sweep({"plain": axes})

        def value(grid, point, seed):
            mean = heights[tuple(point.values())]
            return None if mean is None else mean + SPREAD[seed]

        arranged = arrange(sweep, make_runs(sweep, value, metric))
        return find_optimum(summarize_curve(arranged["main", "plain"], sweep.protocol, metric))

    return find


def line(*heights):
    return {(2.0**k,): height for k, height in enumerate(heights, start=-4)}


def values(points):
    return [point.point[LR] for point in points]


def test_error_bar_is_every_mean_within_one_standard_deviation(optimum_of):
    optimum = optimum_of(line(0.5, 0.6, 0.691, 0.7, 0.695, 0.689))
    assert values(optimum.best) == [0.5]
    assert values(optimum.bar) == [0.25, 0.5, 1.0]
    assert (optimum.mean, optimum.std) == (pytest.approx(0.7), pytest.approx(0.01))
    assert optimum.best_edges == optimum.bar_edges == ()


def test_tied_optima_are_a_set(optimum_of):
    optimum = optimum_of(line(0.5, 0.7, 0.6, 0.7, 0.5))
    assert values(optimum.best) == values(optimum.bar) == [2.0**-3, 2.0**-1]


def test_the_smallest_loss_is_the_optimum(optimum_of):
    optimum = optimum_of(line(0.5, 0.105, 0.1, 0.3), metric="train_loss.final")
    assert values(optimum.best) == [2.0**-2]
    assert values(optimum.bar) == [2.0**-3, 2.0**-2]
    assert optimum.mean == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("heights", "best_edges", "bar_edges"),
    [
        ((0.7, 0.6, 0.5), (Edge(LR, "low"),), (Edge(LR, "low"),)),
        ((0.5, 0.6, 0.7), (Edge(LR, "high"),), (Edge(LR, "high"),)),
        ((0.5, 0.7, 0.695), (), (Edge(LR, "high"),)),
        ((0.5, 0.7, None), (), ()),  # beyond lies divergence, not the unknown
    ],
)
def test_edges_are_flagged(optimum_of, heights, best_edges, bar_edges):
    optimum = optimum_of(line(*heights))
    assert (optimum.best_edges, optimum.bar_edges) == (best_edges, bar_edges)


def test_zero_is_no_edge(optimum_of):
    optimum = optimum_of({(0,): 0.7, (0.5,): 0.6, (1.0,): 0.5})
    assert optimum.best_edges == ()


def test_edges_of_a_grid_of_two_axes_and_of_choices(optimum_of):
    axes = {LR: [0.25, 0.5, 1.0], "optimizer.batch_size": [16, 32], "optimizer.order": ["shuffled", "fixed"]}
    heights = {(lr, b, o): 0.5 for lr in axes[LR] for b in (16, 32) for o in ("shuffled", "fixed")}
    heights[0.5, 32, "fixed"] = 0.7
    assert optimum_of(heights, axes=axes).best_edges == (Edge("optimizer.batch_size", "high"),)


def test_no_value_anywhere_is_no_optimum(optimum_of):
    assert optimum_of(line(None, None, None)) is None
