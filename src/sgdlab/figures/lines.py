"""Draw the straight lines of a panel: levels, uprights, slopes, and orders between logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sgdlab.analysis.series import OrderLine, Rule
from sgdlab.figures.text import mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REFERENCE: dict[str, Any] = {"color": "#333333", "linestyle": ":", "linewidth": 1.2}
_ORDER_LINE: dict[str, Any] = {"color": "#777777", "linestyle": (0, (4, 3)), "linewidth": 0.9, "zorder": 1}
_RULE_DASHES = ("dashed", "dotted", "dashdot")


def rule_style(index: int) -> dict[str, Any]:
    """Return how a panel's line of that number looks."""
    return {"color": "#333333", "linestyle": _RULE_DASHES[index % len(_RULE_DASHES)], "linewidth": 1.0}


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
    axes.plot(*zip(*ends, strict=True), **_ORDER_LINE)
    is_rising = line.order > 0
    axes.annotate(
        f"order {line.order}".replace("-", "−"),
        ends[0] if is_rising else ends[1],
        xytext=(4 if is_rising else -4, -3),
        textcoords="offset points",
        ha="left" if is_rising else "right",
        va="top",
        fontsize=7.5,
        color=_ORDER_LINE["color"],
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
        fontsize=7.5,
        color="#333333",
        zorder=2,  # below all data
    )
