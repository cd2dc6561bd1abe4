"""The straight lines that a sweep file compares a panel with, as plotly traces over what the panel draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sgdlab.analysis.series import PanelSeries
from sgdlab.plots.text import name_of

_DASHES = ("dash", "dot", "dashdot")  # of each line in turn, as in the printed figure


def rules_of(panel: PanelSeries, place: Callable[[Any], float]) -> Iterator[dict[str, Any]]:
    """Yield levels and slopes from the first x to the last, uprights from the lowest y to the highest."""
    xs = panel.x_range or [place(x) for one in panel.series for x in one.x]
    ys = panel.y_range or [y for one in panel.series for y in one.mean if y is not None]
    if not (xs and ys):
        return
    across = [min(xs), max(xs)]
    for index, rule in enumerate(panel.rules):
        x, y = across, [min(ys), max(ys)]
        if rule.x is not None:
            x = [place(rule.x)] * 2
        elif rule.y is not None:
            y = [rule.y, rule.y]
        elif rule.slope is not None:
            x0, y0 = rule.through
            y = [y0 + rule.slope * (end - x0) for end in across]
        yield {
            "type": "scatter",
            "name": name_of(rule.label or ""),
            "x": x,
            "y": y,
            "mode": "lines",
            "line": {"dash": _DASHES[index % len(_DASHES)], "width": 1.2},
            "hoverinfo": "skip",
            "showlegend": rule.label is not None,
            "meta": {"colour": "text"},
        }
