"""Claims about curves of which every point is tuned: the optimum over some axes, along another one."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from sgdlab.sweeps.claims import ClaimBase
from sgdlab.sweeps.references import Reference
from sgdlab.sweeps.selection import Where


class TunedClaim(ClaimBase):
    """A metric, tuned at each value of `along`; `where` leaves points out."""

    grid: str
    metric: str
    along: str  # an axis
    tuned: list[str] = Field(min_length=1)  # axes
    where: Where = {}

    @model_validator(mode="after")
    def _each_axis_once(self) -> Self:
        if self.along in self.tuned:
            raise ValueError(f"along: {self.along} is tuned, too")
        return self


class ScalingClaim(TunedClaim):
    """Exponent of an optimum: slope of log2 of the best `optimum` against log2 of `along`."""

    kind: Literal["scaling"] = "scaling"
    optimum: str  # of which axis or expression, e.g. optimizer.lr / (1 - optimizer.momentum)

    def references(self, where: str) -> list[Reference]:
        """Return the grid, every axis of which is along, tuned or named by `where`."""
        return [
            Reference(
                where,
                self.grid,
                self.metric,
                axes=(self.along, *self.tuned),
                expressions=(self.optimum,),
                where_axes=self.where,
                told_apart_by=(self.along,),
                tuned=tuple(self.tuned),
                way_out="tune it, or name its value with where",
            )
        ]


class _TunedValueClaim(TunedClaim):
    """A number of the tuned values along an axis; over axes that are left it is a mean."""

    def references(self, where: str) -> list[Reference]:
        """Return the grid."""
        axes = (self.along, *self.tuned)
        return [Reference(where, self.grid, self.metric, axes=axes, where_axes=self.where)]


class OrderClaim(_TunedValueClaim):
    """Whether the tuned metric rises or falls along an axis: Spearman's rank correlation, 1 or −1."""

    kind: Literal["order"] = "order"


class SpreadClaim(_TunedValueClaim):
    """Largest tuned metric along an axis minus the smallest."""

    kind: Literal["spread"] = "spread"
