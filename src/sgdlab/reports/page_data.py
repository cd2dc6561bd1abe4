"""What a page's tables and details are made of: every run once, and where each sweep sees it.

Numbers are those of `sgdlab results` and `sgdlab export`, to the last digit. Only curves are thinned, and
the page says so where it shows them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, get_args

import numpy as np

from sgdlab.analysis.observations import State
from sgdlab.analysis.points import Point, is_number, point_id
from sgdlab.analysis.series import PanelSeries
from sgdlab.analysis.tables import ResultRow
from sgdlab.config.numbers import format_number
from sgdlab.reports.numbers import spread_text
from sgdlab.reports.section import SweepSection
from sgdlab.reports.thinning import CURVES_BUDGET, thin
from sgdlab.runs.result import DamagedRunError, NoResultError

ReadCurves = Callable[[str], Mapping[str, np.ndarray]]

_SHOWN = 12  # characters of a key, which name a run to every command
_STATES = get_args(State)


def page_data(sections: Sequence[SweepSection], read_curves: ReadCurves | None = None) -> dict[str, Any]:
    """Return plain JSON values: ``runs`` by columns, ``curves`` by metric, ``sections``.

    Curves are those that the sweeps have read already, and those that `read_curves` finds; a run whose curves
    can't be read has none.
    """
    seen = {run.key: run for section in sections for run in section.runs}
    places = {key: place for place, key in enumerate(seen)}
    metrics = list(dict.fromkeys(name for section in sections for name in _metrics_of(section)))
    return {
        "states": _STATES,
        "runs": {
            "key": [key[:_SHOWN] for key in seen],
            "state": [_STATES.index(run.state) for run in seen.values()],
            "metrics": {name: [_finite(run.metrics.get(name)) for run in seen.values()] for name in metrics},
        },
        "curves": _curves_of(sections, places, read_curves),
        "sections": [{**_section(section, places), "place": place} for place, section in enumerate(sections)],
    }


def curve_metric(section: SweepSection) -> str:
    """Return the metric whose curves a section's details show: the one drawn over training, or that ranks."""
    drawn = [one.metric for panel in section.series.panels for one in panel.series]
    over_training = [name.removesuffix(".curve") for name in drawn if name.endswith(".curve")]
    return over_training[0] if over_training else section.rank_by.partition(".")[0]


def _metrics_of(section: SweepSection) -> list[str]:
    """Return the metrics that rank, that are shown, and their honest companions."""
    shown = [section.rank_by, *(row.summary.metric for row in section.points)]
    honest = [name.partition(".")[0] + ".honest" for name in shown if name.endswith(".best")]
    return list(dict.fromkeys([*shown, *honest]))


def places_of_points(section: SweepSection) -> list[int]:
    """Return, for each row of a section's points, which point of the page's data it is of."""
    points = _places(section)
    return [points[_where_is(row)] for row in section.points]


def _where(panel: str, grid: str, point: Point) -> tuple[str, str, Any]:
    return panel, grid, point_id(point)


def _where_is(row: ResultRow) -> tuple[str, str, Any]:
    return _where(row.summary.panel, row.summary.grid, row.summary.point)


def _places(section: SweepSection) -> dict[tuple[str, str, Any], int]:
    """Number the points of a section, in the order of its runs; points that nobody has run come last."""
    points: dict[tuple[str, str, Any], int] = {}
    for run in section.runs:
        points.setdefault(_where(run.panel, run.grid, run.point), len(points))
    for row in section.points:
        points.setdefault(_where_is(row), len(points))
    return points


def _section(section: SweepSection, places: Mapping[str, int]) -> dict[str, Any]:
    points = _places(section)
    metrics = _metrics_of(section)
    return {
        "sweep": section.sweep,
        "scale": section.scale,
        "metrics": metrics,
        "curves": curve_metric(section),
        "rank_by": section.rank_by,
        **_describe_points(section, points),
        "rows": {
            "point": [points[_where(run.panel, run.grid, run.point)] for run in section.runs],
            "seed": [run.seed for run in section.runs],
            "run": [places[run.key] for run in section.runs],
        },
        "results": _results(section, points, metrics),
        "behind": [list(_behind(panel, points)) for panel in section.series.panels],
    }


def _describe_points(section: SweepSection, points: Mapping[tuple[str, str, Any], int]) -> dict[str, Any]:
    """Describe each point by the place of its grid and of its values among all that there are."""
    grids: dict[tuple[str, str, tuple[str, ...]], int] = {}
    levels: dict[tuple[float | None, str], int] = {}
    described: list[list[int]] = [[] for _ in points]
    seen = [(run.panel, run.grid, run.point) for run in section.runs]
    seen += [(row.summary.panel, row.summary.grid, row.summary.point) for row in section.points]
    for panel, grid, point in seen:
        place = points[_where(panel, grid, point)]
        if not described[place]:
            where = (panel, grid, tuple(point))
            values = [(float(v) if is_number(v) else None, format_number(v)) for v in point.values()]
            described[place] = [
                grids.setdefault(where, len(grids)),
                *(levels.setdefault(value, len(levels)) for value in values),
            ]
    return {"grids": list(grids), "levels": list(levels), "points": described}


def _results(
    section: SweepSection, points: Mapping[tuple[str, str, Any], int], metrics: Sequence[str]
) -> dict[str, list[Any]]:
    """Return the rows of `sgdlab results` by columns."""
    rows = [(row, row.summary) for row in section.points]
    return {
        "point": [points[_where_is(row)] for row, _ in rows],
        "metric": [metrics.index(one.metric) for _, one in rows],
        "mean": [one.value for _, one in rows],
        "text": [spread_text(one.best) for _, one in rows],
        "unselected": [one.unselected.mean if one.unselected else None for _, one in rows],
        "honest": [one.honest.mean if one.honest else None for _, one in rows],
        "done": [one.num_done for _, one in rows],
        "asked": [one.num_asked for _, one in rows],
        "note": [one.note for _, one in rows],
        "standing": [2 if row.is_optimum else int(row.in_error_bar) for row, _ in rows],
        "kept": [list(one.kept_seeds) for _, one in rows],
        "out": [{str(run.seed): run.reason for run in one.left_out} for _, one in rows],
    }


def _behind(panel: PanelSeries, points: Mapping[tuple[str, str, Any], int]) -> Iterator[list[int | None]]:
    """Yield, for each curve of a panel, which point stands behind each of its values; of a map, all cells."""

    def place(grid: str, point: Point | None) -> int | None:
        return None if point is None else points.get(_where(panel.name, grid, point))

    if panel.heat_map is not None:
        cells = panel.heat_map
        yield [place(cells.grid, point) for row in cells.points for point in row]
    for one in panel.series:
        yield [place(one.grid, point) for point in one.points]


def _curves_of(
    sections: Sequence[SweepSection], places: Mapping[str, int], read_curves: ReadCurves | None
) -> list[dict[str, Any]]:
    """Thin the curves of each metric that a section shows; all metrics share the budget."""
    by_metric: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for section in sections:
        found = by_metric.setdefault(curve_metric(section), {})
        for run in section.runs:
            if run.key in found or run.state not in ("done", "diverged"):
                continue
            curves = run.curves
            if not curves and read_curves is not None:
                with suppress(DamagedRunError, NoResultError):
                    curves = read_curves(run.key)
            values = curves.get(curve_metric(section))
            if values is not None and len(values):
                found[run.key] = (curves["updates"], np.asarray(values, float))
    num_curves = sum(map(len, by_metric.values()))
    return [
        thin(metric, found, CURVES_BUDGET * len(found) // max(1, num_curves)).to_dict(places)
        for metric, found in by_metric.items()
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
