"""The numbers of a figure: `figure_series` computes them, the rooms `figures` and `plots` draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sgdlab.analysis.points import Point
from sgdlab.sweeps.drawings import DrawingKind, YScale

XScale = Literal["log2", "linear", "choices"]


@dataclass(frozen=True)
class OptimumMark:
    """The optimum of a drawn curve and its error bar along x."""

    x: tuple[float, ...]  # more than one where several points tie
    y: float
    bar: tuple[float, float]
    at_edge: bool  # the optimum or its error bar touches an end of the curve


@dataclass(frozen=True)
class Series:
    """One drawn curve, ascending in x; or the points of a phase drawing, run by run."""

    label: str
    metric: str
    x: tuple[Any, ...]  # (P,) numbers, or choices such as "shuffled"
    mean: tuple[float | None, ...]  # (P,) None: no value by the protocol
    std: tuple[float | None, ...]  # (P,)
    unselected: tuple[float | None, ...]  # (P,) over every finite run
    unselected_rule: str  # what that is; empty where nothing was selected and so nothing is beside
    num_done: tuple[int, ...]  # (P,)
    diverged_x: tuple[Any, ...] = ()  # points that have no value, since too many runs diverged
    unfinished_x: tuple[Any, ...] = ()  # points that have no value yet
    optimum: OptimumMark | None = None
    ends: tuple[tuple[float, float], ...] = ()  # x, y: marked with a cross; of scattered points
    bars: tuple[tuple[float, float] | None, ...] = ()  # (P,) from, to: error bars that are no mean ± std
    at_edge_x: tuple[Any, ...] = ()  # where the optimum or its error bar touches the edge of what is tuned
    grid: str = ""  # whose points these are
    points: tuple[Point, ...] = ()  # (P,) what stands behind each value; a single one stands behind all


@dataclass(frozen=True)
class Reference:
    """A level across the panel."""

    label: str
    mean: float
    std: float | None


@dataclass(frozen=True)
class Rule:
    """A straight line across the panel: a level, an upright, or a slope through a point."""

    label: str | None  # in the legend; of an upright, along it
    y: float | None = None
    x: float | None = None
    slope: float | None = None
    through: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class OrderLine:
    """A line of known slope in a panel whose axes are both logarithmic, to compare curves with."""

    order: int  # y ∝ x^order
    x: tuple[float, float]  # from, to
    y: float  # at the larger x


@dataclass(frozen=True)
class Contour:
    """Where an expression of both axes has one value: a curve, in one piece or several."""

    label: str  # of the expression, in the legend
    level: float
    lines: tuple[tuple[tuple[float, float], ...], ...]  # pieces, of points x, y


@dataclass(frozen=True)
class HeatMap:
    """A metric over two axes, both ascending, as coloured cells."""

    metric: str
    colour_label: str
    x: tuple[Any, ...]  # (X,)
    y: tuple[Any, ...]  # (Y,)
    mean: tuple[tuple[float | None, ...], ...]  # (Y, X) None: no value by the protocol
    std: tuple[tuple[float | None, ...], ...]  # (Y, X)
    num_done: tuple[tuple[int, ...], ...]  # (Y, X)
    diverged: tuple[tuple[Any, Any], ...]  # x, y: cells without a value, since too many runs diverged
    unfinished: tuple[tuple[Any, Any], ...]  # x, y: cells without a value yet
    contours: tuple[Contour, ...]
    grid: str = ""
    points: tuple[tuple[Point | None, ...], ...] = ()  # (Y, X) of the grid; None: not asked for


@dataclass(frozen=True)
class PanelSeries:
    """One panel of a figure."""

    name: str
    title: str
    x_scale: XScale
    series: tuple[Series, ...]
    reference: Reference | None
    y_range: tuple[float, float] | None = None  # of the drawing; None: whatever holds all points
    x_range: tuple[float, float] | None = None  # the same, where x is linear
    x_label: str | None = None  # None: the figure's
    y_label: str | None = None  # None: the figure's, at the first panel
    y_scale: YScale | None = None  # None: the figure's
    order_lines: tuple[OrderLine, ...] = ()
    rules: tuple[Rule, ...] = ()
    heat_map: HeatMap | None = None  # instead of series


@dataclass(frozen=True)
class FigureSeries:
    """A whole figure, ready to be drawn."""

    name: str
    title: str
    kind: DrawingKind
    x_label: str
    y_label: str
    y_scale: YScale
    panels: tuple[PanelSeries, ...]
    caption: tuple[str, ...]  # protocol, counts and warnings, one line each


@dataclass(frozen=True)
class Made:
    """What one entry of `drawing.curves` becomes: its curves, and what a reader must be told about them."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...]
