"""Which evaluations of a run a claim or a drawing speaks of: a part of training, conditions on metrics."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from sgdlab.config.fields import Component, Fraction, Number


class Condition(Component):
    """A metric above or below a number at an evaluation; a value that isn't finite is neither."""

    metric: str  # NAME.curve
    above: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError(f"a condition on {self.metric} needs exactly one of above and below")
        return self


class Window(Component):
    """Some evaluations of a run: those that satisfy all that is given."""

    part: tuple[Fraction, Fraction] = (0.0, 1.0)  # of the run's updates; [0.5, 1] is the last half
    after: Condition | None = None  # from the first evaluation on at which it holds
    before: Condition | None = None  # up to the first evaluation at which it holds, and without it
    where: tuple[Condition, ...] = ()  # those at which each of these holds

    @model_validator(mode="after")
    def _part_is_not_empty(self) -> Self:
        low, high = self.part
        if low >= high:
            raise ValueError(f"part=[{low:g}, {high:g}] holds no evaluation: write [start, end], start < end")
        return self

    def metrics(self) -> dict[str, str]:
        """Return the metrics that its conditions read: where each is written, from the window on → metric."""
        named = {"after": self.after, "before": self.before}
        named |= {f"where[{index}]": condition for index, condition in enumerate(self.where)}
        return {place: condition.metric for place, condition in named.items() if condition is not None}

    def describe(self) -> str:
        """Say which evaluations these are: ``from 50% to 100% of the updates, with …``."""
        low, high = self.part
        parts = []
        if (low, high) != (0.0, 1.0):
            parts.append(f"from {low:.0%} to {high:.0%} of the updates")
        if self.after:
            parts.append(f"from the first with {describe_condition(self.after)} on")
        if self.before:
            parts.append(f"before the first with {describe_condition(self.before)}")
        if self.where:
            parts.append(f"with {' and '.join(map(describe_condition, self.where))}")
        return ", ".join(parts)


def describe_condition(condition: Condition) -> str:
    """Write a condition: ``instability > 1``."""
    name = condition.metric.partition(".")[0]
    return f"{name} > {condition.above:g}" if condition.above is not None else f"{name} < {condition.below:g}"
