"""The numbers that a figure draws. `figure_series` computes them, `figures` draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
    """One drawn curve, ascending in x."""

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


@dataclass(frozen=True)
class Reference:
    """A level across the panel."""

    label: str
    mean: float
    std: float | None


@dataclass(frozen=True)
class OrderLine:
    """A line of known slope in a panel whose axes are both logarithmic, to compare curves with."""

    order: int  # y ∝ x^order
    x: tuple[float, float]  # from, to
    y: float  # at the larger x


@dataclass(frozen=True)
class VerticalLine:
    """A place on the x axis that curves are read against."""

    label: str  # written along it
    x: float


@dataclass(frozen=True)
class PanelSeries:
    """One panel of a figure."""

    name: str
    title: str
    x_scale: XScale
    series: tuple[Series, ...]
    reference: Reference | None
    y_range: tuple[float, float] | None = None  # of the drawing; None: whatever holds all points
    x_label: str | None = None  # None: the figure's
    y_label: str | None = None  # None: the figure's, at the first panel
    y_scale: Literal["linear", "log"] | None = None  # None: the figure's
    order_lines: tuple[OrderLine, ...] = ()
    vertical_lines: tuple[VerticalLine, ...] = ()


@dataclass(frozen=True)
class FigureSeries:
    """A whole figure, ready to be drawn."""

    name: str
    title: str
    kind: Literal["curves", "trajectories"]
    x_label: str
    y_label: str
    y_scale: Literal["linear", "log"]
    panels: tuple[PanelSeries, ...]
    caption: tuple[str, ...]  # protocol, counts and warnings, one line each


@dataclass(frozen=True)
class Made:
    """What one entry of `drawing.curves` becomes: its curves, and what a reader must be told about them."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...]
