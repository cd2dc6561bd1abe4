"""Draw a figure's series to PNG, PDF and SVG, in the manner of a paper.

The same series give the same bytes: no dates, fixed identifiers, embedded TrueType fonts. The colours are
those of Okabe and Ito, told apart by colour-blind readers; markers repeat the distinction.
"""

from __future__ import annotations

import io
import os
import re
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from sgdlab.analysis.series import FigureSeries
from sgdlab.figures.heat_map import COLOUR_BAR_ROOM, contour_style, draw_heat_map
from sgdlab.figures.lines import REFERENCE, rule_style
from sgdlab.figures.panel import (
    COLOURS,
    EDGE,
    ENDS,
    MARKERS,
    OPTIMUM_BAR,
    POINTS,
    STAR,
    draw_panel,
    trajectory_dash,
)
from sgdlab.figures.text import mathtext

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "legend.fontsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "svg.hashsalt": "sgdlab",
    "path.simplify": False,
}
# No date anywhere: a figure drawn twice is one figure.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}

# inches
_PANEL_WIDTH = {1: 4.6, 2: 3.7, 3: 3.35}
_PANEL_HEIGHT = 2.55
_LEFT, _RIGHT, _TOP, _GAP = 0.8, 0.2, 0.38, 0.62
_TOP_OF_MAP = 0.5  # levels of contours are written below the title
_X_LABEL, _LEGEND_ROW, _CAPTION_ROW, _BOTTOM = 0.56, 0.2, 0.145, 0.08
_CHARACTER = 0.068  # mean width of a legend's character
_CAPTION_CHARACTER = 0.05
_HANDLE = 0.62  # line, marker and spaces of a legend's entry


def draw(
    series: FigureSeries,
    folder: Path,
    name: str,
    formats: Sequence[str] = FORMATS,
    dots_per_inch: int = 200,  # of what is drawn in dots
) -> list[Path]:
    """Draw ``folder/name.png``, ``.pdf`` and ``.svg``; return their paths. Each appears whole or not."""
    from matplotlib import rc_context, rcdefaults, rcParams

    paths = []
    with rc_context():
        rcdefaults()  # a person's own matplotlibrc would change the bytes
        rcParams.update(_STYLE)
        figure = _figure(series)
        for suffix in formats:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=dots_per_inch, metadata=_METADATA[suffix])
            path = folder / f"{name}.{suffix}"
            _write(path, buffer.getvalue())
            paths.append(path)
    return paths


def _figure(series: FigureSeries) -> Figure:
    """Lay out panels side by side, one legend below them, the caption at the bottom; all in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    num_panels = len(series.panels)
    panel_width = _PANEL_WIDTH.get(num_panels, _PANEL_WIDTH[3])
    gap = _LEFT if any(panel.y_label for panel in series.panels[1:]) else _GAP
    beside = COLOUR_BAR_ROOM if series.kind == "heat_map" else 0.0
    gap, right = gap + beside, _RIGHT + beside
    width = _LEFT + num_panels * panel_width + (num_panels - 1) * gap + right
    legend = _legend(series)
    num_columns = _num_columns(list(legend), width)
    num_rows = -(-len(legend) // num_columns)
    caption = [
        row for line in series.caption for row in textwrap.wrap(line, int((width - 0.2) / _CAPTION_CHARACTER))
    ]
    caption_top = _BOTTOM + _CAPTION_ROW * len(caption)
    legend_top = caption_top + 0.08 + _LEGEND_ROW * num_rows
    bottom = legend_top + _X_LABEL
    height = bottom + _PANEL_HEIGHT + (_TOP if series.kind != "heat_map" else _TOP_OF_MAP)

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for i, panel in enumerate(series.panels):
        left = _LEFT + i * (panel_width + gap)
        axes = figure.add_axes(
            (left / width, bottom / height, panel_width / width, _PANEL_HEIGHT / height), label=panel.name
        )
        if panel.heat_map is None:
            draw_panel(axes, panel, series)
        else:
            draw_heat_map(axes, panel, series, panel.heat_map)
        if i == 0 and panel.y_label is None:
            axes.set_ylabel(mathtext(series.y_label))
    figure.legend(
        list(legend.values()),
        [mathtext(label) for label in legend],
        loc="upper center",
        bbox_to_anchor=(0.5, (legend_top + 0.04) / height),
        ncols=num_columns,
        frameon=False,
        columnspacing=1.4,
        handlelength=2.2,
        borderpad=0,
        labelspacing=0.35,
    )
    for i, row in enumerate(caption):
        y = (caption_top - _CAPTION_ROW * i) / height
        figure.text(0.1 / width, y, row, fontsize=7, color="#555555", va="top")
    return figure


def _legend(series: FigureSeries) -> dict[str, Any]:
    """Return one handle for each label of any panel, and one for each other mark that is used."""
    from matplotlib.lines import Line2D

    curves = [one for panel in series.panels for one in panel.series]
    labels = dict.fromkeys(one.label for one in curves)
    legend: dict[str, Any] = {
        label: Line2D([], [], color=COLOURS[i % len(COLOURS)], **_line(series, i))
        for i, label in enumerate(labels)
    }
    for panel in series.panels:
        for i, rule in enumerate(panel.rules):
            if rule.label is not None and rule.x is None:
                legend[rule.label] = Line2D([], [], **rule_style(i))
    maps = [panel.heat_map for panel in series.panels if panel.heat_map]
    families = dict.fromkeys(contour.label for one in maps for contour in one.contours)
    legend |= {family: Line2D([], [], **contour_style(i)) for i, family in enumerate(families)}
    for reference in (panel.reference for panel in series.panels if panel.reference):
        legend[reference.label] = Line2D([], [], **REFERENCE)
    grey: dict[str, Any] = {"color": "#555555", "linestyle": "none", "markerfacecolor": "none"}
    if any(one.optimum for one in curves):
        star = Line2D([], [], color="#555555", **STAR)
        legend["optimum and its error bar"] = (Line2D([], [], color="#555555", **OPTIMUM_BAR), star)
    if any(one.at_edge_x for one in curves):
        legend["touches the edge of the grid"] = Line2D([], [], **{**EDGE, "color": "#555555"})
    if any(one.ends for one in curves):
        legend["last evaluation drawn"] = Line2D([], [], **{**ENDS, "color": "#555555"})
    if any(one.diverged_x for one in curves) or any(one.diverged for one in maps):
        legend["diverged"] = Line2D([], [], marker="x", markersize=5, **grey)
    if any(one.unfinished_x for one in curves) or any(one.unfinished for one in maps):
        legend["unfinished"] = Line2D([], [], marker="o", markersize=5, **grey)
    return legend


def _line(series: FigureSeries, index: int) -> dict[str, Any]:
    if series.kind == "trajectories":
        return {"linewidth": 1.4, "linestyle": trajectory_dash(index)}
    if series.kind == "phase":
        return POINTS | {"markersize": 4, "alpha": 1}
    return {"linewidth": 1.3, "marker": MARKERS[index % len(MARKERS)], "markersize": 4}


def _num_columns(labels: Sequence[str], width: float) -> int:
    """Return the number of columns with the fewest rows that fit, as even as can be."""
    lengths = [_HANDLE + _CHARACTER * len(re.sub(r"[\^{}$]", "", label)) for label in labels]
    for num_rows in range(1, len(labels)):
        num_columns = -(-len(labels) // num_rows)
        columns = np.array_split(lengths, num_columns)  # as a legend is filled
        if sum(float(column.max()) for column in columns) <= width - 0.2:
            return num_columns
    return 1


def _write(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)  # a temporary file is private
            os.replace(file.name, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(file.name)
            raise
