"""The order k of an error that shrinks as O(εᵏ): the slope of log error on log ε, by least squares.

The interval is Student's t at 95 % on the residuals of the straight line. Errors of a deterministic method
have no noise: their residuals are the curvature that higher orders leave, so the interval says how far the ε
that were taken are from the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import Finding

MIN_POINTS = 4
BAND = 0.2  # half of the width within which an order counts as k: k − 1 and k + 1 are five times as far


@dataclass(frozen=True)
class OrderFit:
    """A fitted order of convergence."""

    order: float
    interval: tuple[float, float]  # 95 %
    num_points: int


def fit_order(step_sizes: Sequence[float], errors: Sequence[float]) -> OrderFit:
    """Fit error ∝ εᵏ to at least four step sizes ε, ``(P,)``, and their errors, ``(P,)``.

    Raises
    ------
    ValueError
        If there are fewer than four points, not as many errors as step sizes, fewer than two different step
        sizes, or a step size or an error that isn't positive and finite.
    """
    if len(step_sizes) != len(errors):
        raise ValueError(f"{len(step_sizes)} step sizes don't go with {len(errors)} errors")
    if len(step_sizes) < MIN_POINTS:
        raise ValueError(
            f"an order is fitted to at least {MIN_POINTS} step sizes; there are {len(step_sizes)}"
        )
    for step_size, error in zip(step_sizes, errors, strict=True):
        for what, number in (("step size", step_size), ("error", error)):
            if not 0 < number < np.inf:
                raise ValueError(
                    f"{what} {number} (ε = {step_size}) has no logarithm: it must be positive and finite"
                )
    if len(set(step_sizes)) < 2:
        raise ValueError(f"every step size is {step_sizes[0]}: an order needs different ones")
    fit = stats.linregress(np.log(step_sizes), np.log(errors))
    half = float(stats.t.ppf(0.975, len(errors) - 2) * fit.stderr)
    slope = float(fit.slope)
    return OrderFit(slope, (slope - half, slope + half), len(errors))


def order_finding(says: str, fit: OrderFit, order: int, remark: str = "") -> Finding:
    """Hold a fitted order against order k: supported where its whole interval is within k ± 0.2."""
    expect = Expectation(within=(order - BAND, order + BAND))
    return Finding(says, fit.order, fit.interval, expect, remark)
