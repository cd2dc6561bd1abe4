"""What drawings and claims refer to: a grid, a metric of its runs, its axes, and expressions of them.

All of it is checked as a sweep file is read: nobody should learn of a misspelt axis after a week of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sgdlab.config.landscape import METRICS as LANDSCAPE_METRICS
from sgdlab.config.numbers import evaluate, format_number, parse_number
from sgdlab.errors import UsageError
from sgdlab.sweeps.selection import Where, axes_meant, describe_where

if TYPE_CHECKING:
    from sgdlab.sweeps.grids import Grid, Panel
    from sgdlab.sweeps.windows import Window

Statistic = Literal["best", "final", "curve"]

METRICS = (
    "test_accuracy",
    "train_accuracy",
    "test_loss",
    "train_loss",
    "train_cost",
    "test_perplexity",
    "train_perplexity",
    "c_reg",
    "gradient_norm_sq",
)
LANDSCAPE = {metric: quantity for quantity, metrics in LANDSCAPE_METRICS.items() for metric in metrics}
_MEASURED_ON_REQUEST = ("c_reg", "gradient_norm_sq")


@dataclass(frozen=True)
class Reference:
    """A curve as one place of a sweep file names it, with what that place needs of it."""

    where: str  # drawing.curves[0]
    grid: str
    metric: str
    statistics: tuple[Statistic, ...] = ("best", "final")  # that make sense there
    axes: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()  # of axes, fixed and coupled values
    where_axes: Where = field(default_factory=dict)  # the points that are meant; default: all
    is_curve: bool = False  # has one axis, or one that `where_axes` leaves
    told_apart_by: tuple[str, ...] | None = None  # expressions that every axis must be in, save tuned ones
    tuned: tuple[str, ...] = ()  # axes over which the best is taken
    way_out: str = ""  # what a person may write about an axis that is left over

    @property
    def is_over_training(self) -> bool:
        """Whether it needs the curves of the runs, not only their summaries."""
        return self.statistics == ("curve",)

    def refuse_dangling(self, panel_name: str, panel: Panel) -> None:
        """Raise ValueError if a panel doesn't have the curve, or the curve not what is needed of it."""
        refuse_metric(self.where, self.metric, self.statistics)
        if self.grid not in panel.grids:
            raise ValueError(
                f"{self.where} names the grid {self.grid!r}, which panel {panel_name!r} doesn't have; "
                f"its grids: {', '.join(panel.grids)}"
            )
        grid = panel.grids[self.grid]
        for axis in (*self.axes, *self.where_axes):
            if axis not in grid.axes:
                axes = ", ".join(grid.axes)
                raise ValueError(f"{self.where}: {axis!r} is no axis of grid {self.grid!r}; its axes: {axes}")
        for expression in self.expressions:
            self._refuse_expression(expression, panel, grid)
        self._refuse_axes_left_over(panel, grid)

    def _refuse_expression(self, expression: str, panel: Panel, grid: Grid) -> None:
        if expression in grid.axes:
            return
        point = {axis: values[0] for axis, values in grid.axes.items()}
        try:
            value = evaluate(expression, names_at(panel, grid, point))
        except UsageError:
            value = None
        if not isinstance(value, int | float):
            usable = sorted({*panel.base, *grid.fixed, *grid.axes, *grid.coupled})
            raise ValueError(
                f"{self.where}: {expression!r} is neither an axis of grid {self.grid!r} nor an expression of "
                f"what the sweep sets: {', '.join(usable)}"
            )

    def _refuse_axes_left_over(self, panel: Panel, grid: Grid) -> None:
        """Every axis with several values must be spoken of: nothing is averaged or chosen from unsaid."""
        axes = axes_meant(grid.axes, self.where_axes)
        for axis, values in axes.items():
            if not values:
                wanted = describe_where({axis: self.where_axes[axis]})
                written = ", ".join(map(format_number, grid.axes[axis]))
                raise ValueError(
                    f"{self.where}: grid {self.grid!r} has no point with {wanted}; it has {written}"
                )
        swept = [axis for axis, values in axes.items() if len(values) > 1]
        if self.is_curve and len(swept) > 1:
            raise ValueError(
                f"{self.where} needs one axis, and grid {self.grid!r} sweeps {', '.join(swept)}: name a "
                "value of the others with where, or make one grid for each curve"
            )
        for axis in swept if self.told_apart_by is not None else ():
            varying = [one for one in self.told_apart_by or () if _varies(one, axis, panel, grid)]
            if axis in self.tuned and varying:
                raise ValueError(f"{self.where}: {axis} is tuned, and so {varying[0]!r} can't vary with it")
            if axis not in self.tuned and not varying:
                raise ValueError(
                    f"{self.where}: nothing tells the values of {axis} apart, an axis of grid {self.grid!r}; "
                    f"{self.way_out}"
                )


def _varies(expression: str, axis: str, panel: Panel, grid: Grid) -> bool:
    """Whether an expression has several values along an axis, from the grid's first point on."""
    if expression in grid.axes:
        return expression == axis
    first = {name: values[0] for name, values in grid.axes.items()}
    along = (names_at(panel, grid, {**first, axis: value}) for value in grid.axes[axis])
    return len({str(evaluate(expression, names)) for names in along}) > 1


def along_training(where: str, grid: str, window: Window | None) -> list[Reference]:
    """Return the curves over training that a window's conditions read; `where` is the window's own place."""
    metrics = {} if window is None else window.metrics()
    return [Reference(f"{where}.{place}", grid, metric, ("curve",)) for place, metric in metrics.items()]


def refuse_metric(where: str, metric: str, statistics: tuple[Statistic, ...] = ("best", "final")) -> None:
    """Raise ValueError if a metric isn't one of METRICS with one of the given statistics."""
    name, _, statistic = metric.partition(".")
    if name not in (*METRICS, *LANDSCAPE) or statistic not in statistics:
        forms = " or ".join(f"NAME.{statistic}" for statistic in statistics)
        raise ValueError(
            f"{where}: {metric!r} is not a metric here; write {forms} with NAME one of {', '.join(METRICS)}, "
            "or what landscape=measured adds (docs/diagnostics.md)"
        )
    if name in _MEASURED_ON_REQUEST and statistic == "best":
        raise ValueError(
            f"{where}: {metric!r} would depend on how often it was measured (diagnostics=…), which two runs "
            f"of one identity need not share; write {name}.final"
        )


def names_at(panel: Panel, grid: Grid, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an expression on x may use at a point: all that the sweep sets, ``optimizer.lr`` nested."""
    written = {**panel.base, **grid.fixed, **point}
    values = {name: parse_number(value) for name, value in written.items()}
    for name, expression in grid.coupled.items():
        with suppress(UsageError):  # it reads a default, which isn't what the sweep sets
            values[name] = evaluate(expression, _nested(values))
    return _nested(values)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"optimizer.lr": 1}`` into ``{"optimizer": {"lr": 1}}``; a dotted name wins over its group's."""
    nested: dict[str, Any] = {}
    for name in sorted(flat, key=lambda name: name.count(".")):
        *groups, leaf = name.split(".")
        inside = nested
        for group in groups:
            if not isinstance(inside.get(group), dict):
                inside[group] = {}
            inside = inside[group]
        inside[leaf] = flat[name]
    return nested
