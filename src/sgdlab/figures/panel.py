"""Draw one panel: its curves, trajectories or points, optima, lines, and the points that have no value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sgdlab.analysis.series import FigureSeries, PanelSeries, Series
from sgdlab.figures.axes import label_axes, label_log_y, label_x, set_y_scale
from sgdlab.figures.lines import draw_order_line, draw_rule
from sgdlab.figures.style import (
    BARS,
    COLOURS,
    CURVE,
    EDGE,
    ENDS,
    MARKERS,
    NO_VALUE,
    OPTIMUM_BAR,
    POINTS,
    REFERENCE,
    STAR,
    THIN,
    TRAJECTORY,
    in_proportion,
    trajectory_dash,
)

_DODGE = 0.09  # of a factor of two
_ZERO_GAP = 1.5  # zero has no log2; it stands this far left of the smallest positive value
_ORDER_LABEL_ROOM = 0.05  # of the panel's height, below the lowest line
_NO_VALUE_ROW = 0.036  # of the panel's height; points without a value are marked in rows at the bottom


def draw_panel(axes: Axes, panel: PanelSeries, figure: FigureSeries) -> None:
    """Draw one panel into empty axes; a label has the same colour in each panel of the figure."""
    labels = list(dict.fromkeys(one.label for each in figure.panels for one in each.series))
    place = _places(panel)
    label_axes(axes, panel, figure)
    set_y_scale(axes, panel.y_scale or figure.y_scale)
    for one in panel.series:
        index = labels.index(one.label)
        colour = COLOURS[index % len(COLOURS)]
        if figure.kind == "trajectories":
            _draw_trajectory(axes, one, colour, trajectory_dash(index))
        elif figure.kind == "phase":
            _draw_points(axes, one, colour)
        else:
            beside = _dodge(index, len(labels)) if one.bars and panel.x_scale != "linear" else 0.0
            xs = [place(x) + beside for x in one.x]
            _draw_curve(axes, one, xs, colour, MARKERS[index % len(MARKERS)])
            _draw_optimum(axes, one, place, colour)
            _ring_edges(axes, one, xs, colour)
    if panel.reference is not None:
        axes.axhline(panel.reference.mean, zorder=1, **in_proportion(REFERENCE))
    for index, rule in enumerate(panel.rules):
        draw_rule(axes, rule, index, place)
    for line in panel.order_lines:
        draw_order_line(axes, line, place)
    if panel.order_lines:
        _make_room_below(axes, _ORDER_LABEL_ROOM)
    if panel.x_range is not None:
        axes.set_xlim(*panel.x_range)
    if panel.y_range is not None:
        axes.set_ylim(*panel.y_range)
    _mark_points_without_value(axes, panel, place, labels)
    label_x(axes, panel, place)
    if axes.get_yscale() == "log" and (panel.y_scale or figure.y_scale) == "log":
        label_log_y(axes)


def _places(panel: PanelSeries) -> Callable[[Any], float]:
    """Return where a value of x stands: its log2, itself, or its number among the choices."""
    xs = [x for one in panel.series for x in one.x]
    if panel.x_scale == "choices":
        choices = list(dict.fromkeys(xs))
        return lambda x: float(choices.index(x))
    if panel.x_scale == "linear":
        return float
    zero = math.log2(min((x for x in xs if x > 0), default=1.0)) - _ZERO_GAP
    return lambda x: math.log2(x) if x > 0 else zero


def _draw_curve(axes: Axes, one: Series, xs: Sequence[float], colour: str, marker: str) -> None:
    axes.errorbar(
        *_broken_at_zero(one.x, xs, one.mean),
        yerr=[np.nan_to_num(_broken_at_zero(one.x, xs, reach)[1]) for reach in _reaches(one)],
        color=colour,
        marker=marker,
        zorder=3,
        **in_proportion({**CURVE, **BARS}),
    )
    thin = in_proportion({**THIN, "marker": "_", "markersize": 5})
    axes.plot(*_broken_at_zero(one.x, xs, one.unselected), color=colour, **thin)


def _broken_at_zero(
    values: Sequence[Any], xs: Sequence[float], ys: Sequence[float | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y with a gap after zero, whose place on the axis is not its log2."""
    x, y = np.array(xs), _floats(ys)
    if len(x) > 1 and values[0] == 0:
        x, y = np.insert(x, 1, math.nan), np.insert(y, 1, math.nan)
    return x, y


def _reaches(one: Series) -> tuple[Sequence[float | None], Sequence[float | None]]:
    """Return how far the error bars reach down and up."""
    if not one.bars:
        return one.std, one.std
    ends = [
        (None, None) if bar is None or mean is None else (mean - bar[0], bar[1] - mean)
        for mean, bar in zip(one.mean, one.bars, strict=True)
    ]
    return [down for down, _ in ends], [up for _, up in ends]


def _dodge(index: int, num_curves: int) -> float:
    """Return how far beside its x a curve of optima stands: optima of a grid often coincide."""
    return _DODGE * (index - (num_curves - 1) / 2)


def _ring_edges(axes: Axes, one: Series, xs: Sequence[float], colour: str) -> None:
    points = [
        (x, mean)
        for value, x, mean in zip(one.x, xs, one.mean, strict=True)
        if value in one.at_edge_x and mean is not None
    ]
    axes.plot(*np.array(points).reshape(-1, 2).T, color=colour, **in_proportion(EDGE))


def _draw_optimum(axes: Axes, one: Series, place: Callable[[Any], float], colour: str) -> None:
    if one.optimum is None:
        return
    low, high = (place(x) for x in one.optimum.bar)
    axes.plot([low, high], [one.optimum.y] * 2, color=colour, zorder=2, **in_proportion(OPTIMUM_BAR))
    xs = [place(x) for x in one.optimum.x]
    axes.plot(xs, [one.optimum.y] * len(xs), color=colour, zorder=5, **in_proportion(STAR))


def _draw_trajectory(axes: Axes, one: Series, colour: str, dash: str) -> None:
    mean, std = _floats(one.mean), np.nan_to_num(_floats(one.std))
    axes.fill_between(one.x, mean - std, mean + std, color=colour, alpha=0.2, linewidth=0, zorder=2)
    axes.plot(one.x, mean, color=colour, linestyle=dash, zorder=3, **in_proportion(TRAJECTORY))
    axes.plot(one.x, _floats(one.unselected), color=colour, **in_proportion(THIN))


def _draw_points(axes: Axes, one: Series, colour: str) -> None:
    axes.plot(one.x, _floats(one.mean), color=colour, **in_proportion(POINTS))
    axes.plot(*np.array(one.ends).reshape(-1, 2).T, color=colour, **in_proportion(ENDS))


def _make_room_below(axes: Axes, room: float) -> None:
    """Extend the y axis downwards, so that `room` is the new part's share of its height."""
    low, high = axes.get_ylim()
    share = room / (1 - room)  # of the present height
    if axes.get_yscale() == "log":
        axes.set_ylim(low * (low / high) ** share, high)
    else:
        axes.set_ylim(low - share * (high - low), high)


def _mark_points_without_value(
    axes: Axes, panel: PanelSeries, place: Callable[[Any], float], labels: Sequence[str]
) -> None:
    """Mark them at the bottom, below all curves; curves that share an x stand one above the other."""
    marked = [one for one in panel.series if one.diverged_x or one.unfinished_x]
    if not marked:
        return
    _make_room_below(axes, _NO_VALUE_ROW * (len(marked) + 0.5))
    for row, one in enumerate(marked):
        colour = COLOURS[labels.index(one.label) % len(COLOURS)]
        height = _NO_VALUE_ROW * (row + 0.8)
        for xs, marker in ((one.diverged_x, "x"), (one.unfinished_x, "o")):
            axes.plot(
                [place(x) for x in xs],
                [height] * len(xs),
                color=colour,
                marker=marker,
                **in_proportion(NO_VALUE),
                transform=axes.get_xaxis_transform(),
                zorder=4,
            )


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values])
