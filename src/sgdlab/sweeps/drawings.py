"""How a figure looks: the schema of `drawing:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sgdlab.config.fields import Component, NonNegativeInt, Number, PositiveInt
from sgdlab.config.numbers import parse_numbers
from sgdlab.errors import UsageError
from sgdlab.sweeps.references import Reference, along_training
from sgdlab.sweeps.windows import Window

DrawingKind = Literal["curves", "optima", "heat_map", "trajectories", "phase"]
YScale = Literal["linear", "log", "log2"]


def _read_levels(value: Any) -> list[Any]:
    try:
        return parse_numbers(value)
    except UsageError as error:
        raise ValueError(str(error)) from error


class Curve(Component):
    """One curve of a drawing, or a family of them (one for each value of `split_by`)."""

    grid: str
    metric: str  # e.g. test_accuracy.best
    label: str | None = None  # default: the grid's
    x: str | None = None  # default: the drawing's
    split_by: str | None = None
    during: Window | None = None  # of a phase drawing: which evaluations; default: all
    optimum: str | None = None  # of optima: draw this axis or expression where the metric is best
    tuned_by: str | None = None  # of optima: the metric that chooses; default: the one that is drawn


class Line(Component):
    """A straight line to compare with: a level y, an upright x, or a slope through a point."""

    label: str | None = None  # in the legend; of an upright, along it
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


class Contours(Component):
    """Curves over a heat map along which an expression of its two axes is constant."""

    of: str  # e.g. optimizer.batch_size / optimizer.lr
    label: str  # in the legend
    levels: Annotated[list[Number], BeforeValidator(_read_levels), Field(min_length=1)]


class Drawing(Component):
    """How the figure looks.

    `curves` draws a metric against an axis, `optima` at its best over the axes that are `tuned`, or the
    optimum itself, `heat_map` over two axes; `trajectories` against updates, and `phase` one metric against
    another, a point for each evaluation of each run.
    """

    kind: DrawingKind = "curves"
    x: str  # an axis or an expression of axes; "updates"; the metric of a phase drawing
    x_label: str
    y_label: str
    y_scale: YScale = "linear"
    curves: list[Curve] = Field(min_length=1)
    tuned: list[str] = []  # axes over which optima are taken
    y: str | None = None  # the upright axis of a heat map
    colour_label: str | None = None  # what a heat map's colours stand for
    contours: list[Contours] = []
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
        """Refuse what would have no effect, and ask for what is needed."""
        drawn_by: dict[str, tuple[object, tuple[DrawingKind, ...]]] = {
            "tuned": (self.tuned, ("optima",)),
            "y": (self.y, ("heat_map",)),
            "colour_label": (self.colour_label, ("heat_map",)),
            "contours": (self.contours, ("heat_map",)),
            "mark_optimum": (self.mark_optimum, ("curves",)),
            "reference": (self.reference, ("curves", "optima", "trajectories")),
            "lines": (self.lines, ("curves", "optima", "trajectories", "phase")),
            "seed": (self.seed is not None, ("trajectories",)),
            "smooth": (self.smooth > 1, ("trajectories",)),
            "mark_end": (self.mark_end, ("phase",)),
        }
        for index, curve in enumerate(self.curves):
            where = f"curves[{index}]"
            drawn_by[f"{where}.during"] = (curve.during, ("phase",))
            drawn_by[f"{where}.optimum"] = (curve.optimum, ("optima",))
            drawn_by[f"{where}.tuned_by"] = (curve.tuned_by, ("optima",))
            if self.kind == "heat_map":
                drawn_by[f"{where}.x"] = (curve.x, ("curves", "optima", "phase"))
                drawn_by[f"{where}.split_by"] = (
                    curve.split_by,
                    ("curves", "optima", "trajectories", "phase"),
                )
        for name, (is_given, kinds) in drawn_by.items():
            if is_given and self.kind not in kinds:
                raise ValueError(f"drawing.{name} is for kind {' or '.join(kinds)}, and this is {self.kind}")
        needed = {"optima": ("tuned",), "heat_map": ("y", "colour_label")}.get(self.kind, ())
        for name in needed:
            if not getattr(self, name):
                raise ValueError(f"drawing.{name} is missing: kind {self.kind} needs it")
        return self

    @model_validator(mode="after")
    def _lines_are_straight(self) -> Self:
        is_log = self.y_scale != "linear" or self.kind in ("curves", "optima")
        if is_log and any(line.slope is not None for line in self.lines):
            raise ValueError(
                "drawing.lines: a slope is a line on linear axes; "
                + (
                    f"drawing.y_scale is {self.y_scale}"
                    if self.y_scale != "linear"
                    else f"x of {self.kind} is log2"
                )
            )
        return self

    @model_validator(mode="after")
    def _one_heat_map(self) -> Self:
        if self.kind == "heat_map" and len(self.curves) > 1:
            raise ValueError(f"drawing.curves has {len(self.curves)} entries: a panel has one heat map")
        return self

    def references(self) -> list[Reference]:
        """Return what is drawn."""
        drawn = []
        for index, curve in enumerate(self.curves):
            drawn += self._references_of(curve, f"drawing.curves[{index}]")
        if self.reference:
            drawn.append(Reference("drawing.reference", self.reference.grid, self.reference.metric))
        return drawn

    def _references_of(self, curve: Curve, where: str) -> list[Reference]:
        split_by = (curve.split_by,) if curve.split_by else ()
        x = curve.x or self.x
        axes: tuple[str, ...]
        match self.kind:
            case "trajectories":
                return [Reference(where, curve.grid, curve.metric, ("curve",), split_by)]
            case "phase":
                x_where = f"{where}.x" if curve.x else "drawing.x"
                return [
                    Reference(where, curve.grid, curve.metric, ("curve",), split_by),
                    Reference(x_where, curve.grid, x, ("curve",)),
                    *along_training(f"{where}.during", curve.grid, curve.during),
                ]
            case "heat_map":
                axes, expressions = (self.x, self.y or ""), tuple(contours.of for contours in self.contours)
                told_apart_by, way_out = axes, "a heat map has two axes"
            case "optima":
                axes, expressions = (*split_by, *self.tuned), (x, *([curve.optimum] if curve.optimum else []))
                told_apart_by, way_out = (*split_by, x), "name it in x, split_by or drawing.tuned"
            case "curves":
                axes, expressions = split_by, (x,)
                told_apart_by = (*split_by, x)
                way_out = "name it in x or split_by, or tune it: kind: optima, tuned: [AXIS]"
        drawn = Reference(
            where,
            curve.grid,
            curve.metric,
            axes=axes,
            expressions=expressions,
            told_apart_by=told_apart_by,
            tuned=tuple(self.tuned),
            way_out=way_out,
        )
        return [
            drawn,
            *([Reference(f"{where}.tuned_by", curve.grid, curve.tuned_by)] if curve.tuned_by else []),
        ]
