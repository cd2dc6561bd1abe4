"""The points of a grid: their order, their runs, and where an axis or an expression puts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sgdlab.analysis.observations import Observation
from sgdlab.config.numbers import evaluate, format_number
from sgdlab.errors import UsageError
from sgdlab.sweeps.grids import Grid, Panel
from sgdlab.sweeps.references import names_at
from sgdlab.sweeps.selection import Where, describe_where, values_meant
from sgdlab.sweeps.spec import Sweep

Point = Mapping[str, Any]  # axis → value
PointId = frozenset[tuple[str, Any]]  # tells it from others


@dataclass(frozen=True)
class GridRuns:
    """All runs that one grid of one panel asks for; a run that nobody has seen is there as missing."""

    panel_name: str
    grid_name: str
    panel: Panel
    grid: Grid
    points: tuple[Point, ...]  # (P,) in the order of the sweep file
    runs: tuple[tuple[Observation, ...], ...]  # (P,), of num_seeds runs each, by ascending seed

    @property
    def swept_axes(self) -> list[str]:
        """The axes with more than one value; the first axis where there is none."""
        return [axis for axis, values in self.grid.axes.items() if len(values) > 1] or list(self.grid.axes)[
            :1
        ]

    def values_of(self, expression: str) -> list[Any]:
        """Return an axis, or an expression of axes, fixed and coupled values, at each point: (P,)."""
        return [
            point[expression]
            if expression in point
            else evaluate(expression, names_at(self.panel, self.grid, point))
            for point in self.points
        ]


def arrange(sweep: Sweep, observations: Iterable[Observation]) -> dict[tuple[str, str], GridRuns]:
    """Sort observations into the sweep's grids: (panel name, grid name) → its points and their runs.

    Raises
    ------
    UsageError
        If an observation belongs to no point of the sweep, or a point has one seed twice or too many runs.
    """
    found: dict[tuple[str, str], dict[Any, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for run in observations:
        found[run.panel, run.grid][point_id(run.point)].append(run)
    arranged = {}
    for panel_name, panel in sweep.panels.items():
        for grid_name, grid in panel.grids.items():
            runs_of = found.pop((panel_name, grid_name), {})
            points = tuple(grid.points())
            runs = tuple(
                _complete(panel_name, grid_name, point, runs_of.pop(point_id(point), []), sweep)
                for point in points
            )
            for strangers in runs_of.values():
                _refuse_stranger(sweep, strangers[0])
            arranged[panel_name, grid_name] = GridRuns(panel_name, grid_name, panel, grid, points, runs)
    for strangers_by_point in found.values():
        _refuse_stranger(sweep, next(iter(strangers_by_point.values()))[0])
    return arranged


class NoSuchPointError(Exception):
    """A grid has no point where a claim asks for one: the command line gave an axis other values."""


def restrict(grid_runs: GridRuns, where: Where) -> GridRuns:
    """Return the part of a grid that a selection means.

    Raises
    ------
    NoSuchPointError
        If it has no such point.
    """
    grid = grid_runs.grid
    meant = {axis: _values_meant(grid, axis, wanted) for axis, wanted in where.items()}
    kept = [
        index
        for index, point in enumerate(grid_runs.points)
        if all(point[axis] in values for axis, values in meant.items())
    ]
    if not kept:
        raise NoSuchPointError(f"grid {grid_runs.grid_name!r} has no point with {describe_where(where)}")
    also = [point for point in grid.also if all(point[axis] in values for axis, values in meant.items())]
    return replace(
        grid_runs,
        grid=grid.model_copy(update={"axes": {**grid.axes, **meant}, "also": also}),
        points=tuple(grid_runs.points[index] for index in kept),
        runs=tuple(grid_runs.runs[index] for index in kept),
    )


def axes_followed(points: Sequence[Point], values: Sequence[Any]) -> list[str]:
    """Return the axes along which the values at the points, (P,), change while everything else is equal."""
    return [axis for axis in points[0] if _changes_along(axis, points, values)] if points else []


def refuse_duplicates(runs: Sequence[Observation]) -> None:
    """Raise UsageError where two runs of one point have the same seed."""
    by_seed: dict[int, Observation] = {}
    for run in runs:
        twin = by_seed.setdefault(run.seed, run)
        if twin is not run:
            raise UsageError(
                f"{describe_place(run)} has seed {run.seed} twice, as runs {twin.key or '?'} and "
                f"{run.key or '?'}; each seed counts once"
            )


def describe_place(run: Observation) -> str:
    """Name the point of a run: grid, panel and axis values."""
    return f"grid {run.grid!r} of panel {run.panel!r} at {describe_point(run.point)}"


def describe_point(point: Point) -> str:
    """Write a point as the command line would: ``optimizer.lr=2**-6``."""
    return ", ".join(f"{axis}={format_number(value)}" for axis, value in point.items())


def place_beside(point: Point, axes: Container[str]) -> tuple[tuple[str, Any], ...]:
    """Return where a point stands on all axes but some, as something that can be looked up."""
    return tuple((axis, hashable(value)) for axis, value in point.items() if axis not in axes)


def is_number(value: Any) -> bool:
    """Whether a value has a place on an axis; True and False have none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def hashable(value: Any) -> Any:
    """Return an axis value as something that can be looked up: lists, such as hidden widths, as tuples."""
    return tuple(map(hashable, value)) if isinstance(value, list | tuple) else value


def point_id(point: Point) -> PointId:
    """Return what tells a point from others, as something that can be looked up."""
    try:
        return frozenset(point.items())
    except TypeError:  # a value is a list
        return frozenset((axis, hashable(value)) for axis, value in point.items())


def _changes_along(axis: str, points: Sequence[Point], values: Sequence[Any]) -> bool:
    seen: dict[Any, Any] = {}
    for point, value in zip(points, values, strict=True):
        if seen.setdefault(place_beside(point, [axis]), value) != value:
            return True
    return False


def _values_meant(grid: Grid, axis: str, wanted: Any) -> list[Any]:
    """Of the sweep file's own values are `first` and `last`: an extension doesn't change what they mean."""
    own = isinstance(wanted, str) and wanted in ("first", "last")
    return values_meant(grid.axes[axis] if own else grid.values_on(axis), wanted)


def _complete(
    panel: str, grid: str, point: Point, runs: list[Observation], sweep: Sweep
) -> tuple[Observation, ...]:
    """Sort by seed, and add every run that was asked for and not seen."""
    refuse_duplicates(runs)
    num_seeds = sweep.protocol.num_seeds
    if len(runs) > num_seeds:
        raise UsageError(
            f"{describe_place(runs[0])} has {len(runs)} runs, and protocol.num_seeds={num_seeds}: "
            "the best of more runs is another statistic; raise protocol.num_seeds"
        )
    seen = {run.seed for run in runs}
    unseen = [seed for seed in range(num_seeds) if seed not in seen][: num_seeds - len(runs)]
    missing = [Observation(panel, grid, point, seed, key="", state="missing") for seed in unseen]
    return tuple(sorted([*runs, *missing], key=lambda run: run.seed))


def _refuse_stranger(sweep: Sweep, run: Observation) -> None:
    raise UsageError(f"{sweep.name} at scale {sweep.scale} doesn't have {describe_place(run)}")
