"""How a figure looks: the schema of `drawing:`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from sgdlab.config.fields import Component, NonNegativeInt, Number, PositiveInt
from sgdlab.sweeps.references import Reference, along_training
from sgdlab.sweeps.windows import Window

DrawingKind = Literal["curves", "trajectories", "phase"]


class Curve(Component):
    """One curve of a drawing, or a family of them (one for each value of `split_by`)."""

    grid: str
    metric: str  # e.g. test_accuracy.best
    label: str | None = None  # default: the grid's
    x: str | None = None  # default: the drawing's
    split_by: str | None = None
    during: Window | None = None  # of a phase drawing: which evaluations; default: all


class Line(Component):
    """A straight line to compare with: a level y, an upright x, or a slope through a point."""

    label: str | None = None  # in the legend
    y: Number | None = None
    x: Number | None = None
    slope: Number | None = None
    through: tuple[Number, Number] = (0.0, 0.0)  # x, y: of a slope

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("y", "x", "slope") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a line needs exactly one of y, x, slope; it has {', '.join(given) or 'none'}")
        return self


class Drawing(Component):
    """How the figure looks.

    `curves` draws a metric against an axis, `trajectories` against updates, and `phase` one metric against
    another, a point for each evaluation of each run.
    """

    kind: DrawingKind = "curves"
    x: str  # an axis or an expression of axes; "updates"; the metric of a phase drawing
    x_label: str
    y_label: str
    y_scale: Literal["linear", "log"] = "linear"
    curves: list[Curve] = Field(min_length=1)
    mark_optimum: bool = False
    reference: Curve | None = None  # drawn as a dotted line at its first point, e.g. plain SGD at ε = 2**-9
    lines: list[Line] = []
    seed: NonNegativeInt | None = None  # trajectories of this run alone: a mean over runs hides oscillations
    smooth: PositiveInt = 1  # trajectories: a running mean over so many evaluations of each run
    mark_end: bool = False  # a cross at the last evaluation that a phase drawing shows of each run

    @model_validator(mode="after")
    def _trajectories_run_over_updates(self) -> Self:
        if self.kind == "trajectories" and self.x != "updates":
            raise ValueError(f"drawing.x={self.x!r}: trajectories are drawn against updates: write that")
        return self

    @model_validator(mode="after")
    def _is_drawn_by_its_kind(self) -> Self:
        """Refuse what would have no effect."""
        drawn_by: dict[str, tuple[object, tuple[DrawingKind, ...]]] = {
            "mark_optimum": (self.mark_optimum, ("curves",)),
            "reference": (self.reference, ("curves", "trajectories")),
            "lines": (self.lines, ("trajectories", "phase")),
            "seed": (self.seed is not None, ("trajectories",)),
            "smooth": (self.smooth > 1, ("trajectories",)),
            "mark_end": (self.mark_end, ("phase",)),
        }
        for index, curve in enumerate(self.curves):
            drawn_by[f"curves[{index}].during"] = (curve.during, ("phase",))
        for name, (is_given, kinds) in drawn_by.items():
            if is_given and self.kind not in kinds:
                raise ValueError(f"drawing.{name} is for kind {' or '.join(kinds)}, and this is {self.kind}")
        if self.y_scale == "log" and any(line.slope is not None for line in self.lines):
            raise ValueError("drawing.lines: a slope is a line on linear axes; drawing.y_scale is log")
        return self

    def references(self) -> list[Reference]:
        """Return what is drawn."""
        drawn = []
        for index, curve in enumerate(self.curves):
            where, axes = f"drawing.curves[{index}]", (curve.split_by,) if curve.split_by else ()
            if self.kind == "curves":
                x = (curve.x or self.x,)
                drawn.append(Reference(where, curve.grid, curve.metric, axes=axes, expressions=x))
            else:
                drawn.append(Reference(where, curve.grid, curve.metric, ("curve",), axes))
            if self.kind == "phase":
                x_where = f"{where}.x" if curve.x else "drawing.x"
                drawn.append(Reference(x_where, curve.grid, curve.x or self.x, ("curve",)))
                drawn += along_training(f"{where}.during", curve.grid, curve.during)
        if self.reference:
            drawn.append(Reference("drawing.reference", self.reference.grid, self.reference.metric))
        return drawn
