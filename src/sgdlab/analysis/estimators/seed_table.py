"""One curve, seed by seed: the table that every estimator reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, Point, describe_point, is_number
from sgdlab.analysis.protocol import Standing, standing_of, why_unusable
from sgdlab.config.metrics import lower_is_better
from sgdlab.errors import UsageError
from sgdlab.sweeps.spec import Protocol

_MAX_PLACES = 3  # that a remark names


@dataclass(frozen=True)
class SeedTable:
    """One metric on one grid; a point is valued with as many finite seeds as the protocol keeps (and 3)."""

    grid: str
    metric: str
    points: tuple[Point, ...]  # (P,)
    seeds: tuple[int, ...]  # (S,)
    values: np.ndarray  # (P, S), NaN where a run has no value
    standings: tuple[Standing, ...]  # (P,)
    gaps: tuple[Mapping[str, int], ...]  # (P,) reason → number of runs without a value

    @property
    def valued(self) -> np.ndarray:
        """Which points have enough finite seeds, (P,)."""
        return np.array([standing == "valued" for standing in self.standings])

    @property
    def heights(self) -> np.ndarray:
        """The values, turned so that higher is better, (P, S)."""
        return -self.values if lower_is_better(self.metric) else self.values

    def unfinished(self, indices: Sequence[int] | None = None) -> str | None:
        """Name the points, among `indices` or all, that may still get a value."""
        wanted = range(len(self.points)) if indices is None else indices
        names = [describe_point(self.points[i]) for i in wanted if self.standings[i] == "unfinished"]
        return f"grid {self.grid!r} is unfinished at {' and '.join(names)}" if names else None

    def describe_gaps(self) -> tuple[str, ...]:
        """Count the runs without a value, and say where they are."""
        lines = []
        for reason in sorted({reason for gaps in self.gaps for reason in gaps}):
            there = [i for i, gaps in enumerate(self.gaps) if reason in gaps]
            places = [describe_point(self.points[i]) for i in there]
            if len(places) > _MAX_PLACES:
                places[_MAX_PLACES:] = [f"{len(places) - _MAX_PLACES} more points"]
            num_runs = sum(self.gaps[i][reason] for i in there)
            lines.append(f"grid {self.grid!r}: {num_runs} × {reason}, at {' and '.join(places)}")
        return tuple(lines)

    def means(self, weights: np.ndarray) -> np.ndarray:
        """Return the mean over seeds for each row of weights (R, S): (R, P), NaN where no seed is finite."""
        finite = np.isfinite(self.values)
        total = weights @ np.where(finite, self.values, 0.0).T
        has_any = finite.any(axis=1)
        if finite.size and np.array_equal(has_any, finite.all(axis=1)):  # points are whole or empty: faster
            whole: np.ndarray = total / weights.sum(axis=1, keepdims=True)
            whole[:, ~has_any] = np.nan
            return whole
        count = weights @ finite.T.astype(float)
        means: np.ndarray = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return means

    def mean_heights(self, weights: np.ndarray) -> np.ndarray:
        """Return the means for each row of weights, turned so that higher is better: (R, P)."""
        means = self.means(weights)
        return -means if lower_is_better(self.metric) else means

    def select(self, indices: Sequence[int]) -> SeedTable:
        """Return the table of some points, in the order given."""
        return replace(
            self,
            points=tuple(self.points[i] for i in indices),
            values=self.values[list(indices)],
            standings=tuple(self.standings[i] for i in indices),
            gaps=tuple(self.gaps[i] for i in indices),
        )


def table_of(grid_runs: GridRuns, protocol: Protocol, metric: str) -> SeedTable:
    """Return the table of a grid, its points in the order of the sweep file."""
    return fill_table(
        grid_runs, protocol, metric, lambda run: why_unusable(run, metric) or run.metrics[metric]
    )


def fill_table(
    grid_runs: GridRuns, protocol: Protocol, name: str, read: Callable[[Observation], float | str]
) -> SeedTable:
    """Return the table of what `read` gives for each run: a finite number, or why there is none."""
    seeds = tuple(sorted({run.seed for runs in grid_runs.runs for run in runs}))
    values = np.full((len(grid_runs.points), len(seeds)), np.nan)
    standings: list[Standing] = []
    gaps = []
    needed = max(MIN_SEEDS, protocol.keep)
    for i, runs in enumerate(grid_runs.runs):
        readings = [read(run) for run in runs]
        for run, reading in zip(runs, readings, strict=True):
            if not isinstance(reading, str):
                values[i, seeds.index(run.seed)] = reading
        reasons = [reading for reading in readings if isinstance(reading, str)]
        num_finite = len(readings) - len(reasons)
        is_stopped = protocol.seeds == "halving" and any(run.state == "spared" for run in runs)
        standings.append(
            "stopped"
            if is_stopped
            else standing_of(num_finite, reasons.count("diverged"), needed, protocol.num_seeds)
        )
        gaps.append(Counter(reasons))
    return SeedTable(
        grid_runs.grid_name, name, grid_runs.points, seeds, values, tuple(standings), tuple(gaps)
    )


def on_shared_seeds(*tables: SeedTable) -> list[SeedTable]:
    """Restrict tables to the seeds that have a value in each of them: those can be resampled together."""
    shared = set.intersection(*({*_seeds_with_values(table)} for table in tables))
    result = []
    for table in tables:
        columns = [column for column, seed in enumerate(table.seeds) if seed in shared]
        seeds = tuple(table.seeds[column] for column in columns)
        result.append(replace(table, seeds=seeds, values=table.values[:, columns]))
    return result


def curve_table_of(grid_runs: GridRuns, protocol: Protocol, metric: str) -> tuple[list[Any], SeedTable]:
    """Return a curve: the values of the grid's one axis, ascending where they are numbers, and its table."""
    axis_values, order = order_of(grid_runs)
    return axis_values, table_of(grid_runs, protocol, metric).select(order)


def order_of(grid_runs: GridRuns) -> tuple[list[Any], list[int]]:
    """Return the values of the grid's one axis, ascending where numbers, and the points they are of."""
    axes = grid_runs.swept_axes
    if len(axes) > 1:
        raise UsageError(
            f"a claim on grid {grid_runs.grid_name!r} needs one axis, and it sweeps {', '.join(axes)}; "
            "make one grid for each curve, or claim a collapse"
        )
    axis_values = grid_runs.values_of(axes[0])
    order = list(range(len(axis_values)))
    if all(is_number(value) for value in axis_values):
        order.sort(key=lambda i: axis_values[i])
    return [axis_values[i] for i in order], order


def numbers_on(axis_values: Sequence[Any], grid: str) -> np.ndarray:
    """Return axis values as floats, (P,); refuse an axis of choices, such as optimizer.order."""
    for value in axis_values:
        if not is_number(value):
            raise UsageError(f"a claim on grid {grid!r} needs an axis of numbers, and it has {value!r}")
    return np.array(axis_values, dtype=float)


def _seeds_with_values(table: SeedTable) -> list[int]:
    columns = np.flatnonzero(np.isfinite(table.values).any(axis=0))
    return [table.seeds[column] for column in columns]
