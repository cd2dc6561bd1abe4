"""The field types that the schema is written in."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

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


class FrozenOptions(dict[str, Any]):
    """Options by name, of plain values; a part of a component that can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(json.dumps(self, sort_keys=True))


def _read_options(options: dict[str, Any]) -> FrozenOptions:
    """Read numbers as people write them, and refuse what JSON has no word for."""
    read = FrozenOptions({name: _read_option(value) for name, value in options.items()})
    try:
        json.dumps(read, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError("options are numbers, words, true, false, null, and lists of them") from error
    return read


def _read_option(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read_option(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_read_option(one) for one in value]
    return parse_number(value)


Options = Annotated[dict[str, Any], AfterValidator(_read_options)]


class Component(BaseModel):
    """A part of a configuration: frozen, and closed to keys that it doesn't know."""

    not_in_key: ClassVar[frozenset[str]] = frozenset()  # fields that say where something comes from

    model_config = ConfigDict(frozen=True, extra="forbid")
