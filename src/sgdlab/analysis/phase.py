"""One metric against another along training: a point for each evaluation of each finite run.

Nothing is selected: the evaluations of all finite runs are drawn, those of a curve's window where it has one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sgdlab.analysis.labels import curve_label
from sgdlab.analysis.points import GridRuns
from sgdlab.analysis.series import Made, Series
from sgdlab.analysis.windows import Curves, curve_of, evaluations_in, missing_curve
from sgdlab.sweeps.drawings import Curve
from sgdlab.sweeps.spec import Sweep
from sgdlab.sweeps.windows import Window

MAX_POINTS = 3000  # of one series; beyond that they only hide each other


def make_phase(grid_runs: GridRuns, curve: Curve, sweep: Sweep) -> Made:
    """Make one cloud of points for each point of the grid; a run that can't be drawn becomes a warning."""
    x_metric, window = curve.x or sweep.drawing.x, curve.during or Window()
    needed = (x_metric, curve.metric, *window.metrics().values())
    axes = grid_runs.swept_axes if len(grid_runs.points) > 1 else []
    series, warnings = [], []
    for point, runs in zip(grid_runs.points, grid_runs.runs, strict=True):
        label = curve_label(sweep.drawing, curve, grid_runs, point, axes)
        clouds = []
        for run in runs:
            obstacle = missing_curve(run.curves, needed) if run.state == "done" else run.state
            if obstacle is None:
                clouds.append(_cloud(run.curves, x_metric, curve.metric, window))
            else:
                warnings.append(f"{label}: the run with seed {run.seed} {_is(obstacle)}")
        one, stride = _series(label, curve.metric, clouds, sweep.drawing.mark_end)
        series.append(replace(one, grid=curve.grid, points=(point,)))
        if stride > 1:
            warnings.append(f"{label}: one evaluation in {stride} is drawn")
    return Made(tuple(series), tuple(warnings))


def _cloud(curves: Curves, x_metric: str, y_metric: str, window: Window) -> np.ndarray:
    """Return the points of one run, (E, 2), in the order of training."""
    points = np.column_stack([curve_of(curves, x_metric), curve_of(curves, y_metric)])
    return np.asarray(points[evaluations_in(window, curves) & np.isfinite(points).all(axis=1)])


def _series(label: str, metric: str, clouds: list[np.ndarray], mark_end: bool) -> tuple[Series, int]:
    """Return the clouds as one series, and the distance of the evaluations that are drawn."""
    stride = max(1, -(-sum(map(len, clouds)) // MAX_POINTS))
    drawn = np.concatenate([cloud[::stride] for cloud in clouds] or [np.empty((0, 2))])
    nothing = (None,) * len(drawn)
    one = Series(
        label=label,
        metric=metric,
        x=tuple(drawn[:, 0].tolist()),
        mean=tuple(drawn[:, 1].tolist()),
        std=nothing,
        unselected=nothing,
        unselected_rule="",
        num_done=(len(clouds),) * len(drawn),
        ends=tuple((float(cloud[-1, 0]), float(cloud[-1, 1])) for cloud in clouds if len(cloud) and mark_end),
    )
    return one, stride


def _is(obstacle: str) -> str:
    return obstacle if obstacle.startswith("has ") else f"is {obstacle}"
