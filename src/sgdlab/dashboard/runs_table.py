"""The table of all runs of a sweep: where each is, what became of it, and its metrics."""

from __future__ import annotations

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.tables import drawn_metrics
from sgdlab.dashboard.tables import Column, Row, cell_text, column, numeric_column
from sgdlab.sweeps.spec import Sweep

NAME = "runs"


def columns_of(sweep: Sweep) -> list[Column]:
    """Return the columns: where a run is, what became of it, and its metrics."""
    return [
        *([column("panel", "panel", 110)] if len(sweep.panels) > 1 else []),
        *([column("grid", "grid", 120)] if len(_grids(sweep)) > 1 else []),
        *(numeric_column(name, f"a{place}", "axis", 130) for place, name in enumerate(axes_of(sweep))),
        numeric_column("seed", "seed", "whole", 80),
        column("state", "state", 120, cellRenderer="State"),
        numeric_column("made", "made", "percent", 90),
        *(numeric_column(name, f"m{place}", "metric", 150) for place, name in enumerate(metrics_of(sweep))),
        column("run", "key", 140, cellRenderer="RunLink"),
    ]


def row_of(place: int, run: Observation, sweep: Sweep, state: str, percent: int | None) -> Row:
    """Return the row of a run, which is the `place`-th; `percent` of its updates are made while it trains."""
    row: Row = {"id": str(place), "panel": run.panel, "grid": run.grid, "seed": run.seed}
    row |= {
        f"a{index}": cell_text(run.point[axis])
        for index, axis in enumerate(axes_of(sweep))
        if axis in run.point
    }
    row |= {"state": state, "made": percent, "key": run.key}
    found = enumerate(metrics_of(sweep))
    return row | {f"m{index}": run.metrics[name] for index, name in found if name in run.metrics}


def axes_of(sweep: Sweep) -> list[str]:
    """Return the axes of all grids."""
    return list(dict.fromkeys(axis for grid in _grids(sweep).values() for axis in grid))


def metrics_of(sweep: Sweep) -> list[str]:
    """Return the metrics that rank the runs and that the figure draws."""
    drawn = (metric for grid in _grids(sweep) for metric in drawn_metrics(sweep, grid))
    return list(dict.fromkeys([sweep.protocol.rank_by, *drawn]))


def _grids(sweep: Sweep) -> dict[str, list[str]]:
    return {name: list(grid.axes) for panel in sweep.panels.values() for name, grid in panel.grids.items()}
