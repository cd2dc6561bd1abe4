"""How the values of an axis go on beyond its ends, and what lies between two of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Literal

_SAME = 1e-9  # relative: ratios and differences of values that people write
_MOST_STEPS = 10_000  # from an axis' end to the place where an extension has come to
_LONGEST_PATTERN = 3  # 1, 3, 10, 30, … goes on after two values


def beyond(values: Sequence[float], start: float, side: Literal["low", "high"], count: int) -> list[float]:
    """Return the next values beyond `start` in the steps that an axis takes at that end; fewer if it ends.

    A grid that grew along another axis may lack values that the axis has, or went through, elsewhere: those
    between `start` and the axis come first, then those of the axis itself.
    The steps are a constant ratio, a pattern of up to three that repeats at a constant ratio (1, 3, 10, 30),
    or a constant difference; of anything else, the ratio at that end. Steps of whole numbers stay whole, and
    those of positive numbers positive.

    Parameters
    ----------
    values
        Of the axis as the sweep file has it: at least two numbers.
    start
        The last value that was asked for at that end.
    """
    sign = 1 if side == "high" else -1
    ordered = sorted(values, reverse=side == "low")
    is_whole = all(isinstance(value, int) for value in values)
    found: list[float] = []
    before = itertools.takewhile(
        lambda value: sign * (value - start) > 0, itertools.islice(_series(ordered[::-1]), _MOST_STEPS)
    )
    beyond_axis = itertools.islice(_series(ordered), _MOST_STEPS)
    for value in itertools.chain(reversed(list(before)), ordered, beyond_axis):
        if is_whole and value != int(value):
            break
        if sign * (value - start) > 0 and not math.isclose(value, start, rel_tol=_SAME):
            found.append(int(value) if is_whole else value)
        if len(found) == count:
            break
    return found


def between(one: float, other: float) -> float | None:
    """Return the geometric mean of two positive numbers; None where it isn't strictly between whole ones."""
    if one <= 0 or other <= 0:
        return None
    mean = math.sqrt(one * other)
    if isinstance(one, int) and isinstance(other, int):
        mean = round(mean)
    return mean if min(one, other) < mean < max(one, other) else None


def _series(ordered: Sequence[float]) -> Iterator[float]:
    """Yield what comes after the last of the values, which are in the order of the series."""
    usable = [value for value in ordered if value > 0]  # zero is no step of a ratio
    for length in range(1, _LONGEST_PATTERN + 1):
        ratio = _constant_ratio(usable, length)
        if ratio is not None:
            yield from _by_ratio(usable[-length:], ratio)
            return
    steps = [b - a for a, b in itertools.pairwise(ordered)]
    if len(steps) > 1 and all(math.isclose(step, steps[-1], rel_tol=_SAME) for step in steps):
        yield from _by_difference(ordered, steps[-1])
    elif len(usable) > 1:
        yield from _by_ratio(usable[-1:], usable[-1] / usable[-2])


def _constant_ratio(values: Sequence[float], length: int) -> float | None:
    """Return by what the values are multiplied every `length` places; None where that varies."""
    ratios = [b / a for a, b in zip(values, values[length:], strict=False)]
    is_seen_twice = len(ratios) > 1 or len(values) == 2 == length + 1
    if is_seen_twice and all(math.isclose(ratio, ratios[-1], rel_tol=_SAME) for ratio in ratios):
        return ratios[-1]
    return None


def _by_ratio(last: Sequence[float], ratio: float) -> Iterator[float]:
    for turn in itertools.count(1):
        for value in last:
            further = value * ratio**turn
            yield further if math.frexp(ratio)[0] == 0.5 else _rounded(further)  # powers of two are exact


def _by_difference(ordered: Sequence[float], step: float) -> Iterator[float]:
    for turn in itertools.count(1):
        value = _rounded(ordered[-1] + step * turn)
        if min(ordered) > 0 >= value:
            return
        yield value


def _rounded(value: float) -> float:
    """Take rounding off, as people would write the number."""
    return float(f"{value:.12g}")
