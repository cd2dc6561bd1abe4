"""What a sweep file may claim: the schema of `claims:`. `sgdlab.analysis.claims` judges them.

Each claim is one number with an interval, held against what is expected of it: *supported* when the whole
interval satisfies the expectation, *not supported* when none of it does, *inconclusive* otherwise. A claim
whose settings no text at hand states is inconclusive whatever is measured.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, Self

from pydantic import model_validator

from sgdlab.config.fields import Component
from sgdlab.sweeps.references import Reference
from sgdlab.sweeps.selection import Where


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
    """A point of a curve: the first, the last, or the one where the curve is best.

    Where the grid has several axes, `where` names the values of some; an optimum is over all that is left.
    """

    grid: str
    at: Literal["first", "last", "optimum"]
    where: Where = {}


class ClaimBase(Component):
    """What every claim has."""

    says: str  # what the paper says, in one sentence
    expect: Expectation
    panels: list[str] | None = None  # default: every panel
    source: Literal["at hand", "missing"] = "at hand"  # the text that states the claim and its settings

    @abstractmethod
    def references(self, where: str) -> list[Reference]:
        """Return the curves that the claim speaks of; `where` is the claim's own place."""


class GainClaim(ClaimBase):
    """`metric` at `to` minus `metric` at `start`; an optimum is chosen on the other seeds."""

    kind: Literal["gain"] = "gain"
    metric: str
    start: Point
    to: Point

    def references(self, where: str) -> list[Reference]:
        """Return the curves of both points."""
        return [
            Reference(
                f"{where}.{name}",
                point.grid,
                self.metric,
                where_axes=point.where,
                is_curve=point.at != "optimum",
            )
            for name, point in (("start", self.start), ("to", self.to))
        ]


class OptimumRatioClaim(ClaimBase):
    """log2 of the hyperparameter where `of` is best over the one where `over` is best."""

    class Curve(Component):
        """The curve whose optimum is meant; the optimum of a loss is its smallest value."""

        grid: str
        metric: str
        where: Where = {}
        optimum: str | None = None  # of which axis or expression; default: the one axis that is left

    kind: Literal["optimum_ratio"] = "optimum_ratio"
    of: Curve
    over: Curve

    def references(self, where: str) -> list[Reference]:
        """Return both curves."""
        return [
            Reference(
                f"{where}.{name}",
                curve.grid,
                curve.metric,
                expressions=(curve.optimum,) if curve.optimum else (),
                where_axes=curve.where,
                is_curve=curve.optimum is None,
            )
            for name, curve in (("of", self.of), ("over", self.over))
        ]


class TrendClaim(ClaimBase):
    """Slope of log2 `metric` against log2 of the axis, over the finite points of the curve."""

    kind: Literal["trend"] = "trend"
    grid: str
    metric: str

    def references(self, where: str) -> list[Reference]:
        """Return the curve."""
        return [Reference(where, self.grid, self.metric, is_curve=True)]


class DifferenceClaim(ClaimBase):
    """Mean over matched axis values of |curve `of` − curve `to`|, over the range that `to` spans.

    With a `rival`, over the same mean of |curve `rival` − curve `to`|: below 1, `of` is nearer to `to`.
    """

    kind: Literal["difference"] = "difference"
    metric: str
    of: str  # a grid
    to: str  # a grid
    rival: str | None = None  # a grid

    def references(self, where: str) -> list[Reference]:
        """Return the curves."""
        grids = {"of": self.of, "to": self.to} | ({"rival": self.rival} if self.rival else {})
        return [
            Reference(f"{where}.{name}", grid, self.metric, is_curve=True) for name, grid in grids.items()
        ]


class CollapseClaim(ClaimBase):
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


class AgreementClaim(ClaimBase):
    """Mean distance of a metric from what an expression predicts, over the points that `where` means.

    On `scale: log2` it is the mean |log2 (measured / predicted)|: 1 is a factor of two.
    """

    kind: Literal["agreement"] = "agreement"
    grid: str
    metric: str
    predicted: str  # an expression of axes, fixed and coupled values
    scale: Literal["linear", "log2"] = "linear"
    where: Where = {}

    def references(self, where: str) -> list[Reference]:
        """Return the measured points and the prediction."""
        return [
            Reference(where, self.grid, self.metric, expressions=(self.predicted,), where_axes=self.where)
        ]
