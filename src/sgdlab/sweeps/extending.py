"""Whether and how far the grids of a sweep are extended: the schema of `extend:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from sgdlab.config.fields import Component, Number, PositiveInt


class Extending(Component):
    """How far a curve is followed whose optimum, or its error bar, touches the edge of its grid."""

    when: Literal["on request", "auto"] = "on request"  # auto: `sgdlab run` goes on until all are interior
    rounds: PositiveInt = 8  # in which a curve gets points, in all
    points: PositiveInt = 1  # that it gets at each touched end in a round
    limits: dict[str, tuple[Number, Number]] = {}  # axis → its lowest and highest value, both allowed

    @model_validator(mode="after")
    def _limits_are_ranges(self) -> Self:
        for axis, (low, high) in self.limits.items():
            if low >= high:
                raise ValueError(
                    f"limits of {axis} are [low, high], low < high; they are [{low:g}, {high:g}]"
                )
        return self

    def allows(self, axis: str, value: float) -> bool:
        """Whether a value lies within the limits of its axis."""
        low, high = self.limits.get(axis, (-float("inf"), float("inf")))
        return low <= value <= high


def _read(value: Any) -> Any:
    return {"when": value} if isinstance(value, str) else value


ExtendingField = Annotated[Extending, BeforeValidator(_read)]
