"""The legend of a figure: a handle for each label of any panel, and one for each other mark that is used."""

from __future__ import annotations

from typing import Any

from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from sgdlab.analysis.series import FigureSeries
from sgdlab.figures.heat_map import contour_style
from sgdlab.figures.style import (
    COLOURS,
    CURVE,
    EDGE,
    ENDS,
    GREY,
    MARKERS,
    NO_VALUE,
    OPTIMUM_BAR,
    POINTS,
    REFERENCE,
    STAR,
    TRAJECTORY,
    in_proportion,
    rule_style,
    trajectory_dash,
)
from sgdlab.figures.text import mathtext, wrap

_HANDLE = 3.2  # line and spaces of an entry, of the text's size


def handles(series: FigureSeries) -> dict[str, Any]:
    """Return what the legend shows, by label."""
    curves = [one for panel in series.panels for one in panel.series]
    labels = dict.fromkeys(one.label for one in curves)
    found: dict[str, Any] = {
        label: Line2D([], [], color=COLOURS[i % len(COLOURS)], **_line(series, i))
        for i, label in enumerate(labels)
    }
    for panel in series.panels:
        for i, rule in enumerate(panel.rules):
            if rule.label is not None and rule.x is None:
                found[rule.label] = Line2D([], [], **rule_style(i))
    maps = [panel.heat_map for panel in series.panels if panel.heat_map]
    families = dict.fromkeys(contour.label for one in maps for contour in one.contours)
    found |= {family: Line2D([], [], **contour_style(i)) for i, family in enumerate(families)}
    for reference in (panel.reference for panel in series.panels if panel.reference):
        found[reference.label] = _grey(REFERENCE)
    if any(one.optimum for one in curves):
        found["optimum and its error bar"] = (_grey(OPTIMUM_BAR), _grey(STAR))
    if any(one.at_edge_x for one in curves):
        found["touches the edge of the grid"] = _grey(EDGE)
    if any(one.ends for one in curves):
        found["last evaluation drawn"] = _grey(ENDS)
    if any(one.diverged_x for one in curves) or any(one.diverged for one in maps):
        found["diverged"] = _grey({**NO_VALUE, "marker": "x"})
    if any(one.unfinished_x for one in curves) or any(one.unfinished for one in maps):
        found["unfinished"] = _grey({**NO_VALUE, "marker": "o"})
    return found


def add_legend(figure: Figure, series: FigureSeries) -> Legend:
    """Add it in as few rows as fit into the figure's width, as even as can be."""
    found = handles(series)
    width = figure.get_figwidth()
    for num_rows in range(1, len(found) + 1):
        legend = _legend(figure, found, list(found), -(-len(found) // num_rows))
        if _width_of(legend) <= width:
            return legend
        legend.remove()
    size = rcParams["legend.fontsize"]
    room = width - _HANDLE * size / 72
    return _legend(figure, found, [wrap(label, room, size) for label in found], 1)


def _legend(figure: Figure, found: dict[str, Any], labels: list[str], num_columns: int) -> Legend:
    return figure.legend(
        list(found.values()),
        [mathtext(label) for label in labels],
        loc="upper center",
        ncols=max(1, num_columns),
        columnspacing=1.4,
        handlelength=2.2,
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.35,
    )


def _width_of(legend: Legend) -> float:
    figure = legend.get_figure(root=True)
    assert figure is not None
    return float(legend.get_window_extent().width) / figure.dpi


def _grey(style: Any) -> Line2D:
    return Line2D([], [], **{"color": GREY, **in_proportion(style)})


def _line(series: FigureSeries, index: int) -> dict[str, Any]:
    if series.kind == "trajectories":
        return in_proportion({**TRAJECTORY, "linestyle": trajectory_dash(index)})
    if series.kind == "phase":
        return in_proportion({**POINTS, "markersize": 4, "alpha": 1})
    return in_proportion({**CURVE, "marker": MARKERS[index % len(MARKERS)]})
