"""Curves small enough for a page: fewer evaluations, each value to one part in 65,535 of the metric's range.

A run's curve becomes a text of base64 that holds 16-bit numbers, the least significant byte first; 65,535
itself stands for no finite value. Runs that are evaluated at the same updates share a list of them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

CURVES_BUDGET = 2_500_000  # bytes, of all curves of a page
_MOST, _FEWEST = 120, 8  # evaluations of a curve
_NO_VALUE = 65_535
_BYTES_A_VALUE = 8 / 3  # two bytes, in base64


@dataclass(frozen=True)
class ThinnedCurves:
    """The curves of one metric, ready for JSON."""

    metric: str
    low: float  # what 0 stands for
    high: float  # what 65,534 stands for
    updates: tuple[tuple[int, ...], ...]  # distinct lists of them
    curves: Mapping[str, tuple[int, str]]  # key → which list, values
    num_evaluations: int  # of the longest curve, before thinning
    num_kept: int  # of the longest, after it

    def to_dict(self, places: Mapping[str, int]) -> dict[str, Any]:
        """Return plain JSON values; a run is named by its place."""
        return {
            "metric": self.metric,
            "low": self.low,
            "high": self.high,
            "updates": self.updates,
            "curves": {str(places[key]): curve for key, curve in self.curves.items()},
            "kept": [self.num_kept, self.num_evaluations],
        }


def thin(metric: str, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], budget: int) -> ThinnedCurves:
    """Thin the curves of a metric, key → updates and values ``(E,)``, to so many bytes.

    The first and the last evaluation stay, and those between are evenly spread. At least eight do, which may
    take more than the budget.
    """
    finite = [values[np.isfinite(values)] for _, values in curves.values()]
    low = min((float(one.min()) for one in finite if one.size), default=0.0)
    high = max((float(one.max()) for one in finite if one.size), default=1.0)
    most = int(np.clip(budget / max(1, len(curves)) / _BYTES_A_VALUE, _FEWEST, _MOST))
    lists: dict[tuple[int, ...], int] = {}
    thinned, longest = {}, 0
    for key, (updates, values) in curves.items():
        kept = np.unique(np.linspace(0, len(updates) - 1, min(most, len(updates))).round().astype(int))
        shown = tuple(int(update) for update in updates[kept])
        longest = max(longest, len(updates))
        thinned[key] = (lists.setdefault(shown, len(lists)), _encode(values[kept], low, high))
    return ThinnedCurves(metric, low, high, tuple(lists), thinned, longest, min(most, longest))


def _encode(values: np.ndarray, low: float, high: float) -> str:
    share = (values - low) / ((high - low) or 1.0)
    numbers = np.where(np.isfinite(share), np.round(share * (_NO_VALUE - 1)), _NO_VALUE)
    return base64.b64encode(numbers.astype("<u2").tobytes()).decode()
