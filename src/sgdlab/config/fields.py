"""The field types that the schema is written in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sgdlab.config.numbers import parse_number


def _read_number(value: Any) -> Any:
    """Read 2**-6 as its number; refuse true and false, which Python would take for 1 and 0; know one zero."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number")
    number = parse_number(value)
    return 0 if number == 0 else number  # −0.0 equals 0.0, and is written differently


_number = BeforeValidator(_read_number)

Number = Annotated[float, _number, Field(allow_inf_nan=False)]
PositiveFloat = Annotated[float, _number, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, _number, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, _number, Field(ge=0, le=1)]
PositiveInt = Annotated[int, _number, Field(ge=1)]
NonNegativeInt = Annotated[int, _number, Field(ge=0)]


class Component(BaseModel):
    """A part of a configuration: frozen, and closed to keys that it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
