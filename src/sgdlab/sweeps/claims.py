"""What a sweep file may claim: the schema of `claims:`. `sgdlab.analysis.claims` judges them.

Each claim is one number with an interval, held against what is expected of it: *supported* when the whole
interval satisfies the expectation, *not supported* when none of it does, *inconclusive* otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sgdlab.config.fields import Component
from sgdlab.sweeps.references import Reference, along_training
from sgdlab.sweeps.windows import Condition, Window


class Expectation(Component):
    """Exactly one of: above a bound, below a bound, within two bounds."""

    above: float | None = None
    below: float | None = None
    within: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("above", "below", "within") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expect needs exactly one of above, below, within; it has {given or 'none'}")
        return self


class Point(Component):
    """A point of a curve: the first, the last, or the one where the curve is best."""

    grid: str
    at: Literal["first", "last", "optimum"]


class _Claim(Component):
    says: str  # what the paper says, in one sentence
    expect: Expectation
    panels: list[str] | None = None  # default: every panel

    @abstractmethod
    def references(self, where: str) -> list[Reference]:
        """Return the curves that the claim speaks of; `where` is the claim's own place."""


class GainClaim(_Claim):
    """`metric` at `to` minus `metric` at `start`; an optimum is chosen on the other seeds."""

    kind: Literal["gain"] = "gain"
    metric: str
    start: Point
    to: Point

    def references(self, where: str) -> list[Reference]:
        """Return the curves of both points."""
        points = {"start": self.start, "to": self.to}
        return [Reference(f"{where}.{name}", point.grid, self.metric) for name, point in points.items()]


class OptimumRatioClaim(_Claim):
    """log2 of the hyperparameter where `of` is best over the one where `over` is best."""

    class Curve(Component):
        """The curve whose optimum is meant; the optimum of a loss is its smallest value."""

        grid: str
        metric: str

    kind: Literal["optimum_ratio"] = "optimum_ratio"
    of: Curve
    over: Curve

    def references(self, where: str) -> list[Reference]:
        """Return both curves."""
        curves = {"of": self.of, "over": self.over}
        return [Reference(f"{where}.{name}", curve.grid, curve.metric) for name, curve in curves.items()]


class TrendClaim(_Claim):
    """Slope of log2 `metric` against log2 of the axis, over the finite points of the curve."""

    kind: Literal["trend"] = "trend"
    grid: str
    metric: str

    def references(self, where: str) -> list[Reference]:
        """Return the curve."""
        return [Reference(where, self.grid, self.metric)]


class DifferenceClaim(_Claim):
    """Mean over matched axis values of |curve `of` − curve `to`|, over the range that `to` spans."""

    kind: Literal["difference"] = "difference"
    metric: str
    of: str  # a grid
    to: str  # a grid

    def references(self, where: str) -> list[Reference]:
        """Return both curves."""
        grids = {"of": self.of, "to": self.to}
        return [Reference(f"{where}.{name}", grid, self.metric) for name, grid in grids.items()]


class CollapseClaim(_Claim):
    """Spread between a grid's curves against `axis`, over their spread against `rival` (an expression).

    Below 1: the curves lie closer together when drawn against `axis`.
    """

    kind: Literal["collapse"] = "collapse"
    metric: str
    grid: str
    curves: str  # the axis that tells the curves apart, e.g. optimizer.inner_steps
    axis: str  # e.g. optimizer.lr
    rival: str  # e.g. "optimizer.lr * optimizer.inner_steps"

    def references(self, where: str) -> list[Reference]:
        """Return the family of curves, with the axis that tells them apart."""
        drawn_against = (self.axis, self.rival)
        return [Reference(where, self.grid, self.metric, axes=(self.curves,), expressions=drawn_against)]


class TrainingClaim(_Claim):
    """One number of each run, from its curves over training; a seed's is the mean over the points meant."""

    grid: str
    at: Literal["all", "first", "last"] = "all"  # which points of the grid
    during: Window = Window()  # which evaluations; default: all of them

    @abstractmethod
    def metrics(self) -> dict[str, str]:
        """Return the metrics that the number itself is made of: where each is written → metric."""

    def references(self, where: str) -> list[Reference]:
        """Return the curves over training that are read."""
        own = [
            Reference(f"{where}.{place}", self.grid, metric, ("curve",))
            for place, metric in self.metrics().items()
        ]
        return own + along_training(f"{where}.during", self.grid, self.during)


class LevelClaim(TrainingClaim):
    """Mean or median of a metric over some evaluations of a run."""

    kind: Literal["level"] = "level"
    metric: str  # NAME.curve
    take: Literal["mean", "median"] = "mean"

    def metrics(self) -> dict[str, str]:
        """Return the metric."""
        return {"metric": self.metric}


class SlopeClaim(TrainingClaim):
    """Slope of the least-squares line of metric y on metric x over some evaluations of a run."""

    kind: Literal["slope"] = "slope"
    x: str  # NAME.curve
    y: str  # NAME.curve

    def metrics(self) -> dict[str, str]:
        """Return both metrics."""
        return {"x": self.x, "y": self.y}


class ShareClaim(TrainingClaim):
    """Of some evaluations of a run, the share at which a condition holds."""

    kind: Literal["share"] = "share"
    of: Condition

    def metrics(self) -> dict[str, str]:
        """Return the condition's metric."""
        return {"of": self.of.metric}


Claim = Annotated[
    GainClaim
    | OptimumRatioClaim
    | TrendClaim
    | DifferenceClaim
    | CollapseClaim
    | LevelClaim
    | SlopeClaim
    | ShareClaim,
    Field(discriminator="kind"),
]
