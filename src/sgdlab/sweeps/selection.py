"""Which points of a grid a claim speaks of: ``where: {optimizer.batch_size: 512}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ValidationError, model_validator

from sgdlab.config.fields import Component, Number
from sgdlab.config.numbers import format_number, parse_number


class Band(Component):
    """The values of an axis between two bounds, which belong to it; one of them may be left open."""

    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a band needs at_least, at_most or both")
        return self


def _read_wanted(wanted: Any) -> Any:
    if not isinstance(wanted, dict):
        return parse_number(wanted)
    try:
        return Band.model_validate(wanted)
    except ValidationError as error:
        raise ValueError("write a value, first, last, or {at_least: LOW, at_most: HIGH}") from error


Where = dict[str, Annotated[Any, BeforeValidator(_read_wanted)]]
"""Axis → the value that is meant, ``first`` or ``last`` of its values, or a band of them."""


def values_meant(values: Sequence[Any], wanted: Any) -> list[Any]:
    """Return the values of an axis that one entry of `Where` means; none where the axis lacks them."""
    if isinstance(wanted, Band):
        low = -float("inf") if wanted.at_least is None else wanted.at_least
        high = float("inf") if wanted.at_most is None else wanted.at_most
        return [value for value in values if isinstance(value, int | float) and low <= value <= high]
    if wanted in ("first", "last") and wanted not in values:
        in_order = sorted(values) if all(isinstance(value, int | float) for value in values) else values
        return [in_order[0 if wanted == "first" else -1]]
    return [value for value in values if value == wanted]


def axes_meant(axes: Mapping[str, Sequence[Any]], where: Where) -> dict[str, list[Any]]:
    """Return the axes of a grid with the values that are meant; one may be left without any."""
    return {
        axis: values_meant(values, where[axis]) if axis in where else list(values)
        for axis, values in axes.items()
    }


def describe_where(where: Where) -> str:
    """Write a selection: ``optimizer.batch_size=512, 1 ≤ optimizer.lr``; empty where all points are meant."""
    return ", ".join(_describe(axis, wanted) for axis, wanted in where.items())


def _describe(axis: str, wanted: Any) -> str:
    if not isinstance(wanted, Band):
        return f"{axis}={format_number(wanted)}"
    low = "" if wanted.at_least is None else f"{format_number(wanted.at_least)} ≤ "
    high = "" if wanted.at_most is None else f" ≤ {format_number(wanted.at_most)}"
    return f"{low}{axis}{high}"
