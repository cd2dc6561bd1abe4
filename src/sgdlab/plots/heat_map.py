"""A heat map as a plotly figure: cells at the log2 of their values, and curves over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from sgdlab.analysis.labels import label_of_number
from sgdlab.analysis.points import is_number
from sgdlab.analysis.series import Contour, FigureSeries, HeatMap
from sgdlab.plots.text import name_of, text_of

_DASHES = ("solid", "dash", "dot")
_COLOUR_MAP = "Viridis"
_PALETTE = (1, 3, 4)  # colours of the style sheet that the colour map doesn't have


def heat_map_plot(heat_map: HeatMap, figure: FigureSeries) -> dict[str, Any]:
    """Return the heat map as ``{"data": …, "layout": …}``; the colours of cells are plotly's."""
    place_x, place_y = _places(heat_map.x), _places(heat_map.y)
    xs, ys = [place_x(x) for x in heat_map.x], [place_y(y) for y in heat_map.y]
    cells: dict[str, Any] = {
        "type": "heatmap",
        "x": xs,
        "y": ys,
        "z": [list(row) for row in heat_map.mean],
        "colorscale": _COLOUR_MAP,
        "colorbar": {"title": {"text": name_of(heat_map.colour_label), "side": "right"}},
        "hoverinfo": "text",
        "hovertext": _hover(heat_map, figure),
        "meta": {"colour": "own"},
    }
    families = list(dict.fromkeys(contour.label for contour in heat_map.contours))
    shown: set[str] = set()
    contours = []
    for contour in heat_map.contours:
        contours.append(_contour(contour, families.index(contour.label), place_x, place_y))
        contours[-1]["showlegend"] = contour.label not in shown
        shown.add(contour.label)
    layout = {
        "xaxis": {"title": {"text": name_of(figure.x_label)}, "automargin": True, **_ticks(heat_map.x, xs)},
        "yaxis": {"title": {"text": name_of(figure.y_label)}, "automargin": True, **_ticks(heat_map.y, ys)},
    }
    return {"data": [cells, *(trace for trace in contours if trace["x"])], "layout": layout}


def _places(values: Sequence[Any]) -> Callable[[Any], float]:
    if all(is_number(value) and value > 0 for value in values):
        return math.log2
    return lambda value: float(values.index(value))


def _ticks(values: Sequence[Any], positions: list[float]) -> dict[str, Any]:
    texts = [text_of(label_of_number(value)) for value in values]
    return {"tickmode": "array", "tickvals": positions, "ticktext": texts, "tickangle": 0}


def _hover(heat_map: HeatMap, figure: FigureSeries) -> list[list[str]]:
    """Everything that is known of each cell, (Y, X)."""
    diverged, unfinished = set(heat_map.diverged), set(heat_map.unfinished)

    def value_of(row: int, column: int) -> str:
        mean, std = heat_map.mean[row][column], heat_map.std[row][column]
        cell = (heat_map.x[column], heat_map.y[row])
        if mean is None:
            return "diverged" if cell in diverged else "unfinished" if cell in unfinished else "no value"
        return f"{mean:.5g}" + ("" if std is None else f" ± {std:.2g}")

    return [
        [
            "<br>".join(
                (
                    f"{text_of(figure.x_label)} = {text_of(label_of_number(x))}",
                    f"{text_of(figure.y_label)} = {text_of(label_of_number(y))}",
                    f"{text_of(heat_map.colour_label)} = {value_of(row, column)}",
                    f"n = {heat_map.num_done[row][column]} runs done",
                )
            )
            for column, x in enumerate(heat_map.x)
        ]
        for row, y in enumerate(heat_map.y)
    ]


def _contour(
    contour: Contour, family: int, place_x: Callable[[Any], float], place_y: Callable[[Any], float]
) -> dict[str, Any]:
    """One level, its pieces with gaps between them."""
    points = [point for line in contour.lines for point in (*line, None)]
    text = f"{name_of(contour.label)} = {text_of(label_of_number(contour.level))}"
    return {
        "type": "scatter",
        "name": name_of(contour.label),
        "legendgroup": f"contours {family}",
        "x": [None if point is None else place_x(point[0]) for point in points],
        "y": [None if point is None else place_y(point[1]) for point in points],
        "mode": "lines",
        "line": {"dash": _DASHES[family % len(_DASHES)], "width": 2},
        "hoverinfo": "text",
        "hovertext": text,
        "meta": {"colour": _PALETTE[family % len(_PALETTE)]},
    }
