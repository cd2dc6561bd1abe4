"""The layout of a figure: panels in rows, one legend below them, the caption at the bottom; all in inches.

What stands around a panel is measured on the drawn panel, and not reckoned: how wide ticks and labels are
depends on the numbers. A panel's size decides in turn which of its ticks have room. So panels are drawn,
measured and drawn again in the size that is left for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sgdlab.analysis.series import FigureSeries
from sgdlab.figures.axes import label_y
from sgdlab.figures.heat_map import draw_heat_map
from sgdlab.figures.legend import add_legend
from sgdlab.figures.page import Page
from sgdlab.figures.panel import draw_panel
from sgdlab.figures.style import GREY
from sgdlab.figures.text import fill, mathtext

_MEASURED_AT = 200  # dots per inch
_NUM_PASSES = 3
_EDGE = 0.06  # inches, around everything
_GAP = 0.14  # between panels
_ABOVE_LEGEND, _ABOVE_CAPTION = 0.08, 0.12
_CAPTION, _CAPTION_LINE = 7.0, 0.145  # points, and inches a line
_ASPECT = 0.66  # a panel's height by its width


@dataclass(frozen=True)
class _Frame:
    """What stands around the panels of each column and row, in inches."""

    left: np.ndarray  # (columns,)
    right: np.ndarray  # (columns,)
    top: np.ndarray  # (rows,)
    bottom: np.ndarray  # (rows,)


def lay_out(series: FigureSeries, page: Page) -> Figure:
    """Draw all panels, the legend, and the caption where the page has it in the picture."""
    num_rows, num_columns = page.shape_for(len(series.panels))
    width = page.width_for(num_columns)
    lowest, highest = page.height_of_panel
    panel_width = 0.75 * width / num_columns
    for _ in range(_NUM_PASSES):
        panel_height = min(highest, max(lowest, _ASPECT * panel_width))
        figure = Figure(figsize=(width, highest + 1), dpi=_MEASURED_AT)
        FigureCanvasAgg(figure)
        panels = _draw_panels(figure, series, num_columns, (panel_width, panel_height))
        frame = _measure(panels, num_rows, num_columns)
        around = frame.left.sum() + frame.right.sum() + _GAP * (num_columns - 1) + 2 * _EDGE
        panel_width, drawn = max(0.3 * width / num_columns, (width - around) / num_columns), panel_width
        if abs(panel_width - drawn) < 0.01:
            break
    _arrange(figure, panels, frame, (drawn, panel_height), series, page)
    return figure


def _draw_panels(
    figure: Figure, series: FigureSeries, num_columns: int, size: tuple[float, float]
) -> list[Axes]:
    """Draw each panel in its size, wherever it will stand."""
    width, height = figure.get_size_inches()
    drawn = []
    for place, panel in enumerate(series.panels):
        axes = figure.add_axes((0, 0, size[0] / width, size[1] / height), label=panel.name)
        if panel.heat_map is None:
            draw_panel(axes, panel, series)
        else:
            draw_heat_map(axes, panel, series, panel.heat_map)
        if place % num_columns == 0 and panel.y_label is None:
            label_y(axes, series.y_label)
        drawn.append(axes)
    return drawn


def _measure(panels: Sequence[Axes], num_rows: int, num_columns: int) -> _Frame:
    """Measure what stands around each panel: ticks, labels, title, colour bar."""
    frame = _Frame(*(np.zeros(n) for n in (num_columns, num_columns, num_rows, num_rows)))
    for place, axes in enumerate(panels):
        row, column = divmod(place, num_columns)
        inner, outer = axes.get_window_extent(), axes.get_tightbbox()
        assert outer is not None  # panels are visible
        for side, reach in (
            (frame.left[column : column + 1], inner.x0 - outer.x0),
            (frame.right[column : column + 1], outer.x1 - inner.x1),
            (frame.top[row : row + 1], outer.y1 - inner.y1),
            (frame.bottom[row : row + 1], inner.y0 - outer.y0),
        ):
            side[:] = np.maximum(side, reach / _MEASURED_AT)
    return frame


def _arrange(
    figure: Figure,
    panels: Sequence[Axes],
    frame: _Frame,
    size: tuple[float, float],
    series: FigureSeries,
    page: Page,
) -> None:
    """Give the figure its height, and everything its place, from the bottom to the top."""
    width, panel_height = figure.get_figwidth(), size[1]
    caption = []
    if page.caption == "in the picture":
        caption = [row for line in series.caption for row in fill(line, width - 2 * _EDGE, _CAPTION)]
    legend = add_legend(figure, series)
    legend_height = legend.get_window_extent().height / _MEASURED_AT
    caption_top = _EDGE + _CAPTION_LINE * len(caption)
    legend_top = caption_top + _ABOVE_CAPTION * bool(caption) + legend_height
    bottom = legend_top + _ABOVE_LEGEND
    heights = frame.top + panel_height + frame.bottom
    height = bottom + heights.sum() + _GAP * (len(heights) - 1) + _EDGE
    figure.set_size_inches(width, height)
    num_columns = len(frame.left)
    for place, axes in enumerate(panels):
        row, column = divmod(place, num_columns)
        left = _EDGE + frame.left[: column + 1].sum() + frame.right[:column].sum()
        left += column * (size[0] + _GAP)
        top = height - _EDGE - heights[:row].sum() - _GAP * row - frame.top[row]
        axes.set_position(
            (left / width, (top - panel_height) / height, size[0] / width, panel_height / height)
        )
    legend.set_bbox_to_anchor((0.5, legend_top / height), transform=figure.transFigure)
    for i, line in enumerate(caption):
        y = (caption_top - _CAPTION_LINE * i) / height
        figure.text(_EDGE / width, y, mathtext(line), fontsize=_CAPTION, color=GREY, va="top")
