"""The field types that the schema is written in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sgdlab.config.numbers import parse_number

_number = BeforeValidator(parse_number)

PositiveFloat = Annotated[float, _number, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, _number, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, _number, Field(ge=0, le=1)]
PositiveInt = Annotated[int, _number, Field(ge=1)]
NonNegativeInt = Annotated[int, _number, Field(ge=0)]


class Component(BaseModel):
    """A part of a configuration: frozen, and closed to keys that it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
