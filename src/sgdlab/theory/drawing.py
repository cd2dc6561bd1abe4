"""What the figures of checks are made of: measured curves, and lines of a known order beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sgdlab.analysis.series import OrderLine, Series


def curve(label: str, x: Sequence[Any], y: Sequence[float], spread: Sequence[float] | None = None) -> Series:
    """Return one drawn curve, ``(P,)``; `spread` is half of the error bar at each point."""
    return Series(
        label=label,
        metric=label,
        x=tuple(x),
        mean=tuple(y),
        std=tuple(spread) if spread is not None else (None,) * len(y),
        unselected=(None,) * len(y),
        unselected_rule="",
        num_done=(1,) * len(y),
    )


def order_line(order: int, x: Sequence[float], y: Sequence[float], factor: float = 0.4) -> OrderLine:
    """Return the line of slope `order` that passes `factor` below the last point of a curve."""
    return OrderLine(order, (min(x), max(x)), factor * y[list(x).index(max(x))])
