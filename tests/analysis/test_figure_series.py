"""The drawn numbers against the summaries, and against numbers written out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.points import arrange
from sgdlab.analysis.protocol import summarize_curve
from sgdlab.analysis.series import OptimumMark, Rule

LR, N, B = "optimizer.lr", "optimizer.inner_steps", "optimizer.batch_size"
BEST = "test_accuracy.best"
GRIDS = {"plain": {LR: [0.25, 0.125, 0.5, 1.0]}, "reference": {LR: [0.125]}}
HEIGHTS = {0.125: 0.5, 0.25: 0.6, 0.5: 0.595, 1.0: None}


def value(grid, point, seed):
    height = HEIGHTS[point[LR]]
    return None if height is None else height + 0.01 * (seed - 1)


def test_drawn_numbers_are_the_summaries(make_sweep, make_runs):
    sweep = make_sweep(
        GRIDS, num_seeds=4, keep=3, mark_optimum=True, reference={"grid": "reference", "metric": BEST}
    )
    runs = make_runs(sweep, value)
    figure = figure_series(sweep, runs)
    (panel,) = figure.panels
    (series,) = panel.series
    assert panel.x_scale == "log2"
    assert series.x == (0.125, 0.25, 0.5, 1.0)  # ascending, whatever the file's order
    summaries = summarize_curve(arrange(sweep, runs)["main", "plain"], sweep.protocol, BEST)
    by_lr = {summary.point[LR]: summary for summary in summaries}
    assert series.mean == tuple(by_lr[x].value for x in series.x)
    assert series.std == tuple(by_lr[x].std for x in series.x)
    assert series.mean[:3] == pytest.approx((0.51, 0.61, 0.605))
    assert series.mean[3] is None
    assert series.unselected[:3] == pytest.approx((0.505, 0.605, 0.6))
    assert series.num_done == (4, 4, 4, 0)
    assert series.diverged_x == (1.0,)
    assert series.optimum == OptimumMark((0.25,), pytest.approx(0.61), (0.25, 0.5), at_edge=False)
    assert panel.reference.mean == pytest.approx(0.51)
    assert panel.reference.label == "reference"


def test_the_caption_says_protocol_counts_and_exclusions(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, num_seeds=4, keep=3)
    runs = make_runs(sweep, value)
    runs[0] = replace(runs[0], state="missing", metrics={})
    assert figure_series(sweep, runs).caption == (
        "made/up at laptop scale. Mean ± s.d. of the best 3 of 4 runs a point, ranked by test_accuracy.best.",
        "16 runs: 11 done, 4 diverged, 0 failed, 1 missing.",
        "No value, since too many runs diverged: plain at 1.",
        "Thin lines: all finite runs.",
    )


def test_a_run_that_two_grids_share_counts_once(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, reference={"grid": "reference", "metric": BEST})
    runs = [replace(run, key=f"{run.point[LR]}-{run.seed}") for run in make_runs(sweep, value)]
    assert figure_series(sweep, runs).caption[1] == "12 runs: 9 done, 3 diverged, 0 failed, 0 missing."


def test_the_honest_value_stands_beside_a_best_over_training(make_sweep, make_runs):
    sweep = make_sweep(GRIDS)
    runs = [
        replace(run, metrics={**run.metrics, "test_accuracy.honest": run.metrics[BEST] - 0.1})
        if run.metrics
        else run
        for run in make_runs(sweep, value)
    ]
    figure = figure_series(sweep, runs)
    series = figure.panels[0].series[0]
    assert series.unselected[:3] == pytest.approx(tuple(y - 0.1 for y in series.mean[:3]))
    assert series.unselected[3] is None
    assert figure.caption[-1] == (
        "Thin lines: all finite runs, epoch chosen on one half of the test set and read on the other."
    )


def test_where_nothing_is_selected_nothing_stands_beside(make_sweep, make_runs):
    sweep = make_sweep({"plain": {LR: [0.125, 0.25]}})
    figure = figure_series(sweep, make_runs(sweep, value))
    assert figure.panels[0].series[0].unselected == (None, None)
    assert len(figure.caption) == 2


def test_an_expression_on_x_and_one_curve_for_each_value(make_sweep, make_runs):
    sweep = make_sweep(
        {"nstep": {N: [1, 4], LR: [2.0**-11, 0.5]}},
        x=f"{LR} * {N}",
        curves=[{"grid": "nstep", "metric": BEST, "split_by": N}],
    )
    series = (
        figure_series(sweep, make_runs(sweep, lambda grid, point, seed: point[N] * point[LR]))
        .panels[0]
        .series
    )
    assert [one.label for one in series] == ["n = 1", "n = 4"]
    assert series[1].x == series[1].mean == (2.0**-9, 2.0)


def test_labels_write_powers_of_two(make_sweep, make_runs):
    sweep = make_sweep(
        {"plain": {LR: [2.0**-6, 0.3], B: [16, 32]}},
        x=B,
        curves=[{"grid": "plain", "metric": BEST, "split_by": LR, "label": "SGD"}],
    )
    series = figure_series(sweep, make_runs(sweep, lambda grid, point, seed: 0.5)).panels[0].series
    assert [one.label for one in series] == ["SGD, ε = 2^{-6}", "SGD, ε = 0.3"]


def test_an_optimum_at_the_edge_is_said(make_sweep, make_runs):
    sweep = make_sweep({"plain": {LR: [0.125, 0.25]}}, mark_optimum=True, panels=("a", "b"))
    figure = figure_series(sweep, make_runs(sweep, value))
    assert figure.panels[0].series[0].optimum.at_edge
    assert figure.caption[-1] == "b: plain: the optimum or its error bar touches the edge of the grid"


def test_choices_and_unfinished_points(make_sweep, make_runs):
    sweep = make_sweep({"orders": {"optimizer.order": ["shuffled", "fixed"]}}, mark_optimum=True)
    runs = [run for run in make_runs(sweep, lambda *_: 0.5) if run.point["optimizer.order"] == "shuffled"]
    panel = figure_series(sweep, runs).panels[0]
    assert panel.x_scale == "choices"
    assert panel.series[0].x == ("shuffled", "fixed")
    assert panel.series[0].unfinished_x == ("fixed",)
    assert panel.series[0].optimum is None


@pytest.fixture
def trajectories(make_sweep, make_runs):
    def build(change=lambda run: run, num_seeds=3, keep=2, **drawing):
        drawn = [{"grid": "plain", "metric": "test_accuracy.curve"}]
        sweep = make_sweep(
            {"plain": {LR: [0.5]}}, num_seeds, keep, kind="trajectories", x="updates", curves=drawn, **drawing
        )
        runs = []
        for run in make_runs(sweep, lambda grid, point, seed: 0.5 + 0.1 * seed):
            curves = {
                "updates": np.array([0, 10, 20]),
                "test_accuracy": np.array([0.1, 0.3 + 0.1 * run.seed, 0.5 + 0.1 * run.seed]),
            }
            runs.append(change(replace(run, curves=curves)))
        return figure_series(sweep, runs)

    return build


def test_trajectories_are_over_the_kept_runs(trajectories):
    figure = trajectories()
    (series,) = figure.panels[0].series
    assert figure.panels[0].x_scale == "linear"
    assert series.x == (0, 10, 20)
    assert series.mean == pytest.approx((0.1, 0.45, 0.65))  # seeds 1 and 2
    assert series.std == pytest.approx((0, 0.1 / np.sqrt(2), 0.1 / np.sqrt(2)))
    assert series.unselected == pytest.approx((0.1, 0.4, 0.6))


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (
            lambda run: replace(run, curves={}),
            "plain: the run with seed 1 has no test_accuracy over training",
        ),
        (
            lambda run: replace(run, curves={**run.curves, "updates": run.curves["updates"] + run.seed}),
            "plain: the run with seed 2 was evaluated at other updates than seed 1",
        ),
        (lambda run: replace(run, state="diverged"), "plain: 0 finite runs of 3, 2 needed"),
    ],
)
def test_a_trajectory_that_cannot_be_drawn_is_said(trajectories, change, warning):
    figure = trajectories(change)
    assert figure.panels[0].series == ()
    assert figure.caption[-1] == warning


def test_one_runs_own_trajectory(trajectories):
    figure = trajectories(seed=0)
    (series,) = figure.panels[0].series
    assert series.mean == pytest.approx((0.1, 0.3, 0.5))
    assert series.std == series.unselected == (None, None, None)
    assert figure.caption[0] == "made/up at laptop scale. The run of seed 0 of 3 alone."
    gone = trajectories(lambda run: replace(run, state="diverged") if run.seed == 0 else run, seed=0)
    assert gone.caption[-1] == "plain: the run with seed 0 is diverged"


def test_smoothing_is_a_centred_running_mean_of_each_run_and_said(trajectories):
    figure = trajectories(seed=1, smooth=3)
    assert figure.panels[0].series[0].mean == pytest.approx((0.25, (0.1 + 0.4 + 0.6) / 3, 0.5))
    assert figure.caption[2] == "Each run's curve is a running mean over 3 evaluations."
    assert trajectories(smooth=2).panels[0].series[0].mean == pytest.approx((0.275, 0.55, 0.65))

    def broken(run):
        accuracy = np.where([False, True, False], np.nan, run.curves["test_accuracy"])
        return replace(run, curves={**run.curves, "test_accuracy": accuracy})

    assert trajectories(broken, seed=1, smooth=3).panels[0].series[0].mean == pytest.approx((0.1, 0.35, 0.6))


def test_lines_of_the_sweep_file_are_in_every_panel(trajectories):
    (panel,) = trajectories(lines=[{"y": 1, "label": "edge of stability"}]).panels
    assert panel.rules == (Rule("edge of stability", y=1.0),)


def test_points_outside_the_drawn_range_are_counted(make_sweep, make_runs):
    sweep = make_sweep({"plain": {LR: [0.125, 0.25, 0.5, 1.0]}})
    panels = {name: panel.model_copy(update={"y_range": (0.0, 0.25)}) for name, panel in sweep.panels.items()}
    sweep = sweep.model_copy(update={"panels": panels})
    figure = figure_series(sweep, make_runs(sweep, lambda grid, point, seed: point[LR]))
    means = [mean for one in figure.panels[0].series for mean in one.mean if mean is not None]
    num_outside = sum(mean > 0.25 for mean in means)
    assert num_outside > 1
    assert f"{num_outside} points lie outside the range of y that is drawn" in figure.caption[-1]


def test_points_outside_the_drawn_range_of_x_are_counted(make_sweep, make_runs):
    sweep = make_sweep({"plain": {LR: [0.125, 0.25, 0.5]}})
    panels = {name: panel.model_copy(update={"x_range": (0.2, 0.3)}) for name, panel in sweep.panels.items()}
    sweep = sweep.model_copy(update={"panels": panels})
    figure = figure_series(sweep, make_runs(sweep, value))
    assert figure.caption[-1] == "2 points lie outside the range of x that is drawn"


@pytest.mark.parametrize(("worst", "is_tolerable"), [(0.02, True), (4.5, False)])
def test_the_error_of_a_difference_penalty_is_said(make_sweep, make_runs, worst, is_tolerable):
    sweep = make_sweep({"plain": {LR: [0.125, 0.25]}})
    runs = make_runs(sweep, value)
    assert not any("finite differences" in line for line in figure_series(sweep, runs).caption)
    name = "penalty_relative_error.worst"
    measured = [replace(run, metrics={**run.metrics, name: worst * (1 + (run.seed == 0))}) for run in runs]
    caption = figure_series(sweep, measured).caption
    (line,) = [line for line in caption if "finite differences" in line]
    assert f"{worst:.2g} in the median run and {2 * worst:.2g} at most" in line
    assert ("Above 0.1 a run's results are not those of the penalty." in caption) is not is_tolerable


def test_a_marked_optimum_is_explained(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, mark_optimum=True)
    caption = figure_series(sweep, make_runs(sweep, lambda grid, point, seed: 0.5)).caption
    assert "Optimum: the best mean; its error bar: every x whose mean lies within one s.d. of it." in caption


def test_many_points_without_a_value_are_counted(make_sweep, make_runs):
    sweep = make_sweep({"plain": {LR: [2.0**-k for k in range(8)]}})
    caption = figure_series(sweep, make_runs(sweep, lambda grid, point, seed: None)).caption
    assert "No value, since too many runs diverged at 8 points." in caption
