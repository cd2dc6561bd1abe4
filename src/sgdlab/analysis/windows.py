"""Which evaluations of a run a window means, from the run's curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from sgdlab.sweeps.windows import Condition, Window

Curves = Mapping[str, np.ndarray]  # "updates", "instability", … each (E,)


def curve_of(curves: Curves, metric: str) -> np.ndarray:
    """Return the curve of a metric (NAME.curve), (E,)."""
    return np.asarray(curves[metric.partition(".")[0]], dtype=float)


def missing_curve(curves: Curves, metrics: Iterable[str]) -> str | None:
    """Say which of some metrics a run doesn't have over training; None if it has all."""
    for name in ("updates", *(metric.partition(".")[0] for metric in metrics)):
        if name not in curves:
            return f"has no {name} over training"
    return None


def holds(condition: Condition, curves: Curves) -> np.ndarray:
    """Return at which evaluations a condition holds, (E,)."""
    values = curve_of(curves, condition.metric)
    beyond = values > condition.above if condition.above is not None else values < condition.below
    return np.asarray(beyond & np.isfinite(values))


def evaluations_in(window: Window, curves: Curves) -> np.ndarray:
    """Return which evaluations are in a window, (E,)."""
    updates = np.asarray(curves["updates"], dtype=float)
    low, high = (end * updates[-1] for end in window.part)
    inside = (low <= updates) & (updates <= high)
    if window.after:
        inside &= np.logical_or.accumulate(holds(window.after, curves))
    if window.before:
        inside &= ~np.logical_or.accumulate(holds(window.before, curves))
    for condition in window.where:
        inside &= holds(condition, curves)
    return np.asarray(inside)
