"""What stands behind one point: its runs and their part in the value, their curves, and its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sgdlab.analysis.explain import Explanation, explain_point
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, Point, arrange, point_id
from sgdlab.analysis.tables import drawn_metrics
from sgdlab.dashboard.addresses import Place
from sgdlab.dashboard.snapshots import Snapshot
from sgdlab.errors import UserError
from sgdlab.runs.store import Store

_SEPARATOR = "."


@dataclass(frozen=True)
class Neighbour:
    """The next point along one axis, and all that is different in the configuration of its runs."""

    axis: str
    place: Place
    differences: tuple[tuple[str, Any, Any], ...]  # key, here, there


@dataclass(frozen=True)
class PointDetail:
    """One point of a sweep."""

    place: Place
    explanations: tuple[Explanation, ...]  # one for each metric that is drawn
    curves: Mapping[int, Mapping[str, np.ndarray]]  # seed → "updates", "test_accuracy", …, each (E,)
    unreadable: tuple[str, ...]  # why some curves aren't there
    neighbours: tuple[Neighbour, ...]


def point_detail(snapshot: Snapshot, place: Place, store: Store) -> PointDetail | None:
    """Gather what is known of a point; None where the sweep has no such point."""
    if snapshot.sweep is None:
        return None
    arranged = arrange(snapshot.sweep, snapshot.runs)
    grid_runs = arranged.get((place.panel, place.grid))
    if grid_runs is None:
        return None
    index = _index_of(grid_runs, place.point)
    if index is None:
        return None
    runs = grid_runs.runs[index]
    metrics = drawn_metrics(snapshot.sweep, place.grid)
    curves, unreadable = _read_curves(runs, store)
    if unreadable:  # what is damaged can't be resampled, and counts all the same
        runs = tuple(run for run in runs if run.seed in curves or run.state not in ("done", "diverged"))
    return PointDetail(
        place=place,
        explanations=tuple(
            explain_point(runs, snapshot.sweep.protocol, metric, store.read_curves) for metric in metrics
        )
        if runs
        else (),
        curves=curves,
        unreadable=unreadable,
        neighbours=tuple(_neighbours(grid_runs, index, store)),
    )


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a configuration: ``optimizer.lr`` and its value."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}{_SEPARATOR}")
        else:
            yield f"{prefix}{name}", value


def _index_of(grid_runs: GridRuns, point: Point) -> int | None:
    wanted = point_id(point)
    return next((index for index, each in enumerate(grid_runs.points) if point_id(each) == wanted), None)


def _read_curves(
    runs: Sequence[Observation], store: Store
) -> tuple[dict[int, Mapping[str, np.ndarray]], tuple[str, ...]]:
    curves: dict[int, Mapping[str, np.ndarray]] = {}
    unreadable = []
    for run in runs:
        if run.state in ("done", "diverged"):
            try:
                curves[run.seed] = store.read_curves(run.key)
            except UserError as error:
                unreadable.append(str(error))
    return curves, tuple(unreadable)


def _neighbours(grid_runs: GridRuns, index: int, store: Store) -> Iterator[Neighbour]:
    """Yield the next points down and up each axis, all else being equal."""
    here = grid_runs.points[index]
    places = {point_id(point): position for position, point in enumerate(grid_runs.points)}
    for axis in here:
        values = grid_runs.grid.values_on(axis)
        at = values.index(here[axis])
        for value in (*values[max(0, at - 1) : at], *values[at + 1 : at + 2]):
            there = {**here, axis: value}
            position = places.get(point_id(there))
            if position is not None:
                differences = _differences(grid_runs.runs[index], grid_runs.runs[position], store)
                where = Place(grid_runs.panel_name, grid_runs.grid_name, grid_runs.points[position])
                yield Neighbour(axis, where, differences or ((axis, here[axis], value),))


def _differences(
    here: Sequence[Observation], there: Sequence[Observation], store: Store
) -> tuple[tuple[str, Any, Any], ...]:
    """Compare the configurations of two stored runs; nothing where one of the points has none."""
    configs = [_stored_config(runs, store) for runs in (here, there)]
    first, second = configs
    if first is None or second is None:
        return ()
    keys = [key for key in dict.fromkeys([*first, *second]) if key != "seed"]
    return tuple((key, first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key))


def _stored_config(runs: Sequence[Observation], store: Store) -> dict[str, Any] | None:
    for run in runs:
        if run.state in ("done", "diverged"):
            try:
                return dict(flat(store.read_result(run.key).config))
            except UserError:
                continue
    return None
