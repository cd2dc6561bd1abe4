"""From a sweep and its runs to all the numbers of its figure.

Beside each value stands the unselected one: over every finite run and, where the value is the best over
training and the runs have it, with the epoch chosen on one half of the test set and read on the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sgdlab.analysis.curves import make_curves
from sgdlab.analysis.heat_map import make_heat_map
from sgdlab.analysis.labels import label_of_number
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.optima import make_optima
from sgdlab.analysis.penalty_error import describe_penalty_error
from sgdlab.analysis.phase import make_phase
from sgdlab.analysis.points import GridRuns, arrange, describe_point, is_number
from sgdlab.analysis.protocol import describe_value, summarize_point
from sgdlab.analysis.seed_rounds import describe_rounds
from sgdlab.analysis.series import FigureSeries, HeatMap, Made, PanelSeries, Reference, Rule, Series, XScale
from sgdlab.analysis.trajectories import make_trajectories
from sgdlab.sweeps.drawings import Curve
from sgdlab.sweeps.spec import Protocol, Sweep

_MAX_NAMED = 6  # points without a value


def figure_series(sweep: Sweep, observations: Iterable[Observation]) -> FigureSeries:
    """Compute everything that the sweep's figure draws.

    Raises
    ------
    UsageError
        If an observation doesn't belong to the sweep, or an expression on x can't be evaluated.
    """
    drawing = sweep.drawing
    observations = list(observations)
    arranged = arrange(sweep, observations)
    drawn = [*drawing.curves, *([drawing.reference] if drawing.reference else [])]
    grids = {(panel, curve.grid): arranged[panel, curve.grid] for panel in sweep.panels for curve in drawn}
    panels, warnings = [], []
    for name, panel in sweep.panels.items():
        made = [_make(arranged[name, curve.grid], curve, sweep) for curve in drawing.curves]
        series = tuple(one for each in made for one in each.series)
        where = f"{panel.title}: " if len(sweep.panels) > 1 else ""
        warnings += [where + text for each in made for text in each.warnings]
        reference = None
        if drawing.reference:
            reference = _reference(arranged[name, drawing.reference.grid], drawing.reference, sweep.protocol)
        panels.append(
            PanelSeries(
                name=name,
                title=panel.title,
                x_scale=_scale_of(series) if drawing.kind in ("curves", "optima") else "linear",
                series=series,
                reference=reference,
                y_range=panel.y_range,
                x_range=panel.x_range,
                rules=tuple(Rule(**line.model_dump()) for line in drawing.lines),
                heat_map=_heat_map(arranged, name, sweep),
            )
        )
        warnings += [where + text for text in (*_outside(panels[-1]), *_contours_outside(panels[-1], sweep))]
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
            *describe_rounds(sweep, observations),
            *_smoothing(sweep),
            *_tuning(sweep),
            *describe_penalty_error(run for grid in grids.values() for point in grid.runs for run in point),
            *_without_value(panels),
            *_optima(panels),
            *_thin_lines(panels),
            *warnings,
        ),
    )


def _make(grid_runs: GridRuns, curve: Curve, sweep: Sweep) -> Made:
    match sweep.drawing.kind:
        case "curves":
            return make_curves(grid_runs, curve, sweep)
        case "optima":
            return make_optima(grid_runs, curve, sweep)
        case "trajectories":
            return make_trajectories(grid_runs, curve, sweep)
        case "phase":
            return make_phase(grid_runs, curve, sweep)
        case "heat_map":
            return Made((), ())  # no curves, but cells


def _heat_map(arranged: Mapping[tuple[str, str], GridRuns], panel_name: str, sweep: Sweep) -> HeatMap | None:
    if sweep.drawing.kind != "heat_map":
        return None
    return make_heat_map(arranged[panel_name, sweep.drawing.curves[0].grid], sweep)


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
    if sweep.drawing.kind == "phase":
        return f"{where}. A point is one evaluation of one run, and all finite runs are drawn."
    if sweep.drawing.seed is not None:
        return f"{where}. The run of seed {sweep.drawing.seed} of {protocol.num_seeds} alone."
    if protocol.seeds == "claims":
        return f"{where}. Mean ± s.d. of {describe_value(protocol)} runs a point."
    if protocol.keep == protocol.num_seeds:
        return f"{where}. Mean ± s.d. of {protocol.num_seeds} runs a point."
    return (
        f"{where}. Mean ± s.d. of the best {protocol.keep} of {protocol.num_seeds} runs a point, "
        f"ranked by {protocol.rank_by}."
    )


def _smoothing(sweep: Sweep) -> list[str]:
    num_evaluations = sweep.drawing.smooth
    return [f"Each run's curve is a running mean over {num_evaluations} evaluations."] * (num_evaluations > 1)


def _tuning(sweep: Sweep) -> list[str]:
    """Say over what points are tuned, and that the same runs choose and show them."""
    if sweep.drawing.kind != "optima":
        return []
    by = dict.fromkeys(curve.tuned_by or curve.metric for curve in sweep.drawing.curves)
    text = (
        f"Tuned over {', '.join(sweep.drawing.tuned)} by the best mean {' or '.join(by)}, and shown on the "
        "same runs."
    )
    if any(curve.optimum for curve in sweep.drawing.curves):
        text += " Error bars of an optimum: every value whose mean lies within one s.d. of the best."
    return [text]


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
    parts += [f"{spared} spared"] if (spared := counted.count("spared")) else []
    return f"{len(counted)} runs: {', '.join(parts)}."


def _outside(panel: PanelSeries) -> list[str]:
    """Count the points that the panel's ranges leave out."""
    points = [(x, y) for one in panel.series for x, y in zip(one.x, one.mean, strict=True) if y is not None]
    leave_out = []
    for name, bounds, values in (
        ("x", panel.x_range, [x for x, _ in points]),
        ("y", panel.y_range, [y for _, y in points]),
    ):
        low, high = bounds or (-math.inf, math.inf)
        if num_outside := sum(not low <= value <= high for value in values if bounds):
            lie = "point lies" if num_outside == 1 else "points lie"
            leave_out.append(f"{num_outside} {lie} outside the range of {name} that is drawn")
    return leave_out


def _contours_outside(panel: PanelSeries, sweep: Sweep) -> list[str]:
    """Name the contours that don't pass over the grid."""
    if panel.heat_map is None:
        return []
    passing = {(contour.label, contour.level) for contour in panel.heat_map.contours if contour.lines}
    return [
        f"{contours.label} = {label_of_number(level)} doesn't pass over the grid"
        for contours in sweep.drawing.contours
        for level in contours.levels
        if (contours.label, level) not in passing
    ]


def _optima(panels: Sequence[PanelSeries]) -> list[str]:
    """Say what a marked optimum and its error bar are, where there are any."""
    if not any(one.optimum for panel in panels for one in panel.series):
        return []
    return ["Optimum: the best mean; its error bar: every x whose mean lies within one s.d. of it."]


def _without_value(panels: Sequence[PanelSeries]) -> list[str]:
    """Name the points where too many runs diverged; where there are many, count them."""
    where = [
        f"{one.label} at {', '.join(map(label_of_number, one.diverged_x))}"
        for panel in panels
        for one in panel.series
        if one.diverged_x
    ]
    num_points = sum(len(one.diverged_x) for panel in panels for one in panel.series)
    num_points += sum(len(panel.heat_map.diverged) for panel in panels if panel.heat_map)
    if not num_points:
        return []
    named = f": {'; '.join(where)}" if where and num_points <= _MAX_NAMED else f" at {num_points} points"
    return [f"No value, since too many runs diverged{named}."]


def _thin_lines(panels: Sequence[PanelSeries]) -> list[str]:
    """Say what the unselected lines are, where there are any."""
    rules = {
        one.metric: one.unselected_rule for panel in panels for one in panel.series if one.unselected_rule
    }
    if len(set(rules.values())) == 1:
        return [f"Thin lines: {next(iter(rules.values()))}."]
    return [f"Thin lines of {metric}: {rule}." for metric, rule in rules.items()]
