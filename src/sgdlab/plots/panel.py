"""A panel as a plotly figure: plain data for plotly.js, which the page hands over as JSON.

Numbers stand at their log2 on a linear axis whose ticks are written as powers of two; x = 0 (λ = 0) has a
place of its own to the left. Colours are numbers of a palette that the page's style sheet owns, light and
dark; symbols and dashes tell curves apart without colour. Plotly reads text as HTML, so all text is escaped.
"""

from __future__ import annotations

from typing import Any

from sgdlab.analysis.labels import label_of_number
from sgdlab.analysis.series import FigureSeries, PanelSeries, Series
from sgdlab.plots.axes import Place, x_axis_of, y_axis_of
from sgdlab.plots.heat_map import heat_map_plot
from sgdlab.plots.rules import rules_of
from sgdlab.plots.text import name_of, text_of

NUM_COLOURS = 6  # --curve-0 … --curve-5 of the style sheet

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon", "star")
_DASHES = ("solid", "dash", "dashdot", "longdash")

Trace = dict[str, Any]


def plot_of(panel: PanelSeries, figure: FigureSeries) -> dict[str, Any]:
    """Return the panel as ``{"data": …, "layout": …}``; ``meta.colour`` of a trace is its palette number.

    A label has the same colour in each panel of the figure. Where values can be pointed at, ``meta.series``
    is the place of their curve in the panel; ``meta.positions`` are those on the curve, where not all are.
    """
    if panel.heat_map is not None:
        return heat_map_plot(panel.heat_map, figure)
    labels = list(dict.fromkeys(one.label for each in figure.panels for one in each.series))
    place, x_axis = x_axis_of(panel, figure)
    bottom = _bottom(panel, figure)
    data: list[Trace] = []
    for position, one in enumerate(panel.series):
        index = labels.index(one.label)
        shared = _shared(one, index)
        line = _line(one, index, figure, place)
        line["meta"] |= {"series": position}
        if figure.kind == "trajectories":
            data += [*_band(one, shared), line | {"mode": "lines"}]
        elif figure.kind == "phase":
            data += [_without_text(line) | _points(index), *_ends(one, shared)]
        else:
            data += [line | _markers(one, index), *_optimum(one, shared, place)]
            data += _edges(one, shared, place)
            data += _without_value(one, position, shared, place, bottom)
        data += _unselected(one, shared, place)
    data += [*rules_of(panel, place), *_reference(panel, place)]
    return {
        "data": [trace for trace in data if trace["x"]],
        "layout": {"xaxis": x_axis, "yaxis": y_axis_of(panel, figure)},
    }


def _shared(one: Series, index: int) -> Trace:
    """What all traces of one curve have in common; only the main one has an entry in the legend."""
    return {
        "type": "scatter",
        "name": name_of(one.label),
        "legendgroup": f"curve {index}",
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": {"colour": index % NUM_COLOURS},
    }


def _line(one: Series, index: int, figure: FigureSeries, place: Place) -> Trace:
    """The curve itself, with all its numbers under the pointer."""
    return _shared(one, index) | {
        "x": [place(x) for x in one.x],
        "y": list(one.mean),
        "line": {"dash": _DASHES[index // NUM_COLOURS % len(_DASHES)], "width": 2},
        "hoverinfo": "text",
        "hovertext": [_hover(one, position, figure) for position in range(len(one.x))],
        "showlegend": True,
    }


def _without_text(line: Trace) -> Trace:
    """Leave a cloud's numbers under the pointer to plotly: thousands of texts would say no more."""
    return {name: value for name, value in line.items() if name != "hovertext"} | {"hoverinfo": "x+y+name"}


def _hover(one: Series, position: int, figure: FigureSeries) -> str:
    mean, std, beside = one.mean[position], one.std[position], one.unselected[position]
    value = "no value" if mean is None else f"{mean:.5g}" + ("" if std is None else f" ± {std:.2g}")
    if one.bars and (bar := one.bars[position]):
        value += f", from {bar[0]:.5g} to {bar[1]:.5g}"
    lines = [
        name_of(one.label),
        f"{text_of(figure.x_label)} = {text_of(label_of_number(one.x[position]))}",
        f"{text_of(figure.y_label)} = {value}",
        f"n = {one.num_done[position]} runs done",
    ]
    if beside is not None:
        lines.append(name_of(f"{beside:.5g}: {one.unselected_rule}"))
    return "<br>".join(lines)


def _markers(one: Series, index: int) -> Trace:
    return {
        "mode": "lines+markers",
        "marker": {"symbol": _SYMBOLS[index % len(_SYMBOLS)], "size": 8},
        "error_y": {"type": "data", **_reaches(one), "thickness": 1.2, "width": 3},
    }


def _reaches(one: Series) -> dict[str, Any]:
    """How far the error bars reach up, and down where that isn't the same."""
    if not one.bars:
        return {"array": list(one.std)}
    ends = [
        (0.0, 0.0) if bar is None or mean is None else (mean - bar[0], bar[1] - mean)
        for mean, bar in zip(one.mean, one.bars, strict=True)
    ]
    return {"symmetric": False, "array": [up for _, up in ends], "arrayminus": [down for down, _ in ends]}


def _edges(one: Series, shared: Trace, place: Place) -> list[Trace]:
    """Rings around points that were tuned at the edge of the grid."""
    at_edge = [
        (x, mean) for x, mean in zip(one.x, one.mean, strict=True) if x in one.at_edge_x and mean is not None
    ]
    ring = {"symbol": "circle-open", "size": 17, "line": {"width": 1.5}}
    return [
        shared
        | {
            "x": [place(x) for x, _ in at_edge],
            "y": [mean for _, mean in at_edge],
            "mode": "markers",
            "marker": ring,
        }
    ]


def _points(index: int) -> Trace:
    marker = {"symbol": _SYMBOLS[index % len(_SYMBOLS)], "size": 4}
    return {"mode": "markers", "marker": marker, "opacity": 0.6}


def _ends(one: Series, shared: Trace) -> list[Trace]:
    """Crosses at the last evaluation of each run."""
    xs, ys = [x for x, _ in one.ends], [y for _, y in one.ends]
    marker = {"symbol": "x-thin", "size": 9, "line": {"width": 2}}
    return [shared | {"x": xs, "y": ys, "mode": "markers", "marker": marker}]


def _band(one: Series, shared: Trace) -> list[Trace]:
    """One standard deviation to either side, as an area."""
    ends = [
        (x, mean - std, mean + std)
        for x, mean, std in zip(one.x, one.mean, one.std, strict=True)
        if mean is not None and std is not None
    ]
    band = shared | {"x": [x for x, _, _ in ends], "mode": "lines", "line": {"width": 0}}
    low = band | {"y": [low for _, low, _ in ends]}
    return [low, band | {"y": [high for _, _, high in ends], "fill": "tonexty"}]


def _optimum(one: Series, shared: Trace, place: Place) -> list[Trace]:
    """Rings around the best points, and their error bar along x."""
    if one.optimum is None:
        return []
    positions = [place(x) for x in one.optimum.x]
    rings = {"symbol": "circle-open", "size": 17, "line": {"width": 2}}
    low, high = map(place, one.optimum.bar)
    return [
        shared | {"x": positions, "y": [one.optimum.y] * len(positions), "mode": "markers", "marker": rings},
        shared
        | {"x": [low, high], "y": [one.optimum.y] * 2, "mode": "lines", "line": {"width": 7}, "opacity": 0.3},
    ]


def _without_value(one: Series, position: int, shared: Trace, place: Place, bottom: float) -> list[Trace]:
    """Crosses where the curve diverged, open diamonds where it may still get a value."""
    return [
        shared
        | {
            "x": [place(x) for x in xs],
            "y": [bottom] * len(xs),
            "mode": "markers",
            "marker": {"symbol": symbol, "size": 9},
            "hoverinfo": "text",
            "hovertext": [f"{name_of(one.label)}<br>{text_of(label_of_number(x))}: {standing}" for x in xs],
            "meta": shared["meta"] | {"series": position, "positions": [one.x.index(x) for x in xs]},
        }
        for xs, symbol, standing in (
            (one.diverged_x, "x", "diverged"),
            (one.unfinished_x, "diamond-open", "unfinished"),
        )
    ]


def _unselected(one: Series, shared: Trace, place: Place) -> list[Trace]:
    """The thin line beside the curve: the same without a choice of runs, or of the epoch."""
    if not one.unselected_rule:
        return []
    line = {"width": 1, "dash": "dot"}
    positions = [place(x) for x in one.x]
    return [
        shared | {"x": positions, "y": list(one.unselected), "mode": "lines", "line": line, "opacity": 0.8}
    ]


def _reference(panel: PanelSeries, place: Place) -> list[Trace]:
    """The reference level from the panel's first x to its last."""
    positions = [place(x) for one in panel.series for x in one.x]
    if panel.reference is None or not positions:
        return []
    name, mean = name_of(panel.reference.label), panel.reference.mean
    return [
        {
            "type": "scatter",
            "name": name,
            "x": [min(positions), max(positions)],
            "y": [mean, mean],
            "mode": "lines",
            "line": {"dash": "dot", "width": 1.5},
            "hoverinfo": "text",
            "hovertext": [f"{name}<br>{mean:.5g}"] * 2,
            "meta": {"colour": "text"},
        }
    ]


def _bottom(panel: PanelSeries, figure: FigureSeries) -> float:
    """Where points without a value stand: below everything that has one."""
    if panel.y_range is not None:
        return panel.y_range[0]
    log = figure.y_scale != "linear"
    lows = [
        mean if log else mean - (std or 0.0)
        for one in panel.series
        for mean, std in zip(one.mean, one.std, strict=True)
        if mean is not None and (mean > 0 or not log)
    ]
    return min(lows, default=1.0 if log else 0.0)
