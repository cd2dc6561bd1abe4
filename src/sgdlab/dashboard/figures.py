"""Figures as the page holds them: a plot without colours, which the page paints in its own, light or dark.

Everything that can be pointed at carries the address of its point, so that a click leads to the runs behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from dash import dcc, html

from sgdlab.analysis.series import FigureSeries, HeatMap, PanelSeries
from sgdlab.dashboard.addresses import Place
from sgdlab.dashboard.parts import Child, labelled, named
from sgdlab.plots.panel import plot_of
from sgdlab.reports.section import SweepSection

PLOT, GRAPH = "plot", "graph"  # kinds of ids: what is drawn, and where
FIGURE = "figure"  # the plots of a sweep's own figure

Plot = dict[str, Any]
Comparing = Literal["equal axes", "all together"]

_CONFIG: Any = {
    "responsive": True,
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    "toImageButtonOptions": {"format": "svg"},
}


def plots_of(figure: FigureSeries) -> list[Plot]:
    """Return the panels of a figure as plots whose points lead somewhere."""
    return [clickable_plot(panel, figure) for panel in figure.panels]


def clickable_plot(panel: PanelSeries, figure: FigureSeries) -> Plot:
    """Return a panel as a plot; `meta.places` of a trace are its points' places, as addresses name them."""
    plot = plot_of(panel, figure)
    for trace in plot["data"]:
        if panel.heat_map is not None and trace["type"] == "heatmap":
            trace["meta"] = {**trace["meta"], "places": _places_of_cells(panel.name, panel.heat_map)}
        elif (index := trace.get("meta", {}).get("series")) is not None:
            one = panel.series[index]
            positions = trace["meta"].get("positions", range(len(one.points)))
            points = [one.points[position] for position in positions if position < len(one.points)]
            trace["meta"] = {
                "colour": trace["meta"]["colour"],
                "places": [Place(panel.name, one.grid, point).to_text() for point in points],
            }
    return plot


def graph(of: str, index: str, plot: Plot | None, description: str) -> html.Div:
    """Return a plot in its place, which `of` and `index` name; without a plot it is still to come."""
    place = {"of": of, "index": index}
    drawn = dcc.Graph(id={"type": GRAPH, **place}, config=_CONFIG, className="plot", responsive=True)
    return html.Div(
        [
            dcc.Store(id={"type": PLOT, **place}, data=plot),
            html.Div(drawn, role="group", **named(description)),
        ]
    )


def figure_of(section: SweepSection) -> html.Div:
    """Return the panels of a sweep's figure, and how to read them; their plots are still to come."""
    figure = section.series
    panels = [
        html.Figure(
            [
                html.Figcaption(html.Strong(labelled(panel.title))) if panel.title else None,
                graph(FIGURE, panel.name, None, describe_panel(panel, figure)),
                html.P(how_to_read(panel, figure), className="quiet"),
            ]
        )
        for panel in figure.panels
    ]
    return html.Div(panels, className="panels")


def caption_of(figure: FigureSeries) -> list[Child]:
    """Return what a reader must know of a figure: protocol, counts and warnings."""
    return [html.P(labelled(line), className="quiet") for line in figure.caption]


def describe_panel(panel: PanelSeries, figure: FigureSeries) -> str:
    """Say what a panel shows, for those who can't see it."""
    curves = ", ".join(one.label for one in panel.series)
    colours = f", colours: {panel.heat_map.colour_label}" if panel.heat_map else ""
    what = f"{panel.y_label or figure.y_label} against {panel.x_label or figure.x_label}{colours}"
    return f"{what}{': ' if curves else ''}{curves}. The numbers are in the table of points below."


def how_to_read(panel: PanelSeries, figure: FigureSeries) -> str:
    """Explain the marks that a panel has."""
    return " ".join(_marks(panel, figure))


def curves_plot(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], y_label: str, x_label: str = "updates"
) -> Plot:
    """Return plain lines, name → (x, y), in the palette of figures."""
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": list(x),
            "y": list(y),
            "line": {"width": 1.8},
            "hovertemplate": "%{y:.5g} after %{x} " + x_label,
            "meta": {"colour": position % 6},
        }
        for position, (name, (x, y)) in enumerate(curves.items())
    ]
    return {
        "data": data,
        "layout": {"xaxis": {"title": {"text": x_label}}, "yaxis": {"title": {"text": y_label}}},
    }


def compared(sections: Iterable[SweepSection], by: Comparing) -> list[FigureSeries]:
    """Lay the curves of several sweeps over each other: by equal axes, or all that one kind of axis can hold.

    Curves keep their labels, behind the names of their sweeps, and of their panels where there are several.
    A heat map stays by itself.
    """
    together: dict[Any, list[tuple[SweepSection, PanelSeries]]] = {}
    for section in sections:
        figure = section.series
        for panel in figure.panels:
            labels = _axis_labels(figure, panel) if by == "equal axes" else ()
            apart = (section.sweep, panel.name) if panel.heat_map else ()
            like = (figure.kind in ("curves", "optima") or figure.kind, panel.x_scale, figure.y_scale)
            together.setdefault((*like, labels, apart), []).append((section, panel))
    return [_laid_over(group) for group in together.values()]


def _laid_over(group: Sequence[tuple[SweepSection, PanelSeries]]) -> FigureSeries:
    first, panel = group[0]
    series = tuple(
        replace(one, label=f"{_origin(section, panel)}: {one.label}", optimum=None)
        for section, panel in group
        for one in panel.series
    )
    title = " · ".join(dict.fromkeys(_origin(section, each) for section, each in group))
    together = replace(
        panel, title=title, series=series, reference=None, rules=(), x_range=None, y_range=None
    )
    x_labels, y_labels = zip(*(_axis_labels(section.series, each) for section, each in group), strict=True)
    return replace(
        first.series,
        title=title,
        panels=(replace(together, x_label=None, y_label=None),),
        caption=(),
        x_label=" / ".join(dict.fromkeys(x_labels)),
        y_label=" / ".join(dict.fromkeys(y_labels)),
    )


def _axis_labels(figure: FigureSeries, panel: PanelSeries) -> tuple[str, str]:
    return panel.x_label or figure.x_label, panel.y_label or figure.y_label


def _origin(section: SweepSection, panel: PanelSeries) -> str:
    several = len(section.series.panels) > 1
    return f"{section.sweep} ({panel.title or panel.name})" if several else section.sweep


def _places_of_cells(panel: str, heat_map: HeatMap) -> list[list[str | None]]:
    return [
        [point and Place(panel, heat_map.grid, point).to_text() for point in row]  # type: ignore[misc]
        for row in heat_map.points
    ]


def _marks(panel: PanelSeries, figure: FigureSeries) -> Iterator[str]:
    match figure.kind:
        case "curves":
            yield "Bars: one standard deviation."
        case "optima":
            yield "Bars: of a value, one s.d.; of an optimum, every value within that of the best."
        case "heat_map":
            yield "Cells without colour have no value; under the pointer, why."
        case "trajectories":
            yield "Areas: one standard deviation."
    if any(one.optimum for one in panel.series):
        yield "Ring: best mean; thick line: means within one standard deviation of it."
    if any(one.at_edge_x for one in panel.series):
        yield "Ring: the optimum or its error bar touches the edge of the grid."
    if any(one.diverged_x for one in panel.series):
        yield "Cross: diverged."
    if any(one.unfinished_x for one in panel.series):
        yield "Open diamond: no value yet."
    if figure.kind in ("curves", "optima", "heat_map"):
        yield "Click a point for the runs behind it."
