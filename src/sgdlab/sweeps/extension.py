"""The points that extensions have added to the grids of a sweep, as the store remembers them.

A sweep at one scale has a folder in the store, ``extensions/<sweep>@<scale>/``. Each round of an extension
adds one file to it, named by a hash of its content, and none is ever changed: a command that is killed has
added a round or hasn't, and two that find the same add it once.

A point belongs to the sweep as it is now where its grid is still there with the same settings, still has the
point's curve, and still covers the range that it had on the axes that were extended. So a grid that is made
wider or finer keeps its extension. Where settings have changed, or the range is cut, the optimum may be
elsewhere, and the points are left out, and said; their runs stay in the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sgdlab.errors import UserError
from sgdlab.runs.files import link, naming, temporary, write_synced

if TYPE_CHECKING:  # a command that finds its runs remembered reads no sweep
    from sgdlab.runs.store import Store
    from sgdlab.sweeps.grids import Grid, Panel
    from sgdlab.sweeps.spec import Sweep

Reason = Literal["edge", "between"]
_FORMAT = 1


@dataclass(frozen=True)
class AddedPoint:
    """One point that was added to a grid."""

    panel: str
    grid: str
    point: Mapping[str, Any]  # axis → value
    covered: Mapping[str, tuple[float, float]]  # extended axis → the range of the sweep file's own values
    settings: str  # see `settings_of`
    round: int  # of its curve, from 1 on
    reason: Reason


@dataclass(frozen=True)
class Record:
    """All rounds of a sweep at one scale."""

    folder: Path
    points: tuple[AddedPoint, ...]  # by round
    digest: str  # of what was recorded; empty where nothing was


@dataclass(frozen=True)
class ExtendedSweep:
    """A sweep with what was added to its grids."""

    sweep: Sweep
    round_of: Mapping[tuple[str, str, str], int]  # panel, grid, `written` point → the round that added it
    left_out: tuple[str, ...]  # what doesn't belong to it any more, a line for each grid


def read_record(store: Store, name: str, scale: str) -> Record:
    """Read what was recorded of a sweep.

    Raises
    ------
    UserError
        If a file can't be read.
    """
    folder = store.root / "extensions" / f"{name.replace('/', '%')}@{scale}"
    with naming(store.root):
        paths = sorted(folder.glob("*.json"))
    points = sorted((point for path in paths for point in _read(path)), key=lambda point: point.round)
    digest = hashlib.sha256("\n".join(path.name for path in paths).encode()).hexdigest() if paths else ""
    return Record(folder, tuple(points), digest)


@contextmanager
def recording(store: Store, name: str, scale: str) -> Iterator[Record]:
    """Be the only one that decides what is added next; whoever else wants to waits.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    from filelock import FileLock

    folder = read_record(store, name, scale).folder
    with naming(store.root):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            yield read_record(store, name, scale)


def add_round(record: Record, points: Sequence[AddedPoint]) -> None:
    """Add a round: as a whole, or not at all. Raises StoreError if the store can't be written."""
    content = {"format": _FORMAT, "points": [asdict(point) for point in points]}
    data = json.dumps(content, indent=1, sort_keys=True).encode()
    path = record.folder / f"{hashlib.sha256(data).hexdigest()[:16]}.json"
    with naming(record.folder), temporary(path) as name:
        write_synced(name, data)
        link(name, path)


def extend_sweep(sweep: Sweep, points: Iterable[AddedPoint]) -> ExtendedSweep:
    """Add to the grids of a sweep the points that belong to them."""
    also: dict[tuple[str, str], list[dict[str, Any]]] = {}
    round_of: dict[tuple[str, str, str], int] = {}
    strangers: dict[str, int] = {}
    for added in points:
        if added.panel not in sweep.panels:
            continue  # a panel that this command doesn't ask for
        panel = sweep.panels[added.panel]
        obstacle = _obstacle(panel, added)
        if obstacle is not None:
            strangers[obstacle] = strangers.get(obstacle, 0) + 1
            continue
        grid, place = panel.grids[added.grid], (added.panel, added.grid)
        if _has_curve(grid, added):
            point = {axis: added.point[axis] for axis in grid.axes}
            round_of.setdefault((*place, written(point)), added.round)
            if not grid.is_of_product(point) and point not in (*grid.also, *also.get(place, ())):
                also.setdefault(place, []).append(point)
    panels = {name: _with_points(name, panel, also) for name, panel in sweep.panels.items()}
    left_out = tuple(
        f"{number} point{'s' * (number > 1)} of an earlier extension of {sweep.name} left out: {why}"
        for why, number in strangers.items()
    )
    return ExtendedSweep(sweep.model_copy(update={"panels": panels}), round_of, left_out)


def settings_of(panel: Panel, grid: Grid) -> str:
    """Return a digest of what all points of a grid share: with other settings the optimum is elsewhere."""
    from sgdlab.config.numbers import parse_number

    shared = {key: parse_number(value) for key, value in {**panel.base, **grid.fixed}.items()}
    content = [shared, grid.coupled, sorted(grid.axes)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def covered_by(grid: Grid, axes: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return the range of the sweep file's own values on axes of numbers."""
    return {axis: (min(grid.axes[axis]), max(grid.axes[axis])) for axis in axes}


def written(point: Mapping[str, Any]) -> str:
    """Write a point so that it can be looked up, whatever its values are."""
    return json.dumps(dict(point), sort_keys=True, default=str)


def _read(path: Path) -> list[AddedPoint]:
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}, and this version reads {_FORMAT}")
        points = [AddedPoint(**point) for point in content["points"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{path}: not a readable round of an extension ({error}); delete it, and `sgdlab extend` finds "
            "again what is missing"
        ) from error
    return points


def _obstacle(panel: Panel, added: AddedPoint) -> str | None:
    """Say why a point doesn't belong to the sweep as it is now; None where it does."""
    where = f"grid {added.grid}" if added.panel == "main" else f"panel {added.panel}, grid {added.grid}"
    grid = panel.grids.get(added.grid)
    if grid is None:
        return f"there is no {where} any more"
    if settings_of(panel, grid) != added.settings:
        return f"{where} has other settings here"
    for axis, (low, high) in added.covered.items():
        own_low, own_high = covered_by(grid, [axis])[axis]
        if own_low > low or own_high < high:
            return f"{where} covers less of {axis} here"
    return None


def _has_curve(grid: Grid, added: AddedPoint) -> bool:
    return all(added.point[axis] in grid.axes[axis] for axis in grid.axes if axis not in added.covered)


def _with_points(name: str, panel: Panel, also: Mapping[tuple[str, str], list[dict[str, Any]]]) -> Panel:
    grids = {
        grid_name: grid.model_copy(update={"also": [*grid.also, *also.get((name, grid_name), ())]})
        for grid_name, grid in panel.grids.items()
    }
    return panel.model_copy(update={"grids": grids})
