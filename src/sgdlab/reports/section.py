"""What the report shows of one sweep: the numbers that analysis has computed, and plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sgdlab.analysis.claims import Verdict, judge
from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.protocol import describe_value
from sgdlab.analysis.series import FigureSeries
from sgdlab.analysis.tables import ResultRow, rows
from sgdlab.analysis.timing import Timing
from sgdlab.config.numbers import format_number
from sgdlab.reports.failures import FailureGroup
from sgdlab.sweeps.grids import Grid
from sgdlab.sweeps.spec import Sweep


@dataclass(frozen=True)
class SweepSection:
    """One sweep at one scale."""

    sweep: str  # smith2021/fig1b
    title: str
    paper: str
    figure: str
    scale: str
    notes: tuple[str, ...]  # what was assumed and scaled down
    series: FigureSeries
    verdicts: tuple[Verdict, ...]
    points: tuple[ResultRow, ...]
    settings: tuple[tuple[str, str], ...]  # what all runs share, and what is varied: name, value
    timings: tuple[Timing, ...]  # expected and actual time, for each step
    provenance: tuple[tuple[str, str], ...]  # versions, commit, number of runs, training time: name, value
    rank_by: str  # the metric that the protocol ranks runs by
    runs: tuple[Observation, ...]  # every run that the sweep wants, whatever became of it
    failures: tuple[FailureGroup, ...]


def section_of(
    sweep: Sweep,
    observations: Iterable[Observation],
    provenance: Mapping[str, str],
    timings: Iterable[Timing] = (),
    failures: Iterable[FailureGroup] = (),
) -> SweepSection:
    """Compute a sweep's section from its runs.

    Raises
    ------
    UsageError
        If an observation doesn't belong to the sweep, or a claim can't be made on the grid that it names.
    """
    runs = list(observations)
    return SweepSection(
        sweep=sweep.name,
        title=sweep.title,
        paper=sweep.paper,
        figure=sweep.figure,
        scale=sweep.scale,
        notes=tuple(sweep.notes),
        series=figure_series(sweep, runs),
        verdicts=tuple(judge(sweep, runs)),
        points=tuple(rows(sweep, runs)),
        settings=tuple(_settings(sweep)),
        timings=tuple(timings),
        provenance=tuple(provenance.items()),
        rank_by=sweep.protocol.rank_by,
        runs=tuple(runs),
        failures=tuple(failures),
    )


def _settings(sweep: Sweep) -> Iterator[tuple[str, str]]:
    """The protocol, and each panel's base and grids as its sweep file has them."""
    protocol = sweep.protocol
    yield "protocol", f"{describe_value(protocol)} seeds by {protocol.rank_by}"
    for panel_name, panel in sweep.panels.items():
        where = f"{panel_name}: " if len(sweep.panels) > 1 else ""
        for name, value in panel.base.items():
            yield where + name, format_number(value)
        for grid_name, grid in panel.grids.items():
            yield f"{where}grid {grid_name}", _describe_grid(grid)


def _describe_grid(grid: Grid) -> str:
    fixed = [f"{name} = {format_number(value)}" for name, value in grid.fixed.items()]
    axes = [f"{name} = {', '.join(map(format_number, values))}" for name, values in grid.axes.items()]
    coupled = [f"{name} = {expression}" for name, expression in grid.coupled.items()]
    points = (
        ", ".join(f"{axis} = {format_number(point[axis])}" for axis in grid.axes) for point in grid.also
    )
    beside = [f"and at {' · '.join(points)}"] if grid.also else []
    return "; ".join([*fixed, *axes, *beside, *coupled])
