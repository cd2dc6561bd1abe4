"""Phase drawings: the drawn points are the evaluations, in their windows, of all finite runs."""

from dataclasses import replace

import numpy as np
import pytest

from sgdlab.analysis import phase
from sgdlab.analysis.figure_series import figure_series

LR = "optimizer.lr"
X, Y = "instability.curve", "relative_loss_change.curve"
BEFORE = {"before": {"metric": X, "above": 1}}


@pytest.fixture
def phases(make_sweep, make_runs):
    """Return phases(curves=…, change=…): the figure of two seeds whose instability is 0.5, 0.75, … 1.5."""

    def build(change=lambda run: run, rates=(0.5,), **drawing):
        drawn = {"curves": [{"grid": "gd", "metric": Y}], "x": X, "kind": "phase", **drawing}
        sweep = make_sweep({"gd": {LR: list(rates)}}, 2, 2, **drawn)
        runs = []
        for run in make_runs(sweep, lambda grid, point, seed: 0.5):
            x = 0.5 + 0.25 * np.arange(5)
            y = run.point[LR] * (x - 1) + 0.01 * run.seed
            curves = {"updates": np.arange(5), "instability": x, "relative_loss_change": y}
            runs.append(change(replace(run, curves=curves)))
        return figure_series(sweep, runs)

    return build


def test_each_evaluation_of_each_run_is_a_point(phases):
    figure = phases()
    (series,) = figure.panels[0].series
    assert figure.panels[0].x_scale == "linear"
    assert series.x == (0.5, 0.75, 1.0, 1.25, 1.5) * 2
    expected = [0.5 * (x - 1) + 0.01 * (i >= 5) for i, x in enumerate(series.x)]
    assert series.mean == pytest.approx(expected)
    assert series.ends == ()
    assert figure.caption == (
        "made/up at laptop scale. A point is one evaluation of one run, and all finite runs are drawn.",
        "2 runs: 2 done, 0 diverged, 0 failed, 0 missing.",
    )


def test_curves_share_the_points_out_by_a_condition(phases):
    sides = [
        {"grid": "gd", "metric": Y, "label": side, "during": {"where": [{"metric": X, side: 1}]}}
        for side in ("above", "below")
    ]
    above, below = phases(curves=sides).panels[0].series
    assert (above.label, above.x) == ("above", (1.25, 1.5) * 2)
    assert (below.label, below.x) == ("below", (0.5, 0.75) * 2)


def test_the_end_of_a_window_is_marked_for_each_run(phases):
    curves = [{"grid": "gd", "metric": Y, "during": BEFORE}]
    (series,) = phases(curves=curves, mark_end=True).panels[0].series
    assert series.x == (0.5, 0.75, 1.0) * 2
    assert series.ends == ((1.0, 0.0), (1.0, pytest.approx(0.01)))


def test_points_of_the_grid_are_told_apart_and_may_have_another_x(phases):
    first, second = phases(rates=(0.5, 0.25), curves=[{"grid": "gd", "metric": X, "x": Y}]).panels[0].series
    assert (first.label, second.label) == ("ε = 2^{-1}", "ε = 2^{-2}")
    assert second.x[0] == pytest.approx(-0.125)
    assert second.mean[0] == 0.5


def test_runs_that_cannot_be_drawn_are_said_and_the_others_drawn(phases):
    def change(run):
        return replace(run, state="diverged") if run.seed == 0 else run

    figure = phases(change)
    assert len(figure.panels[0].series[0].x) == 5
    assert figure.caption[-1] == "gd: the run with seed 0 is diverged"
    figure = phases(lambda run: replace(run, curves={"updates": np.arange(5)}))
    assert figure.panels[0].series[0].x == ()
    assert figure.caption[-1] == "gd: the run with seed 1 has no instability over training"


def test_values_that_are_not_finite_are_no_points(phases):
    def change(run):
        y = run.curves["relative_loss_change"].copy()
        y[:2] = np.nan, np.inf
        return replace(run, curves={**run.curves, "relative_loss_change": y})

    assert phases(change).panels[0].series[0].x == (1.0, 1.25, 1.5) * 2


def test_many_points_are_thinned_and_it_is_said(phases, monkeypatch):
    monkeypatch.setattr(phase, "MAX_POINTS", 5)
    figure = phases(mark_end=True)
    assert figure.panels[0].series[0].x == (0.5, 1.0, 1.5) * 2
    assert figure.caption[-1] == "gd: one evaluation in 2 is drawn"
