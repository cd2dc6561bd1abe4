"""The schema of a sweep: one figure of a paper at one scale, every patch merged, ready to be planned."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sgdlab.config.fields import Component, PositiveInt
from sgdlab.config.numbers import parse_numbers
from sgdlab.sweeps.claims import Claim

Axis = Annotated[list[Any], BeforeValidator(parse_numbers), Field(min_length=1)]

METRICS = (
    "test_accuracy",
    "train_accuracy",
    "test_loss",
    "train_loss",
    "train_cost",
    "c_reg",
    "gradient_norm_sq",
)


class Protocol(Component):
    """How many runs a point has, which are kept, and what one run's value is."""

    num_seeds: PositiveInt = 7
    keep: PositiveInt = 5  # mean over the best `keep` of `num_seeds`
    rank_by: str = "test_accuracy.best"  # the metric by which runs are ranked

    @model_validator(mode="after")
    def _keep_at_most_all(self) -> Self:
        if self.keep > self.num_seeds:
            raise ValueError(f"protocol.keep={self.keep} is more than protocol.num_seeds={self.num_seeds}")
        return self


class Grid(Component):
    """The product of its axes; each point gets the fixed and the coupled values besides."""

    label: str
    fixed: dict[str, Any] = {}
    axes: dict[str, Axis] = Field(min_length=1)
    coupled: dict[str, str] = {}  # value computed at each point, e.g. "400 / optimizer.inner_steps"


class Curve(Component):
    """One curve of a drawing, or a family of them (one for each value of `split_by`)."""

    grid: str
    metric: str  # e.g. test_accuracy.best
    label: str | None = None  # default: the grid's
    x: str | None = None  # default: the drawing's
    split_by: str | None = None


class Drawing(Component):
    """How the figure looks. `curves` draws a metric against an axis, `trajectories` against updates."""

    kind: Literal["curves", "trajectories"] = "curves"
    x: str  # an axis, an expression of axes, or "updates"
    x_label: str
    y_label: str
    y_scale: Literal["linear", "log"] = "linear"
    curves: list[Curve] = Field(min_length=1)
    mark_optimum: bool = False
    reference: Curve | None = None  # drawn as a dotted line at its first point, e.g. plain SGD at ε = 2**-9


class Panel(Component):
    """One panel: what is trained (base and grids). A scale with one panel has one called `main`."""

    title: str
    base: dict[str, Any] = {}
    grids: dict[str, Grid] = Field(min_length=1)
    y_range: tuple[float, float] | None = None  # what is drawn; the caption counts the points outside


class Sweep(Component):
    """A sweep at one scale."""

    name: str  # smith2021/fig1b
    paper: str
    figure: str
    title: str
    scale: str
    notes: list[str] = []  # what was assumed, scaled down, and how settings were chosen
    protocol: Protocol = Protocol()
    panels: dict[str, Panel] = Field(min_length=1)
    drawing: Drawing
    claims: list[Claim] = []

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for panel_name, panel in self.panels.items():
            for where, grid in self._grids_named(panel_name):
                if grid not in panel.grids:
                    raise ValueError(
                        f"{where} names the grid {grid!r}, which panel {panel_name!r} doesn't have; "
                        f"its grids: {', '.join(panel.grids)}"
                    )
        for claim_index, claim in enumerate(self.claims):
            for panel_name in claim.panels or []:
                if panel_name not in self.panels and panel_name != "main":
                    continue  # a panel that this command leaves out
                if panel_name not in self.panels:
                    raise ValueError(f"claims[{claim_index}].panels names {panel_name!r}")
        for where, metric in self._metrics_named():
            name, _, statistic = metric.partition(".")
            if name not in METRICS or statistic not in ("best", "final", "curve"):
                raise ValueError(
                    f"{where}: {metric!r} is not a metric; write NAME.best, NAME.final or (for trajectories) "
                    f"NAME.curve with NAME one of {', '.join(METRICS)}"
                )
        return self

    def _grids_named(self, panel_name: str) -> list[tuple[str, str]]:
        named = [(f"drawing.curves[{i}]", curve.grid) for i, curve in enumerate(self.drawing.curves)]
        if self.drawing.reference:
            named.append(("drawing.reference", self.drawing.reference.grid))
        for i, claim in enumerate(self.claims):
            if claim.panels is not None and panel_name not in claim.panels:
                continue
            match claim.kind:
                case "gain":
                    named += [(f"claims[{i}].start", claim.start.grid), (f"claims[{i}].to", claim.to.grid)]
                case "optimum_ratio":
                    named += [(f"claims[{i}].of", claim.of.grid), (f"claims[{i}].over", claim.over.grid)]
                case "difference":
                    named += [(f"claims[{i}].of", claim.of), (f"claims[{i}].to", claim.to)]
                case "trend" | "collapse":
                    named.append((f"claims[{i}].grid", claim.grid))
        return named

    def _metrics_named(self) -> list[tuple[str, str]]:
        named = [("protocol.rank_by", self.protocol.rank_by)]
        named += [(f"drawing.curves[{i}]", curve.metric) for i, curve in enumerate(self.drawing.curves)]
        for i, claim in enumerate(self.claims):
            if claim.kind == "optimum_ratio":
                named += [(f"claims[{i}].of", claim.of.metric), (f"claims[{i}].over", claim.over.metric)]
            else:
                named.append((f"claims[{i}]", claim.metric))
        return named
