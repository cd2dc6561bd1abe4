"""What a sweep trains: the schema of a grid of runs, and of a panel, whose grids share their base."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from sgdlab.config.fields import Component
from sgdlab.config.numbers import format_number, parse_number, parse_numbers
from sgdlab.errors import UsageError


def _read_axis(value: Any) -> list[Any]:
    """Read the values of an axis; one that comes twice would count its seeds twice."""
    try:
        values = parse_numbers(value)
    except UsageError as error:
        raise ValueError(str(error)) from error
    seen: set[Any] = set()
    for one in values:
        comparable = str(one) if isinstance(one, list | dict) else one
        if comparable in seen:
            raise ValueError(f"{format_number(one)} comes twice")
        seen.add(comparable)
    return values


def _read_point(value: Any) -> Any:
    return {axis: parse_number(one) for axis, one in value.items()} if isinstance(value, dict) else value


Axis = Annotated[list[Any], BeforeValidator(_read_axis), Field(min_length=1)]
ExtraPoint = Annotated[dict[str, Any], BeforeValidator(_read_point)]


class Grid(Component):
    """The product of its axes, and points beside it; each gets the fixed and the coupled values besides."""

    label: str
    fixed: dict[str, Any] = {}
    axes: dict[str, Axis] = Field(min_length=1)
    also: list[ExtraPoint] = []  # points beside the product: axis → value, as an extension adds them
    coupled: dict[str, str] = {}  # value computed at each point, e.g. "400 / optimizer.inner_steps"

    @model_validator(mode="after")
    def _each_key_once(self) -> Self:
        for key in self.axes:
            if key in self.fixed:
                raise ValueError(f"{key} is both an axis and fixed")
        for key in self.coupled:
            if key in self.axes or key in self.fixed:
                other = "an axis" if key in self.axes else "fixed"
                raise ValueError(f"{key} is both coupled and {other}")
        return self

    @model_validator(mode="after")
    def _extra_points_are_whole_and_new(self) -> Self:
        seen: list[dict[str, Any]] = []
        for point in self.also:
            if set(point) != set(self.axes):
                raise ValueError(f"a point of also has a value for each axis: {', '.join(self.axes)}")
            if point in seen or self.is_of_product(point):
                written = ", ".join(f"{axis}={format_number(value)}" for axis, value in point.items())
                raise ValueError(f"the point {written} of also comes twice")
            seen.append(point)
        return self

    def points(self) -> Iterator[dict[str, Any]]:
        """Yield every point, axis → value, in the order of the axes, also those beside the product."""
        product = (
            dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())
        )
        if not self.also:
            yield from product
            return
        values_on = {axis: self.values_on(axis) for axis in self.axes}
        beside = ({axis: point[axis] for axis in self.axes} for point in self.also)
        yield from sorted(
            [*product, *beside],
            key=lambda point: [values.index(point[axis]) for axis, values in values_on.items()],
        )

    def is_of_product(self, point: dict[str, Any]) -> bool:
        """Whether a point is one of the product of the axes."""
        return all(point[axis] in values for axis, values in self.axes.items())

    def values_on(self, axis: str) -> list[Any]:
        """Return the values of an axis with those of the points beside the product, in its own order."""
        values = [*self.axes[axis]]
        for point in self.also:
            values += [point[axis]] if point[axis] not in values else []
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            return values
        own = self.axes[axis]
        if own == sorted(own):
            return sorted(values)
        return sorted(values, reverse=True) if own == sorted(own, reverse=True) else values


class Panel(Component):
    """One panel: what is trained (base and grids). A scale with one panel has one called `main`."""

    title: str
    base: dict[str, Any] = {}
    grids: dict[str, Grid] = Field(min_length=1)
    x_range: tuple[float, float] | None = None  # what is drawn of a phase drawing
    y_range: tuple[float, float] | None = None  # what is drawn; the caption counts the points outside
