"""The scales and labels of a panel's axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter, NullLocator

from sgdlab.analysis.labels import label_of_number
from sgdlab.analysis.series import FigureSeries, PanelSeries
from sgdlab.figures.text import mathtext, points, width_of, wrap

_GAP = 0.07  # inches between the labels of two ticks
_LINE_HEIGHT = 1.9  # of the text's size, a tick's label with the gap to the next one
_THOUSANDS_FROM = 1e4
_TILT = 30  # degrees, of choices that don't fit side by side


def label_axes(axes: Axes, panel: PanelSeries, figure: FigureSeries) -> None:
    """Write the title and the labels of both axes, in as many lines as the panel's size makes necessary."""
    width, _ = size_of(axes)
    axes.set_title(mathtext(wrap(panel.title, width, rcParams["axes.titlesize"])))
    x_label = panel.x_label or figure.x_label
    axes.set_xlabel(mathtext(wrap(x_label, width, rcParams["axes.labelsize"])))
    if panel.y_label is not None:
        label_y(axes, panel.y_label)


def label_y(axes: Axes, label: str) -> None:
    """Write the label of the y axis."""
    _, height = size_of(axes)
    axes.set_ylabel(mathtext(wrap(label, height, rcParams["axes.labelsize"])))


def label_x(axes: Axes, panel: PanelSeries, place: Callable[[Any], float]) -> None:
    """Write powers of two, zero and choices where `place` puts them; few enough to be read."""
    xs = list(dict.fromkeys(x for one in panel.series for x in one.x))
    if panel.x_scale == "linear":
        if max(map(abs, xs), default=0) < _THOUSANDS_FROM:
            axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4), useMathText=True)
        else:  # 15k: a common factor of ten would stand in the label's way
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    elif panel.x_scale == "choices":
        _label_choices(axes, [place(x) for x in xs], [str(x) for x in xs])
    else:
        _label_powers(axes, xs, place)


def num_labels_beside(axes: Axes, labels: Sequence[str]) -> int:
    """Return how many labels like these have room along the x axis, two at least."""
    widest = max((width_of(label, rcParams["xtick.labelsize"]) for label in labels), default=0.0)
    return max(2, int(size_of(axes)[0] / (widest + _GAP)))


def num_labels_above(axes: Axes) -> int:
    """Return how many labels have room along the y axis, two at least."""
    return max(2, int(72 * size_of(axes)[1] / (_LINE_HEIGHT * points(rcParams["ytick.labelsize"]))))


def size_of(axes: Axes) -> tuple[float, float]:
    """Return the width and the height of a panel in inches."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes are made by their figure
    position = axes.get_position()
    return position.width * figure.get_figwidth(), position.height * figure.get_figheight()


def _label_choices(axes: Axes, positions: Sequence[float], labels: Sequence[str]) -> None:
    axes.set_xticks(positions, labels)
    if len(labels) > num_labels_beside(axes, labels):
        axes.tick_params(axis="x", labelrotation=_TILT)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")


def _label_powers(axes: Axes, xs: Sequence[float], place: Callable[[Any], float]) -> None:
    ticks = []
    if positive := [math.log2(x) for x in xs if x > 0]:
        low, high = math.ceil(min(positive)), math.floor(max(positive))
        labels = [_power_of_two(k) for k in range(low, high + 1)]
        step = max(1, math.ceil((high - low + 1) / num_labels_beside(axes, labels)))
        exponents = [k for k in range(low, high + 1) if k % step == 0] or [low]
        ticks = [(float(k), mathtext(_power_of_two(k))) for k in exponents]
    if any(x == 0 for x in xs):
        ticks.insert(0, (place(0), "0"))
    axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])


def set_y_scale(axes: Axes, scale: str) -> None:
    """Set the scale; on log2 every power of two has its label, as far as there is room."""
    if scale != "log2":
        axes.set_yscale(scale)
        return
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2, numticks=num_labels_above(axes)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: mathtext(_power_of_two(round(math.log2(y))))))
    axes.yaxis.set_minor_locator(NullLocator())


def label_log_y(axes: Axes) -> None:
    """Label 1, 2, 3 and 5 of each decade over less than two decades, and decades alone over more."""
    low, high = axes.get_ylim()
    if high / low < 100:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _power_of_two(exponent: int) -> str:
    """Write small integers as themselves on axes such as a batch size, everything else as a power."""
    return label_of_number(2.0**exponent) if exponent < 0 else f"2^{{{exponent}}}"
