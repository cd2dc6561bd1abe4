"""Numbers as people write them: ``2**-6``, ``1/32``, ``pow2(-9, -3)``.

YAML and Hydra's override grammar hand these over as strings; simpleeval turns them into numbers without
running anything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from sgdlab.errors import UsageError


def pow2(first: int, last: int, step: int = 1) -> list[float]:
    """Return 2**first, 2**(first+step), …, 2**last; both ends included, as on a paper's axis."""
    if step < 1 or last < first:
        raise UsageError(f"pow2({first}, {last}, {step}) has no points: write pow2(low, high), low ≤ high")
    return [2.0**exponent for exponent in range(first, last + 1, step)]


def evaluate(expression: str, names: Mapping[str, Any] | None = None) -> Any:
    """Evaluate an arithmetic expression; `names` are values it may use, nested ones by attribute.

    Raises
    ------
    UsageError
        If the expression is not arithmetic on numbers, `pow2` and the given names.
    """
    evaluator = EvalWithCompoundTypes(names=dict(names or {}), functions={"pow2": pow2})
    try:
        value = evaluator.eval(expression)
        if isinstance(value, int) and value.bit_length() > 1024:
            raise OverflowError("no float is as large, and Python won't even print it")
        return value
    except (InvalidExpression, SyntaxError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        known = f"; it may use {', '.join(sorted(names))}" if names else ""
        raise UsageError(
            f"{expression!r} is not a number or an expression such as 2**-6, 1/32 or pow2(-9, -3){known}"
        ) from error


def parse_number(value: Any) -> Any:
    """Turn a string such as ``2**-6`` into its number; leave everything else for the schema to judge."""
    if not isinstance(value, str):
        return value
    try:
        number = evaluate(value)
    except UsageError:
        return value  # the schema's own message names the key
    return number if isinstance(number, int | float) else value


def parse_numbers(value: Any) -> list[Any]:
    """Turn an axis as written into its values: a list, or one string such as ``pow2(-9, -3)``."""
    if isinstance(value, str):
        value = evaluate(value) if "(" in value else [value]
    values = value if isinstance(value, list | tuple) else [value]
    return [parse_number(item) for item in values]


_POW2_CALL = re.compile(r"pow2\([^()]*\)")


def expand_pow2(override: str) -> str:
    """Replace ``pow2(a,b)`` in a Hydra override by a plain choice list: Hydra refuses unknown functions."""
    key, equals, value = override.partition("=")
    if not equals:
        return override
    return key + equals + _POW2_CALL.sub(lambda call: ",".join(map(repr, evaluate(call.group()))), value)


def format_number(value: Any) -> str:
    """Write an exact power of two as ``2**-6``, everything else as Python would."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return str(value)
    return _format_positive(value)


@lru_cache(maxsize=4096, typed=True)
def _format_positive(value: float) -> str:
    mantissa, exponent = float(value).hex().split("p")
    if mantissa == "0x1.0000000000000" and not 0 <= int(exponent) <= 10:
        return f"2**{int(exponent)}"
    return f"{value:g}" if isinstance(value, float) else str(value)
