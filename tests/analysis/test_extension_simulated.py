"""Extension on curves whose optimum is known: it ends, it is right, and it costs less than a wide grid."""

from __future__ import annotations

import pytest

from extension.simulated import (
    BATCH_SIZES,
    NUM_SEEDS,
    SHAPES,
    WIDE,
    Case,
    follow,
    make_sweep,
    num_right_on_wide_grid,
)

NUM_WIDE = len(WIDE) * len(BATCH_SIZES) * NUM_SEEDS
STARTS = (-10, -4, 1)  # far below the optimum, around it, above it
SINGLE = [name for name in SHAPES if name != "two peaks"]


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("noise", [0.002, 0.02])
def test_the_optimum_is_found_at_fewer_runs_than_a_wide_grid_takes(name, noise):
    case = Case(SHAPES[name], noise, number=0)
    num_right_wide = num_right_on_wide_grid(case)
    for start in STARTS:
        found = follow(make_sweep(range(start, start + 5)), case)
        assert [one.standing for one in found.assessments] == ["interior"] * len(BATCH_SIZES)
        assert found.num_right(case) >= num_right_wide
        assert found.num_runs < 0.7 * NUM_WIDE


@pytest.mark.parametrize("name", SINGLE)
def test_a_grid_that_is_wide_enough_gets_nothing(name):
    found = follow(make_sweep(WIDE), Case(SHAPES[name], 0.002, number=0))
    assert (found.num_runs, found.num_rounds) == (NUM_WIDE, 0)


def test_what_never_peaks_ends_at_the_most_rounds():
    rising = Case(lambda d: 0.5 + 0.01 * d, 0.002, number=0)
    found = follow(make_sweep(range(-4, 1), rounds=6), rising)
    assert found.num_rounds == 6
    assert {one.standing for one in found.assessments} == {"stopped"}
    assert found.num_runs == (5 + 6) * len(BATCH_SIZES) * NUM_SEEDS


def test_more_points_a_round_take_fewer_rounds():
    case = Case(SHAPES["tent"], 0.002, number=0)
    one, three = (follow(make_sweep(range(-10, -5), points=points), case) for points in (1, 3))
    assert three.num_rounds <= one.num_rounds / 2
    assert three.num_right(case) == one.num_right(case) == len(BATCH_SIZES)


def test_a_lower_peak_on_the_way_is_where_it_stops():
    """It is a local search: a start above both finds the higher one, a start below the lower one doesn't."""
    case = Case(SHAPES["two peaks"], 0.002, number=0)
    assert follow(make_sweep(range(1, 6)), case).num_right(case) == len(BATCH_SIZES)
    assert follow(make_sweep(range(-12, -7)), case).num_right(case) < len(BATCH_SIZES)
