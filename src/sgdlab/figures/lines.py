"""Draw the straight lines of a panel: levels, uprights, slopes, and orders between logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from sgdlab.analysis.series import OrderLine, Rule
from sgdlab.figures.style import ORDER_LINE, in_proportion, note_size, rule_style
from sgdlab.figures.text import mathtext


def draw_rule(axes: Axes, rule: Rule, index: int, place: Callable[[Any], float]) -> None:
    """Draw it from one side of the panel to the other; an upright has its label along its lower end."""
    style = rule_style(index)
    if rule.y is not None:
        axes.axhline(rule.y, zorder=4, **style)
    elif rule.x is not None:
        axes.axvline(place(rule.x), zorder=4, **style)
        if rule.label is not None:
            _write_along(axes, place(rule.x), rule.label)
    elif rule.slope is not None:
        axes.axline(rule.through, slope=rule.slope, zorder=4, **style)


def draw_order_line(axes: Axes, line: OrderLine, place: Callable[[Any], float]) -> None:
    """Draw it thin and dashed, its order written below its lower end."""
    first, last = line.x
    ends = [(place(first), line.y * (first / last) ** line.order), (place(last), line.y)]
    axes.plot(*zip(*ends, strict=True), **in_proportion(ORDER_LINE))
    is_rising = line.order > 0
    axes.annotate(
        f"order {line.order}".replace("-", "−"),
        ends[0] if is_rising else ends[1],
        xytext=(4 if is_rising else -4, -3),
        textcoords="offset points",
        ha="left" if is_rising else "right",
        va="top",
        fontsize=note_size(),
        color=ORDER_LINE["color"],
    )


def _write_along(axes: Axes, x: float, label: str) -> None:
    axes.annotate(
        mathtext(label),
        (x, 0),
        xycoords=("data", "axes fraction"),
        xytext=(-2, 4),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="bottom",
        fontsize=note_size(),
        color="#333333",
        zorder=3.5,  # above the data, which would make it illegible
        path_effects=[withStroke(linewidth=2, foreground="white")],
    )
