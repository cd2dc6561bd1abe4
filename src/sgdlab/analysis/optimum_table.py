"""The optima that a figure draws as rows of `sgdlab results`: table 1 of smith2020."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.optimum import Edge
from sgdlab.analysis.points import GridRuns, Point, arrange
from sgdlab.analysis.protocol import Spread, Standing
from sgdlab.analysis.tuning import Bar, TunedPoint, bar_of, tune
from sgdlab.sweeps.drawings import Curve
from sgdlab.sweeps.spec import Sweep


@dataclass(frozen=True)
class OptimumRow:
    """The optimum over the tuned axes, at one place of the others."""

    panel: str
    grid: str
    metric: str  # what `value` is of
    tuned_by: str  # the metric that chose
    at: Point  # the axes that aren't tuned → value
    bars: Mapping[str, Bar]  # tuned axis, or expression that is drawn → its optimum; empty without one
    value: Spread | None
    standing: Standing
    edges: tuple[Edge, ...]  # ends of the grid that the optimum or its error bar touches
    num_unfinished: int  # points among those tuned over that may still become the best
    num_tied: int  # best points; more than one where they tie


def optimum_rows(sweep: Sweep, observations: Iterable[Observation]) -> list[OptimumRow]:
    """Return a row for each optimum that the sweep's drawing asks for; none where it draws something else."""
    if sweep.drawing.kind != "optima":
        return []
    arranged = arrange(sweep, observations)
    return [
        row
        for panel_name in sweep.panels
        for curves in _by_choice(sweep)
        for row in _rows(arranged[panel_name, curves[0].grid], curves, sweep)
    ]


def record_of_optimum(row: OptimumRow) -> dict[str, Any]:
    """Return a row ready for JSON."""
    return {
        "panel": row.panel,
        "grid": row.grid,
        **row.at,
        "metric": row.metric,
        "tuned_by": row.tuned_by,
        "value_mean": None if row.value is None else row.value.mean,
        "value_std": None if row.value is None else row.value.std,
        "optimum": {name: asdict(bar) for name, bar in row.bars.items()},
        "edges": [f"{edge.axis} {edge.side}" for edge in row.edges],
        "num_unfinished": row.num_unfinished,
        "num_tied": row.num_tied,
        "standing": row.standing,
    }


def flags_of(row: OptimumRow) -> str:
    """Say what a reader must know of an optimum before believing it; empty where there is nothing."""
    flags = [f"edge: {edge.axis} {edge.side}" for edge in row.edges]
    if row.num_tied > 1:
        flags.append(f"{row.num_tied} points tie")
    if row.num_unfinished:
        flags.append(f"{row.num_unfinished} points unfinished")
    if not row.bars and row.standing == "diverged":
        flags.append("diverged")
    return ", ".join(flags)


def _by_choice(sweep: Sweep) -> list[list[Curve]]:
    """Group the curves that differ in nothing but what they draw of one optimum, or in their looks."""
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in sweep.drawing.curves:
        groups.setdefault((curve.grid, curve.metric, curve.tuned_by or curve.metric), []).append(curve)
    return list(groups.values())


def _rows(grid_runs: GridRuns, curves: list[Curve], sweep: Sweep) -> Iterator[OptimumRow]:
    first, tuned = curves[0], sweep.drawing.tuned
    drawn = [curve.optimum for curve in curves if curve.optimum is not None]
    for point in tune(grid_runs, sweep.protocol, tuned, first.metric, first.tuned_by):
        yield OptimumRow(
            panel=grid_runs.panel_name,
            grid=grid_runs.grid_name,
            metric=first.metric,
            tuned_by=first.tuned_by or first.metric,
            at=point.at,
            bars=_bars(point, grid_runs, dict.fromkeys([*tuned, *drawn])),
            value=point.shown.best,
            standing=point.standing,
            edges=point.edges,
            num_unfinished=point.num_unfinished,
            num_tied=len(point.optimum.best) if point.optimum else 0,
        )


def _bars(point: TunedPoint, grid_runs: GridRuns, expressions: Iterable[str]) -> dict[str, Bar]:
    if point.optimum is None:
        return {}
    return {expression: bar_of(point.optimum, grid_runs, expression) for expression in expressions}
