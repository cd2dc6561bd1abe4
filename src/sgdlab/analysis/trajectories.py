"""Curves of a metric over training: mean and standard deviation over the kept runs at each evaluation.

With `drawing.seed` it is one run's own curve: of an oscillation, a mean over runs would leave nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sgdlab.analysis.labels import curve_label
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns
from sgdlab.analysis.protocol import PointSummary, summarize_curve
from sgdlab.analysis.series import Made, Series
from sgdlab.sweeps.drawings import Curve
from sgdlab.sweeps.spec import Sweep


def make_trajectories(grid_runs: GridRuns, curve: Curve, sweep: Sweep) -> Made:
    """Make one curve for each point of the grid; a point that can't be drawn becomes a warning."""
    name = curve.metric.partition(".")[0]
    series, warnings = [], []
    summaries = [
        _of_seed(summary, sweep.drawing.seed)
        for summary in summarize_curve(grid_runs, sweep.protocol, sweep.protocol.rank_by)
    ]
    axes = grid_runs.swept_axes if len(summaries) > 1 else []
    for runs, summary in zip(grid_runs.runs, summaries, strict=True):
        label = curve_label(sweep.drawing, curve, grid_runs, summary.point, axes)
        obstacle = summary.note or _obstacle(runs, summary.kept_seeds, name)
        if obstacle is None:
            smoothed = [_smoothed(run, name, sweep.drawing.smooth) for run in runs]
            series.append(_series(label, curve.metric, smoothed, summary))
        else:
            warnings.append(f"{label}: {obstacle}")
    return Made(tuple(series), tuple(warnings))


def _of_seed(summary: PointSummary, seed: int | None) -> PointSummary:
    """Restrict a summary to one run, if a seed is given."""
    if seed is None:
        return summary
    states = [run.state for run in summary.left_out if run.seed == seed and run.state != "done"]
    note = f"the run with seed {seed} is {states[0]}" if states else None
    return replace(summary, kept_seeds=(seed,), num_asked=1, note=note)


def _smoothed(run: Observation, name: str, num_evaluations: int) -> Observation:
    """Replace a curve by its running mean over finite values, centred; over fewer near the ends."""
    if num_evaluations == 1 or name not in run.curves:
        return run
    curve = np.asarray(run.curves[name], dtype=float)
    before, after = (num_evaluations - 1) // 2, num_evaluations // 2
    padded = np.pad(curve, (before, after), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, num_evaluations)  # (E, num_evaluations)
    finite = np.isfinite(windows)
    total, count = np.where(finite, windows, 0.0).sum(axis=1), finite.sum(axis=1)
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return replace(run, curves={**run.curves, name: mean})


def _obstacle(runs: Sequence[Observation], kept_seeds: Sequence[int], name: str) -> str | None:
    """Say why the kept runs have no common curve; they share a point, and so should share evaluations."""
    kept = [run for run in runs if run.seed in kept_seeds]
    for run in kept:
        for needed in (name, "updates"):
            if needed not in run.curves:
                return f"the run with seed {run.seed} has no {needed} over training"
    updates = kept[0].curves["updates"]
    for run in kept:
        if not np.array_equal(run.curves["updates"], updates) or len(run.curves[name]) != len(updates):
            return f"the run with seed {run.seed} was evaluated at other updates than seed {kept[0].seed}"
    return None


def _series(label: str, metric: str, runs: Sequence[Observation], summary: PointSummary) -> Series:
    name = metric.partition(".")[0]
    kept = np.stack([run.curves[name] for run in runs if run.seed in summary.kept_seeds])  # (k, E)
    updates = next(run.curves["updates"] for run in runs if run.seed in summary.kept_seeds)
    finite = [run for run in runs if run.state == "done" and name in run.curves]
    everyone = np.stack([run.curves[name] for run in finite if len(run.curves[name]) == len(updates)])
    selected = summary.num_asked > len(kept)
    std = np.std(kept, axis=0, ddof=1) if len(kept) > 1 else np.full(len(updates), np.nan)
    return Series(
        label=label,
        metric=metric,
        x=tuple(updates.tolist()),
        mean=_or_none(np.mean(kept, axis=0)),
        std=_or_none(std),
        unselected=_or_none(np.mean(everyone, axis=0)) if selected else (None,) * len(updates),
        unselected_rule="all finite runs" if selected else "",
        num_done=(summary.num_done,) * len(updates),
        grid=summary.grid,
        points=(summary.point,),
    )


def _or_none(values: np.ndarray) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in values)
