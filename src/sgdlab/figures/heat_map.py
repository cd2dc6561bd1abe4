"""Draw one panel that is a heat map: cells with their values, a colour bar, and curves over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sgdlab.analysis.heat_map import cell_edges
from sgdlab.analysis.labels import label_of_number
from sgdlab.analysis.points import is_number
from sgdlab.analysis.series import Contour, FigureSeries, HeatMap, PanelSeries
from sgdlab.figures.text import mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

CONTOUR_COLOURS = (
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
)  # told apart on every colour of the map, by dashes as well
COLOUR_BAR_ROOM = 1.2  # inches to the right of a panel, its labels included

_CONTOUR_DASHES = ("-", "--", ":")
_COLOUR_MAP = "viridis"
_BAR_GAP, _BAR_WIDTH = 0.42, 0.12  # inches; the gap has room for the contours' levels
_NO_VALUE = "#dddddd"
_LARGEST, _SMALLEST = 7.5, 4.5  # points; smaller values would not be legible, and are left to the colours
_CHARACTER = 0.62  # width of a digit, of its size
_MAX_TICKS = 12
_AS_FAR_FROM_BOTH = 0.179  # the luminance that contrasts with black and white alike, 4.6 : 1


def draw_heat_map(axes: Axes, panel: PanelSeries, figure: FigureSeries, heat_map: HeatMap) -> None:
    """Draw it into empty axes; the colour bar stands beside them."""
    place_x, place_y = _places(heat_map.x), _places(heat_map.y)
    ends_x, ends_y = _ends(heat_map.x), _ends(heat_map.y)
    values = np.array([[math.nan if v is None else v for v in row] for row in heat_map.mean])
    axes.set_facecolor(_NO_VALUE)
    axes.grid(visible=False)
    mesh = axes.pcolormesh(ends_x, ends_y, np.ma.masked_invalid(values), cmap=_COLOUR_MAP, rasterized=True)
    _write_values(axes, heat_map, values, mesh, place_x, place_y)
    for cells, marker in ((heat_map.diverged, "x"), (heat_map.unfinished, "o")):
        axes.plot(
            [place_x(x) for x, _ in cells],
            [place_y(y) for _, y in cells],
            color="#333333",
            marker=marker,
            markersize=5,
            markerfacecolor="none",
            linestyle="none",
        )
    families = list(dict.fromkeys(contour.label for contour in heat_map.contours))
    for contour in heat_map.contours:
        _draw_contour(axes, contour, families.index(contour.label), place_x, place_y)
    axes.set_xlim(ends_x[0], ends_x[-1])
    axes.set_ylim(ends_y[0], ends_y[-1])
    axes.set_xticks(*_ticks(heat_map.x, place_x))
    axes.set_yticks(*_ticks(heat_map.y, place_y))
    axes.set_title(mathtext(panel.title), pad=14 if heat_map.contours else 6)
    axes.set_xlabel(mathtext(panel.x_label or figure.x_label))
    if values[np.isfinite(values)].size:
        _draw_colour_bar(axes, mesh, heat_map.colour_label)


def contour_style(index: int) -> dict[str, Any]:
    """Return how a family of contours looks."""
    return {
        "color": CONTOUR_COLOURS[index % len(CONTOUR_COLOURS)],
        "linestyle": _CONTOUR_DASHES[index % len(_CONTOUR_DASHES)],
        "linewidth": 1.5,
    }


def _places(values: Sequence[Any]) -> Callable[[Any], float]:
    """Return where a value stands: its log2, or its number where one is zero or no number."""
    if all(is_number(value) and value > 0 for value in values):
        return math.log2
    return lambda value: float(values.index(value))


def _ends(values: tuple[Any, ...]) -> np.ndarray:
    if all(is_number(value) and value > 0 for value in values):
        return np.asarray(np.log2(cell_edges(values)))
    return np.arange(len(values) + 1) - 0.5


def _ticks(values: tuple[Any, ...], place: Callable[[Any], float]) -> tuple[list[float], list[str]]:
    shown = values[:: -(-len(values) // _MAX_TICKS)]
    return [place(value) for value in shown], [mathtext(label_of_number(value)) for value in shown]


def _write_values(
    axes: Axes,
    heat_map: HeatMap,
    values: np.ndarray,
    mesh: ScalarMappable,
    place_x: Callable[[Any], float],
    place_y: Callable[[Any], float],
) -> None:
    """Write each value into its cell, dark on light and light on dark, where a cell has room for it."""
    from matplotlib.patheffects import withStroke

    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    span = float(np.ptp(finite))
    decimals = 3 if span == 0 else min(4, max(1, 2 - math.floor(math.log10(span))))
    num_characters = max(len(f"{value:.{decimals}f}") for value in finite)
    box = axes.get_window_extent()
    dpi = axes.figure.dpi
    width, height = box.width / dpi / len(heat_map.x), box.height / dpi / len(heat_map.y)
    size = min(_LARGEST, 72 * 0.92 * width / (_CHARACTER * num_characters), 72 * 0.6 * height)
    if size < _SMALLEST:
        return
    for y, row in zip(heat_map.y, values, strict=True):
        for x, value in zip(heat_map.x, row, strict=True):
            if math.isfinite(value):
                red, green, blue, _ = mesh.to_rgba(value)
                axes.text(
                    place_x(x),
                    place_y(y),
                    f"{value:.{decimals}f}",
                    ha="center",
                    va="center",
                    fontsize=size,
                    color="black" if _luminance(red, green, blue) > _AS_FAR_FROM_BOTH else "white",
                    path_effects=[withStroke(linewidth=2, foreground=(red, green, blue))],
                    zorder=4,
                )


def _luminance(*channels: float) -> float:
    """Return the relative luminance of an sRGB colour, as WCAG defines it."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _draw_contour(
    axes: Axes,
    contour: Contour,
    family: int,
    place_x: Callable[[Any], float],
    place_y: Callable[[Any], float],
) -> None:
    """Draw it under the values, its level written outside the panel where it leaves it."""
    from matplotlib.patheffects import Normal, Stroke

    style = contour_style(family)
    for line in contour.lines:
        xs, ys = [place_x(x) for x, _ in line], [place_y(y) for _, y in line]
        outline = [Stroke(linewidth=style["linewidth"] + 1.2, foreground="white"), Normal()]
        axes.plot(xs, ys, path_effects=outline, zorder=3, **style)
        end = max(range(len(line)), key=lambda index: (xs[index] + ys[index], index))
        leaves_above = ys[end] - max(ys) >= 0 and xs[end] < axes.dataLim.x1 - 1e-6
        axes.annotate(
            mathtext(label_of_number(contour.level)),
            (xs[end], ys[end]),
            xytext=(0, 2) if leaves_above else (3, 0),
            textcoords="offset points",
            ha="center" if leaves_above else "left",
            va="bottom" if leaves_above else "center",
            fontsize=7,
            color=style["color"],
            annotation_clip=False,
        )


def _draw_colour_bar(axes: Axes, mesh: ScalarMappable, label: str) -> None:
    figure = axes.figure
    width = figure.get_figwidth()  # type: ignore[union-attr]
    panel = axes.get_position()
    bar = figure.add_axes(
        (panel.x1 + _BAR_GAP / width, panel.y0, _BAR_WIDTH / width, panel.height), label="colour bar"
    )
    figure.colorbar(mesh, cax=bar)
    bar.grid(visible=False)
    bar.set_ylabel(mathtext(label))
