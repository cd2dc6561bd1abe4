"""From a sweep and its runs to all the numbers of its figure.

Beside each value stands the unselected one: over every finite run and, where the value is the best over
training and the runs have it, with the epoch chosen on one half of the test set and read on the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sgdlab.analysis.curves import make_curves
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.penalty_error import describe_penalty_error
from sgdlab.analysis.points import GridRuns, arrange, describe_point, is_number
from sgdlab.analysis.protocol import summarize_point
from sgdlab.analysis.series import FigureSeries, PanelSeries, Reference, Series, XScale
from sgdlab.analysis.trajectories import make_trajectories
from sgdlab.sweeps.spec import Curve, Protocol, Sweep


def figure_series(sweep: Sweep, observations: Iterable[Observation]) -> FigureSeries:
    """Compute everything that the sweep's figure draws.

    Raises
    ------
    UsageError
        If an observation doesn't belong to the sweep, or an expression on x can't be evaluated.
    """
    drawing = sweep.drawing
    make = make_trajectories if drawing.kind == "trajectories" else make_curves
    arranged = arrange(sweep, observations)
    drawn = [*drawing.curves, *([drawing.reference] if drawing.reference else [])]
    grids = {(panel, curve.grid): arranged[panel, curve.grid] for panel in sweep.panels for curve in drawn}
    panels, warnings = [], []
    for name, panel in sweep.panels.items():
        made = [make(arranged[name, curve.grid], curve, sweep) for curve in drawing.curves]
        series = tuple(one for each in made for one in each.series)
        where = f"{panel.title}: " if len(sweep.panels) > 1 else ""
        warnings += [where + text for each in made for text in each.warnings]
        reference = None
        if drawing.reference:
            reference = _reference(arranged[name, drawing.reference.grid], drawing.reference, sweep.protocol)
        scale: XScale = "linear" if drawing.kind == "trajectories" else _scale_of(series)
        panels.append(PanelSeries(name, panel.title, scale, series, reference, panel.y_range))
        warnings += [where + text for text in _outside(panels[-1])]
    return FigureSeries(
        name=sweep.name,
        title=sweep.title,
        kind=drawing.kind,
        x_label=drawing.x_label,
        y_label=drawing.y_label,
        y_scale=drawing.y_scale,
        panels=tuple(panels),
        caption=(
            _protocol(sweep),
            _counts(grids.values()),
            *describe_penalty_error(run for grid in grids.values() for point in grid.runs for run in point),
            *_thin_lines(panels),
            *warnings,
        ),
    )


def _reference(grid_runs: GridRuns, reference: Curve, protocol: Protocol) -> Reference | None:
    summary = summarize_point(grid_runs.runs[0], protocol, reference.metric)
    if summary.best is None:
        return None
    return Reference(reference.label or grid_runs.grid.label, summary.best.mean, summary.best.std)


def _scale_of(series: Sequence[Series]) -> XScale:
    xs = [x for one in series for x in one.x]
    if not all(map(is_number, xs)):
        return "choices"
    return "linear" if any(x < 0 for x in xs) else "log2"


def _protocol(sweep: Sweep) -> str:
    protocol = sweep.protocol
    where = f"{sweep.name} at {sweep.scale} scale"
    if protocol.keep == protocol.num_seeds:
        return f"{where}. Mean ± s.d. of {protocol.num_seeds} runs a point."
    return (
        f"{where}. Mean ± s.d. of the best {protocol.keep} of {protocol.num_seeds} runs a point, "
        f"ranked by {protocol.rank_by}."
    )


def _counts(grids: Iterable[GridRuns]) -> str:
    """Count the runs behind the figure; one that two grids share counts once."""
    states: dict[Any, str] = {}
    for grid_runs in grids:
        for runs in grid_runs.runs:
            for run in runs:
                place = (run.panel, run.grid, describe_point(run.point), run.seed)
                states[run.key or place] = run.state
    counted = list(states.values())
    parts = [f"{counted.count(state)} {state}" for state in ("done", "diverged", "failed", "missing")]
    return f"{len(counted)} runs: {', '.join(parts)}."


def _outside(panel: PanelSeries) -> list[str]:
    """Count the points that the panel's range of y leaves out."""
    if panel.y_range is None:
        return []
    low, high = panel.y_range
    means = [mean for one in panel.series for mean in one.mean if mean is not None]
    num_outside = sum(not low <= mean <= high for mean in means)
    points = "point lies" if num_outside == 1 else "points lie"
    return [f"{num_outside} {points} outside the range of y that is drawn"] if num_outside else []


def _thin_lines(panels: Sequence[PanelSeries]) -> list[str]:
    """Say what the unselected lines are, where there are any."""
    rules = {
        one.metric: one.unselected_rule for panel in panels for one in panel.series if one.unselected_rule
    }
    if len(set(rules.values())) == 1:
        return [f"Thin lines: {next(iter(rules.values()))}."]
    return [f"Thin lines of {metric}: {rule}." for metric, rule in rules.items()]
