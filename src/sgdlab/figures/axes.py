"""The scales and labels of a panel's axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sgdlab.analysis.labels import label_of_number
from sgdlab.analysis.series import PanelSeries
from sgdlab.figures.text import mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_LABELS = 11


def label_x(axes: Axes, panel: PanelSeries, place: Callable[[Any], float]) -> None:
    """Write powers of two, zero and choices where `place` puts them; few enough to be read."""
    xs = list(dict.fromkeys(x for one in panel.series for x in one.x))
    if panel.x_scale == "linear":
        axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4), useMathText=True)
        return
    if panel.x_scale == "choices":
        axes.set_xticks([place(x) for x in xs], [str(x) for x in xs])
        return
    positive = [math.log2(x) for x in xs if x > 0]
    if positive:
        low, high = math.ceil(min(positive)), math.floor(max(positive))
        step = max(1, math.ceil((high - low + 1) / _MAX_LABELS))
        exponents = [k for k in range(low, high + 1) if k % step == 0] or [low]
        ticks = [(float(k), mathtext(_power_of_two(k))) for k in exponents]
    else:
        ticks = []
    if any(x == 0 for x in xs):
        ticks.insert(0, (place(0), "0"))
    axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])


def set_y_scale(axes: Axes, scale: str) -> None:
    """Set the scale; on log2 every power of two has its label, as far as there is room."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if scale != "log2":
        axes.set_yscale(scale)
        return
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2, numticks=_MAX_LABELS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: mathtext(_power_of_two(round(math.log2(y))))))
    axes.yaxis.set_minor_locator(NullLocator())


def label_log_y(axes: Axes) -> None:
    """Label 1, 2, 3 and 5 of each decade over less than two decades, and decades alone over more."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_ylim()
    if high / low < 100:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _power_of_two(exponent: int) -> str:
    """Write small integers as themselves on axes such as a batch size, everything else as a power."""
    return label_of_number(2.0**exponent) if exponent < 0 else f"2^{{{exponent}}}"
