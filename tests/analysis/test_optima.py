"""Curves of optima: numbers put in, found, projected and flagged."""

import io
import json
import math
from dataclasses import replace

import pytest

from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.optimum_table import flags_of, optimum_rows, record_of_optimum
from sgdlab.analysis.tables import rows, write_csv

LR, B, N, FINAL = "optimizer.lr", "optimizer.batch_size", "optimizer.inner_steps", "schedule.final"
BEST, LOSS = "test_accuracy.best", "train_loss.final"
GRID = {"tuned": {B: [32, 16], LR: [2.0**k for k in range(-5, 0)]}}
OPTIMA = {"kind": "optima", "x": B, "tuned": [LR]}


def curve(**changes):
    return {"grid": "tuned", "metric": BEST, **changes}


def peaked(best, width=0.01):
    """Best at log2 lr = best[B]; the seeds spread by 0.015 about it, so the bar holds one point beside it."""

    def value(grid, point, seed):
        return 0.9 - width * (math.log2(point[LR]) - best[point[B]]) ** 2 + 0.015 * (seed - 1)

    return value


def draw_one(make_sweep, make_runs, value, grids=GRID, num_seeds=3, keep=None, **drawing):
    sweep = make_sweep(grids, num_seeds, keep, **{**OPTIMA, "curves": [curve()], **drawing})
    return sweep, make_runs(sweep, value)


def series_of(*made):
    figure = figure_series(*made)
    return figure, figure.panels[0].series


def test_the_value_at_the_best_learning_rate(make_sweep, make_runs):
    figure, (one,) = series_of(*draw_one(make_sweep, make_runs, peaked({16: -3, 32: -3})))
    assert one.x == (16, 32)  # ascending
    assert one.mean == pytest.approx((0.9, 0.9))
    assert one.std == pytest.approx((0.015, 0.015))
    assert one.bars == one.at_edge_x == ()
    assert figure.panels[0].x_scale == "log2"
    assert figure.caption[2] == (
        "Tuned over optimizer.lr by the best mean test_accuracy.best, and shown on the same runs."
    )


def test_the_optimum_and_its_error_bar(make_sweep, make_runs):
    drawn = [curve(optimum=f"{LR} / (1 - 0.75)")]
    made = draw_one(make_sweep, make_runs, peaked({16: -3, 32: -2.6}), curves=drawn)
    _, (one,) = series_of(*made)
    assert one.mean == (4 * 2.0**-3, 4 * 2.0**-3)
    # the point beside −3 is 0.01 below; beside −2.6 those at −3 and −2 are 0.0016 and 0.0036 below 0.9
    assert one.bars == ((4 * 2.0**-4, 4 * 2.0**-2), (4 * 2.0**-3, 4 * 2.0**-2))
    assert one.std == (None, None)
    assert one.at_edge_x == ()


def test_an_optimum_and_an_error_bar_at_the_edge_are_flagged(make_sweep, make_runs):
    made = draw_one(make_sweep, make_runs, peaked({16: -5, 32: -2}), curves=[curve(optimum=LR)])
    figure, (one,) = series_of(*made)
    assert one.mean == (2.0**-5, 2.0**-2)
    assert one.bars[1] == (2.0**-3, 2.0**-1)  # touches the high end, the optimum doesn't
    assert one.at_edge_x == (16, 32)
    assert figure.caption[-1] == (
        "tuned: the optimum or its error bar touches the edge of the grid at 2 of 2 points: "
        "optimizer.lr (low), optimizer.lr (high)"
    )


def test_divergence_is_no_edge_and_nothing_but_divergence_has_no_optimum(make_sweep, make_runs):
    def value(grid, point, seed):
        gone = point[B] == 32 or point[LR] > 2.0**-2
        return None if gone else peaked({16: -2, 32: -2})(grid, point, seed)

    _, (one,) = series_of(*draw_one(make_sweep, make_runs, value, curves=[curve(optimum=LR)]))
    assert one.mean == (2.0**-2, None)
    assert one.at_edge_x == ()
    assert (one.diverged_x, one.unfinished_x) == ((32,), ())


def test_an_unfinished_grid_is_said(make_sweep, make_runs):
    sweep, runs = draw_one(make_sweep, make_runs, peaked({16: -3, 32: -3}))
    runs = [
        replace(run, state="missing", metrics={}) if run.point == {B: 16, LR: 2.0**-1} else run
        for run in runs
    ]
    figure, (one,) = series_of(sweep, runs)
    assert one.mean[0] == pytest.approx(0.9)
    assert figure.caption[-1] == "tuned: tuned over an unfinished grid at 1 of 2 points"


def test_the_middle_of_a_tie_is_drawn_and_said(make_sweep, make_runs):
    def value(grid, point, seed):
        return 0.9 if 2.0**-4 <= point[LR] <= 2.0**-2 else 0.5

    figure, (one,) = series_of(*draw_one(make_sweep, make_runs, value, curves=[curve(optimum=LR)]))
    assert one.mean == (2.0**-3, 2.0**-3)
    assert one.bars == ((2.0**-4, 2.0**-2),) * 2
    assert figure.caption[-1] == "tuned: several points tie at 2 of 2 optima, and the middle one is drawn"


def test_another_metric_may_choose(make_sweep, make_runs):
    """Accuracy is best at 2**-3, the loss smallest at 2**-2."""
    drawn = [
        curve(metric=LOSS, tuned_by=BEST, label="at best accuracy"),
        curve(metric=LOSS, label="at its own"),
    ]
    sweep, runs = draw_one(make_sweep, make_runs, peaked({16: -3, 32: -3}), curves=drawn)
    runs = [replace(run, metrics={**run.metrics, LOSS: (math.log2(run.point[LR]) + 2) ** 2}) for run in runs]
    _, (by_accuracy, own) = series_of(sweep, runs)
    assert by_accuracy.mean == (1, 1)
    assert own.mean == (0, 0)


def test_two_axes_are_tuned_together_and_the_error_bar_is_projected(make_sweep, make_runs):
    """On a ridge lr·final = 2**-6 three pairs are near the best: the bar of each is its range over them."""
    grids = {"tuned": {B: [16], LR: [2.0**k for k in range(-6, 1)], FINAL: [2.0**k for k in range(-7, 1)]}}

    def value(grid, point, seed):
        initial, final = math.log2(point[LR]), math.log2(point[FINAL])
        return 0.9 - 0.5 * (initial + final + 6) ** 2 - 0.006 * (initial + 3) ** 2 + 0.01 * (seed - 1)

    drawn = [curve(optimum=LR), curve(optimum=FINAL)]
    made = draw_one(make_sweep, make_runs, value, grids, tuned=[LR, FINAL], curves=drawn)
    _, (initial, final) = series_of(*made)
    assert (initial.mean, initial.bars) == ((2.0**-3,), ((2.0**-4, 2.0**-2),))
    assert (final.mean, final.bars) == ((2.0**-3,), ((2.0**-4, 2.0**-2),))


def test_of_two_axes_the_one_at_its_edge_is_ringed(make_sweep, make_runs):
    """The final rate is best at its lowest value, the initial one in the middle."""
    grids = {"tuned": {B: [16], LR: [2.0**k for k in range(-6, 1)], FINAL: [2.0**k for k in range(-7, 1)]}}

    def value(grid, point, seed):
        return 0.9 - (math.log2(point[LR]) + 3) ** 2 - math.log2(point[FINAL]) + 0.01 * (seed - 1)

    drawn = [curve(optimum=LR), curve(optimum=FINAL), curve(optimum=f"{LR} / {FINAL}"), curve()]
    made = draw_one(make_sweep, make_runs, value, grids, tuned=[LR, FINAL], curves=drawn)
    figure, series = series_of(*made)
    assert [one.at_edge_x for one in series] == [(), (16,), (16,), (16,)]
    assert sum("touches the edge of the grid" in line for line in figure.caption) == len(drawn)


def test_a_curve_for_each_n(make_sweep, make_runs):
    grids = {"tuned": {N: [1, 4], B: [16, 32], LR: [2.0**k for k in range(-5, 0)]}}

    def value(grid, point, seed):
        return 0.9 - 0.1 * point[N] - abs(math.log2(point[LR]) + 3) + 1e-3 * point[B]

    made = draw_one(make_sweep, make_runs, value, grids, curves=[curve(split_by=N)])
    _, series = series_of(*made)
    assert [one.label for one in series] == ["n = 1", "n = 4"]
    assert [one.mean for one in series] == [pytest.approx((0.816, 0.832)), pytest.approx((0.516, 0.532))]


def test_beside_it_stands_the_optimum_of_all_runs(make_sweep, make_runs):
    """A lucky best-2-of-3 at 2**-2 beats 2**-3, whose mean over all three is the best."""
    heights = {2.0**-3: (0.8, 0.8, 0.8), 2.0**-2: (0.85, 0.85, 0.1)}

    def value(grid, point, seed):
        return heights.get(point[LR], (0.2, 0.2, 0.2))[seed]

    made = draw_one(make_sweep, make_runs, value, keep=2, curves=[curve(optimum=LR)])
    _, (one,) = series_of(*made)
    assert one.mean == (2.0**-2,) * 2
    assert one.unselected == (2.0**-3,) * 2
    assert one.unselected_rule == "all finite runs"


@pytest.fixture
def table(make_sweep, make_runs):
    drawn = [curve(optimum=LR), curve(optimum=f"{LR} / 0.1"), curve()]
    return draw_one(make_sweep, make_runs, peaked({16: -5, 32: -3}), curves=drawn)


def test_the_table_has_one_row_an_optimum(table):
    at_edge, inside = sorted(optimum_rows(*table), key=lambda row: row.at[B])
    assert inside.at == {B: 32}
    assert inside.value.mean == pytest.approx(0.9)
    assert (inside.bars[LR].best, inside.bars[LR].low, inside.bars[LR].high) == (2.0**-3, 2.0**-4, 2.0**-2)
    assert inside.bars[f"{LR} / 0.1"].best == pytest.approx(1.25)
    assert flags_of(inside) == ""
    assert flags_of(at_edge) == "edge: optimizer.lr low"
    record = json.loads(json.dumps(record_of_optimum(at_edge), allow_nan=False))
    assert record["optimum"][LR] == {"best": 2.0**-5, "low": 2.0**-5, "high": 2.0**-4}
    assert record["edges"] == ["optimizer.lr low"]


def test_points_are_marked_within_what_is_tuned_together(table):
    marked = {tuple(row.summary.point.values()) for row in rows(*table) if row.is_optimum}
    assert marked == {(16, 2.0**-5), (32, 2.0**-3)}
    write_csv(rows(*table), written := io.StringIO())
    assert written.getvalue().count("True") == 2 + 5  # two optima, and five points in their error bars


def test_nothing_has_no_optimum(make_sweep, make_runs):
    sweep, _ = draw_one(make_sweep, make_runs, peaked({16: -3, 32: -3}))
    row = optimum_rows(sweep, [])[0]
    assert (row.bars, row.value, row.standing) == ({}, None, "unfinished")
    assert flags_of(row) == "5 points unfinished"
    plain = make_sweep({"plain": {LR: [0.5]}})
    assert optimum_rows(plain, []) == []
