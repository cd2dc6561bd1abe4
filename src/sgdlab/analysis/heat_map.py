"""A metric over two axes as a heat map, with curves along which expressions of both are constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from sgdlab.analysis.points import GridRuns, is_number, point_id
from sgdlab.analysis.protocol import PointSummary, summarize_curve
from sgdlab.analysis.series import Contour, HeatMap
from sgdlab.config.numbers import evaluate
from sgdlab.errors import UsageError
from sgdlab.sweeps.drawings import Contours
from sgdlab.sweeps.references import names_at
from sgdlab.sweeps.spec import Sweep

_NUM_POSITIONS = 49  # along each axis, at which an expression is evaluated


def make_heat_map(grid_runs: GridRuns, sweep: Sweep) -> HeatMap:
    """Make the heat map of a grid of two axes; contours need axes of positive numbers."""
    drawing, (curve,) = sweep.drawing, sweep.drawing.curves
    x_axis, y_axis = drawing.x, drawing.y or ""
    xs, ys = (_ascending(grid_runs.grid.values_on(axis)) for axis in (x_axis, y_axis))
    summaries = summarize_curve(grid_runs, sweep.protocol, curve.metric)
    at = {point_id(summary.point): summary for summary in summaries}
    first = grid_runs.points[0]
    cells = [
        [at.get(point_id({**first, x_axis: x, y_axis: y})) for x in xs] for y in ys
    ]  # None: not asked for
    return HeatMap(
        metric=curve.metric,
        colour_label=drawing.colour_label or "",
        x=tuple(xs),
        y=tuple(ys),
        mean=tuple(tuple(cell.value if cell else None for cell in row) for row in cells),
        std=tuple(tuple(cell.std if cell else None for cell in row) for row in cells),
        num_done=tuple(tuple(cell.num_done if cell else 0 for cell in row) for row in cells),
        diverged=_without_value(cells, x_axis, y_axis, "diverged"),
        unfinished=_without_value(cells, x_axis, y_axis, "unfinished"),
        contours=tuple(
            contour
            for contours in drawing.contours
            for contour in _contours(contours, grid_runs, (x_axis, xs), (y_axis, ys))
        ),
        grid=grid_runs.grid_name,
        points=tuple(tuple(cell.point if cell else None for cell in row) for row in cells),
    )


def cell_edges(values: tuple[Any, ...]) -> np.ndarray:
    """Return the ends of the cells on an axis of positive numbers, half way in log2: (V + 1,)."""
    log2 = np.log2(np.array(values, dtype=float))
    middles = (log2[1:] + log2[:-1]) / 2
    if len(log2) == 1:
        return np.asarray(2.0 ** np.array([log2[0] - 0.5, log2[0] + 0.5]))
    first, last = 2 * log2[0] - middles[0], 2 * log2[-1] - middles[-1]
    return np.asarray(2.0 ** np.array([first, *middles, last]))


def _ascending(values: list[Any]) -> list[Any]:
    return sorted(values) if all(map(is_number, values)) else values


def _without_value(
    cells: list[list[PointSummary | None]], x_axis: str, y_axis: str, standing: str
) -> tuple[tuple[Any, Any], ...]:
    return tuple(
        (cell.point[x_axis], cell.point[y_axis])
        for row in cells
        for cell in row
        if cell and cell.standing == standing
    )


def _contours(
    contours: Contours, grid_runs: GridRuns, x: tuple[str, list[Any]], y: tuple[str, list[Any]]
) -> list[Contour]:
    """Evaluate an expression over the cells, and follow its levels in log2 of both axes."""
    from contourpy import contour_generator

    (x_axis, xs), (y_axis, ys) = x, y
    if not all(is_number(value) and value > 0 for value in (*xs, *ys)):
        return []
    over_x, over_y = (_positions(values) for values in (xs, ys))
    heights = np.array(
        [
            [_value(contours.of, grid_runs, {x_axis: float(a), y_axis: float(b)}) for a in 2.0**over_x]
            for b in 2.0**over_y
        ]
    )
    generator = contour_generator(over_x, over_y, np.ma.masked_invalid(heights))
    return [
        Contour(
            contours.label,
            level,
            tuple(
                tuple((2.0**a, 2.0**b) for a, b in np.asarray(line).tolist())
                for line in generator.lines(level)
            ),
        )
        for level in contours.levels
    ]


def _positions(values: list[Any]) -> np.ndarray:
    """Return log2 of places on an axis, the values themselves among them, from end to end of the cells."""
    ends = np.log2(cell_edges(tuple(values)))
    return np.unique([*np.linspace(ends[0], ends[-1], _NUM_POSITIONS), *np.log2(np.array(values, float))])


def _value(expression: str, grid_runs: GridRuns, place: dict[str, float]) -> float:
    """Return the expression's value; NaN where it has none, as where it divides by zero."""
    names = names_at(grid_runs.panel, grid_runs.grid, {**grid_runs.points[0], **place})
    try:
        value = evaluate(expression, names)
    except UsageError:
        return float("nan")
    return float(value) if is_number(value) else float("nan")
