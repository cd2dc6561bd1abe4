"""Draw one panel that is a heat map: cells with their values, a colour bar, and curves over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patheffects import Normal, Stroke, withStroke
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from sgdlab.analysis.heat_map import cell_edges
from sgdlab.analysis.labels import label_of_number
from sgdlab.analysis.points import is_number
from sgdlab.analysis.series import Contour, FigureSeries, HeatMap, PanelSeries
from sgdlab.figures.axes import label_axes, num_labels_above, num_labels_beside, size_of
from sgdlab.figures.style import NO_VALUE, in_proportion, note_size
from sgdlab.figures.text import mathtext, width_of, wrap

CONTOUR_COLOURS = (
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
)  # told apart on every colour of the map, by dashes as well

_CONTOUR_DASHES = ("-", "--", ":")
_COLOUR_MAP = "viridis"
_BAR_GAP, _BAR_WIDTH = 0.08, 0.12  # inches
_NO_VALUE = "#dddddd"
_SMALLEST = 6.0  # points; smaller values would not be legible, and are left to the colours
_CHARACTER = 0.62  # width of a digit, of its size
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
            **in_proportion(NO_VALUE),
        )
    families = list(dict.fromkeys(contour.label for contour in heat_map.contours))
    levels = [
        level
        for contour in heat_map.contours
        for level in _draw_contour(axes, contour, families.index(contour.label), place_x, place_y)
    ]
    axes.set_xlim(ends_x[0], ends_x[-1])
    axes.set_ylim(ends_y[0], ends_y[-1])
    beside = num_labels_beside(axes, [label_of_number(x) for x in heat_map.x])
    axes.set_xticks(*_ticks(heat_map.x, place_x, beside))
    axes.set_yticks(*_ticks(heat_map.y, place_y, num_labels_above(axes)))
    label_axes(axes, panel, figure)
    if num_rows := _write_levels(axes, levels):
        axes.set_title(axes.get_title(), pad=rcParams["axes.titlepad"] + num_rows * 1.4 * note_size())
    if values[np.isfinite(values)].size:
        beside_it = [level.label for level in levels if not level.above]
        room = max((width_of(label, note_size()) for label in beside_it), default=0.0)
        _draw_colour_bar(axes, mesh, heat_map.colour_label, room + _BAR_GAP)


@dataclass(frozen=True, order=True)
class _Level:
    """Where a contour leaves the panel, above it or to its right."""

    label: str
    point: tuple[float, float]
    above: bool
    colour: str


def contour_style(index: int) -> dict[str, Any]:
    """Return how a family of contours looks."""
    return {
        "color": CONTOUR_COLOURS[index % len(CONTOUR_COLOURS)],
        "linestyle": _CONTOUR_DASHES[index % len(_CONTOUR_DASHES)],
        "linewidth": in_proportion({"linewidth": 1.5})["linewidth"],
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


def _ticks(
    values: tuple[Any, ...], place: Callable[[Any], float], num_labels: int
) -> tuple[list[float], list[str]]:
    shown = values[:: -(-len(values) // num_labels)]
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
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    span = float(np.ptp(finite))
    decimals = 3 if span == 0 else min(4, max(1, 2 - math.floor(math.log10(span))))
    size = _size_of_values(axes, heat_map, finite, decimals)
    if size < _SMALLEST and decimals > 1:
        decimals -= 1
        size = _size_of_values(axes, heat_map, finite, decimals)
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


def _size_of_values(axes: Axes, heat_map: HeatMap, finite: np.ndarray, decimals: int) -> float:
    """Return the largest size, in points, in which every value fits into its cell."""
    num_characters = max(len(f"{value:.{decimals}f}") for value in finite)
    width, height = size_of(axes)
    widest = 72 * 0.92 * width / len(heat_map.x) / (_CHARACTER * num_characters)
    return min(note_size(), widest, 72 * 0.6 * height / len(heat_map.y))


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
) -> Iterator[_Level]:
    """Draw it under the values; yield where it leaves the panel."""
    style = contour_style(family)
    for line in contour.lines:
        xs, ys = [place_x(x) for x, _ in line], [place_y(y) for _, y in line]
        outline = [Stroke(linewidth=style["linewidth"] + 1.2, foreground="white"), Normal()]
        axes.plot(xs, ys, path_effects=outline, zorder=3, **style)
        end = max(range(len(line)), key=lambda index: (xs[index] + ys[index], index))
        above = bool(ys[end] - max(ys) >= 0 and xs[end] < axes.dataLim.x1 - 1e-6)
        yield _Level(label_of_number(contour.level), (xs[end], ys[end]), above, style["color"])


def _write_levels(axes: Axes, levels: Sequence[_Level]) -> int:
    """Write each level outside the panel where its contour leaves it; return the rows above the panel.

    Those that would overlap stand one farther out than the other.
    """
    size = note_size()
    num_rows = 0
    for above in (True, False):
        rows: list[float] = []  # where each row is taken up to, in points
        for at, level in sorted(
            (axes.transData.transform(level.point)[0 if above else 1] * 72 / axes.figure.dpi, level)
            for level in levels
            if level.above is above
        ):
            width = 72 * width_of(level.label, size)
            half = (width if above else 1.2 * size) / 2 + 1
            row = next((row for row, end in enumerate(rows) if end <= at - half), len(rows))
            rows[row : row + 1] = [at + half]
            axes.annotate(
                mathtext(level.label),
                level.point,
                xytext=(0, 2 + row * 1.4 * size) if above else (3 + row * (width + 3), 0),
                textcoords="offset points",
                ha="center" if above else "left",
                va="bottom" if above else "center",
                fontsize=size,
                color=level.colour,
                annotation_clip=False,
            )
        num_rows = len(rows) if above else num_rows
    return num_rows


def _draw_colour_bar(axes: Axes, mesh: ScalarMappable, label: str, gap: float) -> None:
    """Draw it `gap` inches to the right of the panel, wherever the panel is put."""
    figure = axes.figure
    right_edge = figure.dpi_scale_trans + ScaledTranslation(1, 0, axes.transAxes)  # type: ignore[arg-type]
    place = blended_transform_factory(right_edge, axes.transAxes)
    bar = axes.inset_axes((gap, 0, _BAR_WIDTH, 1), transform=place)
    figure.colorbar(mesh, cax=bar)
    bar.grid(visible=False)
    bar.set_ylabel(mathtext(wrap(label, size_of(axes)[1], rcParams["axes.labelsize"])))
