"""What a sweep trains: the schema of a grid of runs, and of a panel, whose grids share their base."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from sgdlab.config.fields import Component
from sgdlab.config.numbers import format_number, parse_numbers
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


Axis = Annotated[list[Any], BeforeValidator(_read_axis), Field(min_length=1)]


class Grid(Component):
    """The product of its axes; each point gets the fixed and the coupled values besides."""

    label: str
    fixed: dict[str, Any] = {}
    axes: dict[str, Axis] = Field(min_length=1)
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


class Panel(Component):
    """One panel: what is trained (base and grids). A scale with one panel has one called `main`."""

    title: str
    base: dict[str, Any] = {}
    grids: dict[str, Grid] = Field(min_length=1)
    x_range: tuple[float, float] | None = None  # what is drawn of a phase drawing
    y_range: tuple[float, float] | None = None  # what is drawn; the caption counts the points outside
