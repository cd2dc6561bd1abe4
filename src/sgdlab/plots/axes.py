"""The axes of a plot: where a value stands, ticks at powers of two, titles and ranges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from sgdlab.analysis.series import FigureSeries, PanelSeries
from sgdlab.plots.text import name_of, scripts, text_of

MAX_TICKS = 9

Place = Callable[[Any], float]


def x_axis_of(panel: PanelSeries, figure: FigureSeries) -> tuple[Place, dict[str, Any]]:
    """Return where an x stands, and the axis."""
    place, ticks = _places(panel)
    title = {"text": name_of(figure.x_label)}
    return place, {"title": title, "automargin": True, **ticks, **_x_range(panel)}


def y_axis_of(panel: PanelSeries, figure: FigureSeries) -> dict[str, Any]:
    """Return the axis; its ticks are plotly's, save where they are powers of two."""
    return {
        "title": {"text": name_of(figure.y_label)},
        "automargin": True,
        "type": "linear" if figure.y_scale == "linear" else "log",
        **(_ticks_of_log2(panel) if figure.y_scale == "log2" else {}),
        **_y_range(panel, figure),
    }


def _places(panel: PanelSeries) -> tuple[Place, dict[str, Any]]:
    """Where an x stands, and the axis's ticks."""
    values = list(dict.fromkeys(x for one in panel.series for x in one.x))
    if panel.x_scale == "linear":
        return float, {}
    if panel.x_scale == "choices":
        positions = {choice: float(index) for index, choice in enumerate(values)}
        return positions.__getitem__, _ticks(
            list(positions.values()), [text_of(str(value)) for value in values]
        )
    logarithms = [math.log2(x) for x in values if x > 0] or [0.0]
    low, high = math.floor(min(logarithms)), math.ceil(max(logarithms))
    exponents = range(low, high + 1, math.ceil((high - low + 1) / MAX_TICKS))
    zero = [low - 1.0] if 0 in values else []
    ticks = _ticks([*zero, *exponents], [*["0" for _ in zero], *(_power_of_two(k) for k in exponents)])
    return lambda x: math.log2(x) if x > 0 else low - 1.0, ticks


def _ticks(positions: Iterable[float], texts: Iterable[str]) -> dict[str, Any]:
    return {"tickmode": "array", "tickvals": list(positions), "ticktext": list(texts), "tickangle": 0}


def _ticks_of_log2(panel: PanelSeries) -> dict[str, Any]:
    ends = [y for one in panel.series for bar in one.bars if bar for y in bar if y > 0]
    values = [math.log2(y) for y in (*ends, *(m for one in panel.series for m in one.mean if m and m > 0))]
    low, high = math.floor(min(values, default=0.0)), math.ceil(max(values, default=0.0))
    exponents = range(low, high + 1, math.ceil((high - low + 1) / MAX_TICKS))
    return _ticks([2.0**k for k in exponents], map(_power_of_two, exponents))


def _power_of_two(exponent: int) -> str:
    return scripts(f"2^{{{exponent}}}")


def _x_range(panel: PanelSeries) -> dict[str, Any]:
    return {} if panel.x_range is None else {"range": list(panel.x_range)}


def _y_range(panel: PanelSeries, figure: FigureSeries) -> dict[str, Any]:
    """Return the range that the sweep file asks for; plotly wants the exponents of a log axis."""
    if panel.y_range is None:
        return {}
    return {"range": [y if figure.y_scale == "linear" else math.log10(y) for y in panel.y_range]}
